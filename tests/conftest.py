"""What holds for every test: one BLAS thread, checked shapes and types, room for compiled programs, and the two things a machine
may lack."""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")  # read when NumPy is imported, so before any other import here

import atexit
import gc
import shutil
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

import checked_annotations
import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault(
    "JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0"
)  # a program that does not say where it is from is lowered faster

# What one process of this run has compiled, the others load: the workers of pytest-xdist and whatever the tests start. The folder
# lasts as long as the run, so that no run depends on an earlier one. JAX reads the variables when it is imported.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _programs = tempfile.mkdtemp(prefix="ticketlab-programs-")
    atexit.register(shutil.rmtree, _programs, ignore_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _programs
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.03"


checked_annotations.install()

# The first example compiles, so its time says nothing. The same examples are drawn in every run.
settings.register_profile(
    "ticketlab",
    deadline=None,
    derandomize=True,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ticketlab")


# Without XLA's fusion emitters and LLVM's optimisations a program compiles in a third of the time.
QUICKLY = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1 --xla_llvm_disable_expensive_passes=true"
)


def pytest_configure(config: pytest.Config) -> None:
    """The fast tests compile quickly, which is most of their time, and check the first calls of each function in every test;
    `make test-all` compiles as users do, and checks all calls."""
    if config.option.markexpr == "not slow":
        os.environ["XLA_FLAGS"] = f"{QUICKLY} {os.environ.get('XLA_FLAGS', '')}"
        checked_annotations.Calls.checked = 25


def pytest_runtest_setup() -> None:
    checked_annotations.Calls.test += 1


HERE = Path(__file__).parent
# A worker takes the next file when it has almost done its own, so the longest files start first, and the last ones are short.
LONGEST = (
    "claims/test_learned_masks.py",
    "test_docs.py",
    "claims/test_calibration.py",
    "claims/test_masking_is_training.py",
    "report/test_report_in_browser.py",
    "claims/test_winning_ticket.py",
    "cli/test_processes.py",
    "claims/test_linear_mode.py",
    "engine/test_cluster.py",
    "tickets/test_learned.py",
    "tangent/test_structured_kernels.py",
    "cli/test_spread.py",
    "training/test_loop.py",
    "claims/test_linear_regime.py",
    "tangent/test_devices.py",
    "tickets/test_magnitude.py",
    "engine/test_jobs.py",
    "estimators/test_estimators.py",
    "test_compiled_programs.py",
    "tangent/test_block_descent.py",
    "tickets/test_planted.py",
    "adapters/test_flax_models.py",
    "lab/test_sweep_command.py",
    "adapters/test_equinox_models.py",
    "adapters/test_torch_models.py",
    "claims/test_scaling.py",
    "tickets/test_criteria.py",
    "claims/test_newton_step.py",
    "networks/test_compiled_derivatives.py",
    "tickets/test_pruned.py",
    "claims/test_identical_evidence.py",
    "tangent/test_matrix_free.py",
    "claims/test_arms.py",
    "infinite/test_kernels.py",
    "tasks/test_losses.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """One more process than processors: tests of processes and of browsers wait a sixth of the time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, the others as they are."""
    place = {HERE / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


def pytest_collection_finish() -> None:
    """Leaves what is there for good out of garbage collections, and collects seldom.

    Tracing makes so many objects that a sixth of the time would go into looking for cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


MAPS = Path("/proc/self/maps")  # of Linux, which allows a process 65 530 by default
MANY = 30_000


@pytest.fixture(scope="module", autouse=True)
def room_for_programs():
    """Forgets compiled programs after a file of tests when there are many: each holds maps of memory, and where they run out the
    compiler ends the process."""
    yield
    if "jax" in sys.modules and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MANY:
        sys.modules["jax"].clear_caches()


@pytest.fixture(scope="session", autouse=True)
def few_lanes():
    """At most 16 networks side by side in a program, where users have 64: most tests train two or three, and the rest is computed
    and dropped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ticketlab.training.memory._MOST_LANES", 16)
        yield


@pytest.fixture(scope="session", autouse=True)
def few_contexts():
    """A new context of MLIR for every 200th program of a thread; JAX makes one for each, and loading its dialects takes 5 ms."""
    from jax._src.interpreters import mlir

    if not hasattr(mlir, "make_ir_context"):  # it is JAX's own business, and another version may have none
        yield
        return
    made, own = mlir.make_ir_context, threading.local()

    def context() -> Any:
        if getattr(own, "left", 0) == 0:
            own.context, own.left = made(), 200
        own.left -= 1
        return own.context

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlir, "make_ir_context", context)
        yield


@pytest.fixture
def optimised_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are compiled more slowly than elsewhere here, and then taken in half the time, for tests that take many."""
    from ticketlab.training import loop

    monkeypatch.setattr(loop, "advance", _optimised_advance())


@cache
def _optimised_advance() -> Any:
    import jax

    from ticketlab.training import program

    options = {"xla_cpu_multi_thread_eigen": False, "xla_backend_optimization_level": 1}
    return jax.jit(program.advance.__wrapped__, static_argnames=("program",), compiler_options=options)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder with `mnist/` and `cifar10/` that TICKETLAB_DATA names; who asks for it skips where it is not set."""
    place = os.environ.get("TICKETLAB_DATA")
    if not place:
        pytest.skip("set TICKETLAB_DATA to a folder with mnist/ and cifar10/ to run this")
    folder = Path(place).expanduser()
    assert folder.is_dir(), f"TICKETLAB_DATA names {folder}, which is no folder"
    return folder


@pytest.fixture(scope="session")
def browser_path() -> str | None:
    """The system's Chromium or Chrome; None for the one Playwright brings. Where there is neither: skips, fails in CI."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"):
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        if Path(playwright.chromium.executable_path).exists():
            return None
    message = "no Chromium: install your system's chromium package, or run `playwright install chromium`"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def browser(browser_path):
    """Chromium, opened once for a file of tests."""
    from in_browser import OPTIONS
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def ask(request, capsys):
    """Runs a command with the module's STUDIES: (exit code, standard output, error stream)."""
    from ticketlab.cli import main

    def ask(*words, studies=None):
        code = main(list(words), request.module.STUDIES if studies is None else studies)
        out, err = capsys.readouterr()
        return code, out, err

    return ask


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty working folder, and a page of one word."""
    from ticketlab import report

    def write(folder):
        folder.evidence()
        folder.report_path.write_text("page")
        return folder.report_path

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(report, "write", write, raising=False)
    return tmp_path
