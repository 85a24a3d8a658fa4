import dataclasses
import enum
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_study import Budget, Gaussian, ToyPlan, Uniform

from ticketlab.errors import UserError
from ticketlab.networks.architectures import MLP, LeNet300100
from ticketlab.plans import (
    canonical_json,
    cell_fields,
    find_study,
    plan_hash,
    presets,
    read_plan,
    structure,
    toml,
)
from ticketlab.tasks.sources import Boolean, Digits, Npz

STUDIES = {"toy": "toy_study:Toy"}

numbers = st.floats(allow_nan=False)
plans = st.builds(
    ToyPlan,
    task=st.sampled_from([Digits(), Digits(train=7), Boolean(bits=3)]) | st.builds(Npz, path=st.text()),
    network=st.sampled_from([MLP(), MLP(widths=(3, 4), bias=False), LeNet300100()]),
    law=st.builds(Gaussian, scale=numbers) | st.builds(Uniform, low=numbers, high=numbers),
    signs=st.lists(st.sampled_from(["plus", "minus"])).map(tuple),
    seeds=st.integers(1, 2**60),
    margin=numbers,
    offset=st.none() | numbers,
    budget=st.builds(Budget, draws=st.integers()),
)


def written(tmp_path, text):
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


@given(plans, st.booleans())
def test_a_plan_comes_back_from_its_file(tmp_path_factory, plan, comments):
    path = written(tmp_path_factory.mktemp("plan"), toml("toy", plan, comments=comments))
    assert read_plan(path, STUDIES) == ("toy", plan)


def test_equal_plans_have_equal_hashes_however_they_are_written(tmp_path):
    plan = ToyPlan(seeds=4, margin=1, network=MLP(widths=(8,)))
    path = written(tmp_path, 'claim = "toy"\nseeds = 4\nmargin = 1\nnetwork = "mlp:8"\n')
    _, read = read_plan(path, STUDIES)
    assert read == plan
    assert plan_hash("toy", read) == plan_hash("toy", plan)
    assert plan_hash("toy", plan) != plan_hash("toy", dataclasses.replace(plan, seeds=5))
    assert plan_hash("toy", plan) != plan_hash("other", plan)


def test_what_is_left_out_has_its_default(tmp_path):
    _, plan = read_plan(written(tmp_path, 'claim = "toy"\n[task]\nchoice = "boolean"\n'), STUDIES)
    assert plan == ToyPlan(task=Boolean())


def test_a_table_within_changes_only_what_it_names(tmp_path):
    text = 'claim = "toy"\n[network]\nchoice = "lenet-300-100"\n[network.initialisation]\nsigma_w = 2\n'
    _, plan = read_plan(written(tmp_path, text), STUDIES)
    usual = LeNet300100().initialisation
    assert plan.network.initialisation == dataclasses.replace(usual, sigma_w=2.0)


