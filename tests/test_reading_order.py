"""The package can be read from the first folder to the last: imports run one way, and nothing heavy is imported early."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import ticketlab

PACKAGE = Path(ticketlab.__file__).parent
# fmt: off
ORDER = ["errors", "compiler", "compiled_programs", "networks", "adapters", "tasks", "training", "tangent", "infinite", "units",
         "tickets", "symmetry", "functions", "laws", "evidence", "figures", "claims", "choices", "plans", "estimators", "engine",
         "store", "lab", "report", "cli"]
# fmt: on
HEAVY = "jax jaxlib numpy scipy sklearn optax plotly duckdb pandas pyarrow cattrs"


def places() -> list[str]:
    """Every folder and file directly in the package, except the package's own `__init__`."""
    return sorted(p.stem for p in PACKAGE.iterdir() if not p.name.startswith("_"))


@cache
def statements(file: Path) -> list[ast.Import | ast.ImportFrom]:
    """All that import something, also within functions and for types alone."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(place: str) -> Iterator[tuple[str, str]]:
    """(file and line, imported place) for every import of the package by a place, also within functions."""
    files = (PACKAGE / place).rglob("*.py") if (PACKAGE / place).is_dir() else [PACKAGE / f"{place}.py"]
    for file in files:
        for node in statements(file):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}:{node.lineno}: write imports in full"
                names = [f"{node.module}.{a.name}" for a in node.names]
            else:
                names = [a.name for a in node.names]
            for name in names:
                root, _, rest = name.partition(".")
                if root == "ticketlab":
                    yield f"{file.relative_to(PACKAGE)}:{node.lineno}", rest.split(".")[0]


def test_every_place_has_its_place_in_the_order():
    assert set(places()) <= set(ORDER)


@pytest.mark.parametrize("place", places())
def test_imports_run_one_way(place):
    allowed = {*ORDER[: ORDER.index(place) + 1], "", "__version__"}  # "": the package itself
    assert [f"{where} imports {other}" for where, other in imports(place) if other not in allowed] == []


def modules() -> dict[str, Path]:
    """Every module by its dotted name; that of a package is its `__init__`."""
    found = {file: file.relative_to(PACKAGE.parent).with_suffix("").parts for file in PACKAGE.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): file for file, parts in found.items()}


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """(module, name) for every name imported from a module of the package, also within functions and for types alone."""
    for node in statements(file):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "ticketlab":
            yield from ((node.module, alias.name) for alias in node.names)


@cache
def graph() -> dict[str, set[str]]:
    """For each file the files that it imports names from, seen through the `__init__` of packages."""
    files = modules()
    faces = {name: dict(map(reversed, imported(f))) for name, f in files.items() if f.stem == "__init__"}

    def home(module: str, name: str) -> str:
        if f"{module}.{name}" in files:
            return f"{module}.{name}"
        while name in faces.get(module, {}):
            module = faces[module][name]
        return module

    own = {name: {home(*pair) for pair in imported(f)} for name, f in files.items() if name not in faces}
    return {name: (others & own.keys()) - {name} for name, others in own.items()}


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules from which imports lead back to them."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        ahead = [*graph[start]]
        while ahead:
            if (module := ahead.pop()) not in found:
                found.add(module)
                ahead += graph[module]
        return found

    return {module for module in graph if module in reached(module)}


def test_no_file_imports_one_that_imports_it():
    assert circles(graph()) == set()


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {"b", "c"}


def test_imports_are_followed_into_functions_types_and_packages():
    found = graph()
    assert "ticketlab.networks.sequential" in found["ticketlab.networks.architecture"]  # in a function
    assert "ticketlab.networks.walk" in found["ticketlab.networks.stages.stage"]  # for types
    assert "ticketlab.networks.stages.dense" in found["ticketlab.networks.architectures"]  # by a package


@cache
def loaded_by(modules: tuple[str, ...], heavy: str) -> dict[str, list[str]]:
    """What is heavy and was not there before each of these modules, imported one after the other by a new process."""
    code = (
        "import importlib, sys; before = set()\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        f"    now = set('{heavy}'.split()) & set(sys.modules)\n"
        "    print(module, *sorted(now - before)); before = now"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {module: loaded for module, *loaded in map(str.split, done.stdout.splitlines())}


CLAIMS = tuple(f"ticketlab.claims.{f.parent.name}.claim" for f in sorted(PACKAGE.glob("claims/*/claim.py")))


@pytest.mark.parametrize("module", CLAIMS)
def test_a_claim_is_asked_without_what_is_measured_and_drawn(module):
    """`claim.py` and `formula.py` need no JAX and no charts."""
    assert loaded_by(CLAIMS, "jax plotly optax")[module] == []


def on_the_map() -> list[str]:
    return [line.split()[0] for line in ticketlab.__doc__.splitlines() if line.startswith("    ")]


def test_the_map_names_every_place_in_order():
    named = on_the_map()
    assert named == [place for place in ORDER if place in named]
    assert set(places()) - {"errors"} <= set(named)


@pytest.mark.parametrize("place", on_the_map())
def test_every_place_on_the_map_is_an_attribute_of_the_package(place):
    """By the package's own `__getattr__`, because another test may have imported the place."""
    assert ticketlab.__getattr__(place).__name__ == f"ticketlab.{place}"
    assert place in ticketlab.__all__


PLACES = [p for p in places() if (PACKAGE / p).is_dir() or p == "cli"]
LIGHT = (
    "ticketlab",
    *(f"ticketlab.{place}" for place in (*PLACES, "networks.architectures", "tasks.sources")),
)


@pytest.mark.parametrize("module", LIGHT)
def test_nothing_heavy_is_imported_early(module):
    assert loaded_by(LIGHT, HEAVY)[module] == []
