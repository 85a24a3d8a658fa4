"""The user's own model by the name of its factory: found, recognised, hashed, run from the command line."""

import json
import sys

import jax
import numpy as np
import pytest

from ticketlab import UserError
from ticketlab.adapters import OwnModel, load_ticket
from ticketlab.adapters.own_model import adapt
from ticketlab.choices import choice_text, family
from ticketlab.claims.study import cell_of
from ticketlab.claims.winning_ticket.claim import WinningTicket
from ticketlab.cli import main
from ticketlab.networks import MLP
from ticketlab.networks.architecture import Architecture
from ticketlab.plans import parse_choice, read_plan, toml
from ticketlab.store import read_ticket
from ticketlab.store.identity import dependencies

NETWORKS = family(Architecture)
assert NETWORKS is not None

CODE = """
import jax, jax.numpy as jnp
from {helper} import WIDTH

def init(key):
    one, two = jax.random.split(key)
    return {{"in": jax.random.normal(one, (64, WIDTH)) / 6, "shift": jnp.zeros(WIDTH),
             "out": jax.random.normal(two, (WIDTH, 10)) / 4}}

def apply(tree, x):
    return jax.nn.relu(x.reshape(len(x), -1) @ tree["in"] + tree["shift"]) @ tree["out"]

def make():
    return init, apply

def make_for(input_shape, outputs):
    from ticketlab.networks import MLP
    return MLP((3,)).build(input_shape, outputs)

def fails():
    raise RuntimeError("no weights here")

def asks(width):
    pass

number = 3
"""


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """A module of the user's in the current folder, with a name of its own for every test, and a second file that it imports."""
    name = f"own_{request.node.name.partition('[')[0]}"
    (tmp_path / f"{name}.py").write_text(CODE.format(helper=f"{name}_sizes"))
    (tmp_path / f"{name}_sizes.py").write_text("WIDTH = 12\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield name
    for known in (name, f"{name}_sizes"):
        sys.modules.pop(known, None)


@pytest.mark.parametrize("text", ["own:module=a.b:make", "own:a.b:make", "a.b:make"])
def test_it_is_written_by_its_name(text):
    assert parse_choice(text, NETWORKS) == OwnModel("a.b:make")
    assert choice_text(OwnModel("a.b:make"), NETWORKS) == "own:module=a.b:make"


def test_names_of_the_zoo_and_mistakes_in_them_stay_what_they_are():
    assert parse_choice("mlp:3x4", NETWORKS) == MLP((3, 4))
    with pytest.raises(UserError, match="Did you mean 'mlp'"):
        parse_choice("mpl:3x4", NETWORKS)
    with pytest.raises(UserError, match="MODULE:FACTORY"):
        parse_choice("own:make", NETWORKS)


def test_a_plan_file_holds_it(tmp_path):
    plan = WinningTicket.plan_type(network=OwnModel("a.b:make"))
    (tmp_path / "plan.toml").write_text(toml("winning-ticket", plan))
    assert (
        read_plan(
            tmp_path / "plan.toml", {"winning-ticket": "ticketlab.claims.winning_ticket.claim:WinningTicket"}
        )[1]
        == plan
    )


def test_a_pair_of_functions_and_a_network_are_taken(module):
    network = OwnModel(f"{module}:make").build((8, 8, 1), 10)
    assert [w.name for w in network.weights] == ["in", "out"]
    assert OwnModel(f"{module}:make").build((8, 8, 1), 10) is network  # its programs are compiled once
    assert OwnModel(f"./{module}.py:make_for").build((8, 8, 1), 10).layers


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{m}:nothing", "has no 'nothing'; expected a function in it .*make"),
        ("{m}:fails", "raised RuntimeError: no weights here"),
        ("{m}:asks", "argument 'width' has no value"),
        ("{m}:number", "int at"),
        ("no_such_module:make", "was not found"),
        ("{m}.inner:make", "was not found"),
        ("no/such.py:make", "is no file"),
        ("3x:make", "dotted name"),
    ],
)
def test_mistakes_are_named(module, name, said):
    with pytest.raises(UserError, match=said):
        OwnModel(name.format(m=module)).build((8, 8, 1), 10)


def test_a_module_that_cannot_be_imported_says_why(module, tmp_path):
    (tmp_path / "broken_module.py").write_text("import no_such_library\n")
    with pytest.raises(UserError, match="broken_module, which raised ModuleNotFoundError.*no_such_library"):
        OwnModel("broken_module:make").build((8, 8, 1), 10)


def test_a_network_of_another_size_is_refused(module):
    with pytest.raises(UserError, match=r"outputs.*expected one for inputs \(8, 8, 1\) and 10 outputs"):
        adapt(MLP((3,)).build((8, 8, 1), 3), (8, 8, 1), 10, "mine")
    with pytest.raises(UserError, match=r"str from mine"):
        adapt(lambda: "weights.pt", (8, 8, 1), 10, "mine")