def test_the_file_explains_every_option():
    text = toml("toy", ToyPlan())
    assert tomllib.loads(text)["claim"] == "toy"
    assert "# how many times.\nseeds = 3\n" in text
    assert "# offset is not set" in text
    assert toml("toy", ToyPlan(), comments=False).count("#") < text.count("#")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["without a claim", 'claim = "toy"']),
        ("claim = 3", ["claim = 3", 'claim = "toy"']),
        ('claim = "tyo"', ["claim 'tyo'", "one of toy", "Did you mean 'toy'?"]),
        ('claim = "toy"\nseeds = 3 4\n', ["not TOML", "line 2"]),
        ('claim = "toy"\nsedes = 3', ["unknown name 'sedes'", "Did you mean 'seeds'?"]),
        ('claim = "toy"\nseeds = 2.5', ["2.5 for seeds", "a whole number"]),
        ('claim = "toy"\nseeds = true', ["True for seeds", "a whole number"]),
        ('claim = "toy"\nseeds = "3"', ["'3' for seeds", "a whole number"]),
        ('claim = "toy"\nseeds = 0', ["seeds = 0", "at least 1"]),
        ('claim = "toy"\nmargin = "wide"', ["'wide' for margin", "a number"]),
        ('claim = "toy"\noffset = "no"', ["'no' for offset", "a number, or none"]),
        ('claim = "toy"\nsigns = "plus"', ["'plus' for signs", "a list"]),
        ('claim = "toy"\nsigns = ["pluss"]', ["'pluss' for signs", "plus, minus", "Did you mean 'plus'?"]),
        ('claim = "toy"\ntask = 3', ["3 for task", "a task", "digits"]),
        ('claim = "toy"\n[task]\nname = "digits"', ["without a name", "choice = one of digits"]),
        ('claim = "toy"\n[task]\nchoice = "digts"', ["'digts'", "Did you mean 'digits'?"]),
        ('claim = "toy"\n[task]\nchoice = "npz"', ["nothing for path in task npz", "no default"]),
        ('claim = "toy"\n[law]\nchoice = "uniform"\nhigh = "x"', ["'x' for high", "a number"]),
        ('claim = "toy"\n[budget]\ndrws = 3', ["'drws' for budget", "Did you mean 'draws'?"]),
        ('claim = "toy"\nbudget = 3', ["3 for budget", "a table"]),
        ('claim = "toy"\nseeds = "a"\nmargin = "b"', ["'a' for seeds", "Also wrong: margin", "'b'"]),
        ('claim = "toy"\n[task]\nchoice = "npz"\npth = "x"', ["Also wrong: got the unknown name 'pth'"]),
    ],
)
def test_mistakes_say_where_what_and_what_is_right(tmp_path, text, said):
    with pytest.raises(UserError) as caught:
        read_plan(written(tmp_path, text), STUDIES)
    for words in said:
        assert words in str(caught.value)


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True)
class _Coloured:
    colour: Colour = Colour.RED


def test_an_unknown_word_of_an_enumeration_is_refused():
    assert structure({"colour": "blue"}, _Coloured) == _Coloured(Colour.BLUE)
    with pytest.raises(UserError, match=r"got 'bleu' for colour in .*one of red, blue\. Did you mean 'blue'"):
        structure({"colour": "bleu"}, _Coloured)


def test_a_mark_of_the_byte_order_is_no_mistake(tmp_path):
    (tmp_path / "plan.toml").write_bytes(b'\xef\xbb\xbfclaim = "toy"\r\nseeds = 1\r\n')
    assert read_plan(tmp_path / "plan.toml", STUDIES) == ("toy", ToyPlan(seeds=1))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_plan(tmp_path / "none.toml", STUDIES)
    with pytest.raises(UserError, match="cannot be read"):
        read_plan(tmp_path, STUDIES)
    (tmp_path / "plan.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not text in UTF-8"):
        read_plan(tmp_path / "plan.toml", STUDIES)


def test_presets_always_have_a_default():
    assert presets(ToyPlan) == {"default": ToyPlan(), "quick": ToyPlan(seeds=1, signs=("plus",))}
    assert presets(Budget) == {"default": Budget()}


def test_cells_do_not_depend_on_how_many_there_are():
    assert {"seeds", "margin"} & set(cell_fields(ToyPlan())) == set()
    assert cell_fields(ToyPlan(seeds=9)) == cell_fields(ToyPlan())
    assert cell_fields(ToyPlan(offset=1.0)) != cell_fields(ToyPlan())


def test_claims_are_found_by_name():
    assert find_study("toy", STUDIES).claim == "toy"
    with pytest.raises(UserError, match="Did you mean 'toy'"):
        find_study("toys", STUDIES)


def test_canonical_json_does_not_depend_on_order():
    assert canonical_json({"b": 1, "a": [1.5, "λ"]}) == '{"a":[1.5,"λ"],"b":1}'


def test_a_programming_error_is_not_taken_for_the_users():
    @dataclasses.dataclass(frozen=True)
    class Wrong:
        pair: tuple[int, int] = (1, 2)

    with pytest.raises(TypeError, match="tuples of any length"):
        structure({"pair": [1, 2]}, Wrong)
