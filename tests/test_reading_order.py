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
ORDER = ["errors", "networks", "tasks", "training", "tangent", "infinite", "tickets", "functions", "laws", "studies",
         "estimators", "choices", "plans", "engine", "store", "report", "cli"]
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