def test_the_files_and_what_they_import_are_part_of_the_identity(module, tmp_path):
    study, model = WinningTicket(), OwnModel(f"{module}:make")
    plan = study.plan_type(network=model)
    first = dependencies(study, plan, data={})["model"]
    assert set(first) == {"network"}
    model.build((8, 8, 1), 10)
    (tmp_path / f"{module}_sizes.py").write_text("WIDTH = 13\n")
    assert dependencies(study, plan, data={})["model"] != first
    (tmp_path / f"{module}_sizes.py").write_text("WIDTH = 12\n")
    (tmp_path / "other.py").write_text("")  # not imported
    assert dependencies(study, plan, data={})["model"] == first
    assert "model" not in dependencies(study, study.plan_type(), data={})


LATE = """
def make():
    from {helper} import init, apply
    return init, apply
"""


def test_what_the_factory_imports_is_part_of_the_identity_before_it_is_called(module, tmp_path):
    (tmp_path / f"{module}_late.py").write_text(LATE.format(helper=module))
    study = WinningTicket()
    plan = study.plan_type(network=OwnModel(f"{module}_late:make"))

    def found():
        return dependencies(study, plan, data={})["model"]

    before = found()
    (tmp_path / f"{module}_sizes.py").write_text("WIDTH = 13\n")  # two imports away
    assert found() != before
    (tmp_path / f"{module}_sizes.py").write_text("WIDTH = 12\n")
    OwnModel(f"{module}_late:make").build((8, 8, 1), 10)
    assert found() == before
    sys.modules.pop(f"{module}_late")


def test_what_a_package_imports_within_itself_is_part_of_its_identity(module, tmp_path):
    package = tmp_path / f"{module}_package"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "models.py").write_text("def make():\n    from .inner import parts\n")
    (package / "inner" / "parts.py").write_text("from .. import sizes\n")
    (package / "sizes.py").write_text("WIDTH = 12\n")
    (package / "other.py").write_text("")
    model = OwnModel(f"{module}_package.models:make")
    before = model.digest()
    (package / "other.py").write_text("WIDTH = 13\n")  # imported by none
    assert model.digest() == before
    (package / "sizes.py").write_text("WIDTH = 13\n")
    assert model.digest() != before
    for name in [n for n in sys.modules if n.startswith(f"{module}_package")]:
        sys.modules.pop(name)


def test_what_needs_a_description_says_so():
    own = OwnModel("a:make")
    for ask in (lambda: own.widened(2), lambda: own.stages(1), lambda: own.activation):
        with pytest.raises(UserError, match="a model of your own, where .* must be known"):
            ask()


def test_a_ticket_is_found_from_the_command_line_and_comes_back(module, tmp_path, capsys):
    """Masks, pruning and controls without a description of layers; the control that needs one is left out, and that is said."""
    words = [
        "--task",
        "digits:train=60,validation=40,test=80",
        "--network",
        f"{module}:make",
        "--seeds",
        "2",
        "--levels",
        "1",
    ]
    words += [
        "--density",
        "0.81",
        "--steps",
        "6",
        "--evaluate-every",
        "2",
        "--controls",
        "reinitialised",
        "equal-size",
    ]
    assert main(["run", "winning-ticket", *words, "--out", "run", "--json"]) == 0
    printed = capsys.readouterr()
    assert "The control 'equal-size' is left out" in printed.err
    assert json.loads(printed.out)
    assert "no narrower network can be made of it" in (tmp_path / "run" / "report.html").read_text(
        encoding="utf-8"
    )
    network = OwnModel(f"{module}:make").build((8, 8, 1), 10)
    (file,) = tmp_path.glob("run/**/seed-0.safetensors")
    ticket = read_ticket(file)
    assert {n: int(m.sum()) for n, m in ticket.mask.items()} == {"in": 614, "out": 108}  # 0.2 and 0.1 removed
    from safetensors.numpy import load_file

    own = load_file(file.with_suffix(".trained.safetensors"))
    for name, array in ticket.trained.items():
        assert np.array_equal(own[name], array)
    assert not np.any(own["in"][own["mask/in"] == 0])
    assert jax.jit(network.apply)(ticket.trained, np.ones((2, 8, 8, 1), np.float32)).shape == (2, 10)
    with pytest.raises(UserError, match="a model of PyTorch, Flax or Equinox"):
        load_ticket(file.with_suffix(".trained.safetensors"), 3)
    assert cell_of(WinningTicket()) is not None
    assert jax.tree.leaves(ticket.start)
