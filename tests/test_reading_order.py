"""The package can be read from the first folder to the last: imports run one way, and nothing heavy is imported early."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ticketlab

PACKAGE = Path(ticketlab.__file__).parent
# fmt: off
ORDER = ["errors", "networks", "tasks", "training", "tangent", "infinite", "tickets", "functions", "laws", "evidence",
         "figures", "claims", "estimators", "choices", "plans", "engine", "store", "report", "cli"]
# fmt: on
HEAVY = "jax jaxlib numpy scipy sklearn optax plotly duckdb pandas pyarrow cattrs"


def places() -> list[str]:
    """Every folder and file directly in the package, but for the package's own `__init__`."""
    return sorted(p.stem for p in PACKAGE.iterdir() if not p.name.startswith("_"))


def imports(place: str) -> Iterator[tuple[str, str]]:
    """(file and line, imported place) for every import of the package by a place, also within functions."""
    files = (PACKAGE / place).rglob("*.py") if (PACKAGE / place).is_dir() else [PACKAGE / f"{place}.py"]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}:{node.lineno}: write imports in full"
                names = [f"{node.module}.{a.name}" for a in node.names]
            elif isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            else:
                continue
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


def files() -> dict[str, Path]:
    """Every module of the package but the faces of folders, by its dotted name."""
    named = {".".join(f.relative_to(PACKAGE.parent).with_suffix("").parts): f for f in PACKAGE.rglob("*.py")}
    return {name: f for name, f in named.items() if not name.endswith(("__init__", "__main__"))}


def edges() -> dict[str, set[str]]:
    """Which modules each module imports: within functions and for types too."""
    known = files()
    found: dict[str, set[str]] = {name: set() for name in known}
    for name, file in known.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for imported in (node.module, *(f"{node.module}.{a.name}" for a in node.names)):
                    found[name] |= {imported} & set(known) - {name}
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """What is left when modules that import nothing that is left are taken away, again and again."""
    left = {name: set(others) for name, others in graph.items()}
    while done := {name for name, others in left.items() if not others & set(left)}:
        left = {name: others for name, others in left.items() if name not in done}
    return [sorted(left)] if left else []


def test_no_file_imports_one_that_imports_it():
    assert circles(edges()) == []


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [["a", "b", "c"]]


@pytest.mark.parametrize("folder", sorted(f.parent.name for f in PACKAGE.glob("claims/*/claim.py")))
def test_a_claim_is_asked_without_what_is_measured_and_drawn(folder):
    """`claim.py` and `formula.py` need no JAX and no charts."""
    code = f"import sys, ticketlab.claims.{folder}.claim; print(*sorted({{'jax', 'plotly', 'optax'}} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_the_map_names_every_place_in_order():
    named = [line.split()[0] for line in ticketlab.__doc__.splitlines() if line.startswith("    ")]
    assert named == [place for place in ORDER if place in named]
    assert set(places()) - {"errors"} <= set(named)


LIGHT = [p for p in places() if (PACKAGE / p).is_dir() or p == "cli"] + [
    "networks.architectures",
    "tasks.sources",
]


@pytest.mark.parametrize("module", ["ticketlab", *(f"ticketlab.{place}" for place in LIGHT)])
def test_nothing_heavy_is_imported_early(module):
    code = f"import sys, {module}; print(*sorted(set('{HEAVY}'.split()) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
