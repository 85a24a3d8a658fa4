"""The wheel as a user gets it: built from the sources, installed with nothing but its dependencies, and run from elsewhere."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import ticketlab

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def done(*words: object, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=1200, **more)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing is left in the sources. Building needs the package index; without one it is skipped."""
    sources, place = tmp_path_factory.mktemp("sources") / "ticketlab", tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT / "src", sources / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".gitignore", "LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, sources)
    built = done(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", place, sources)
    if "No matching distribution found for hatchling" in built.stderr and not os.environ.get("CI"):
        pytest.skip("no package index")
    assert built.returncode == 0, built.stderr
    (file,) = place.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory) -> Path:
    """`ticketlab` in an environment that had nothing before."""
    place = tmp_path_factory.mktemp("empty") / "venv"
    venv.create(place, with_pip=True)
    scripts = place / ("Scripts" if os.name == "nt" else "bin")
    installed = done(scripts / "python", "-m", "pip", "install", "--disable-pip-version-check", wheel)
    assert installed.returncode == 0, installed.stderr
    return scripts / "ticketlab"


def test_it_holds_every_file_of_the_package_and_no_other(wheel) -> None:
    package = Path(ticketlab.__file__).parent
    files = (f for f in package.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    mine = {f"ticketlab/{f.relative_to(package).as_posix()}" for f in files}
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in packed if ".dist-info/" not in name} == mine
    assert any(name.endswith("licenses/LICENSE") for name in packed)


def test_it_runs_a_claim_and_writes_its_page(command, tmp_path) -> None:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "TICKETLAB", "XLA"))
    }
    assert done(command, "--version", env=clean, cwd=tmp_path).stdout.strip() == ticketlab.__version__
    listed = done(command, "claims", env=clean, cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "tangent-minimum" in listed.stdout
    small = [
        "--preset",
        "quick",
        "--seeds",
        "2",
        "--network",
        "mlp:widths=16",
        "--task",
        "digits:train=60,validation=60,test=300",
    ]
    ran = done(command, "run", "tangent-minimum", *small, "--out", "r", env=clean, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    page = (tmp_path / "r/report.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page
    assert len(page) > 1_000_000  # with plotly in it


def test_its_parts_import_without_any_extra(command, tmp_path) -> None:
    """What the user finds under `ticketlab`, each attribute once, where no extra is installed."""
    code = "import ticketlab; print(*[type(getattr(ticketlab, name)).__name__ for name in ticketlab.__all__])"
    ran = done(command.parent / "python", "-I", "-c", code, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
