"""The choices: one contract for all of them, the bundled sets, and named folders."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import cattrs
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import TASKS, Boolean, Bundled, Cifar10, Digits, Fashion, Mnist, Sizes, TaskSource, split

REQUIRED = {"path": "somewhere", "id": "owner/name"}


def made(source: type[TaskSource]) -> TaskSource:
    names = [f.name for f in dataclasses.fields(source) if f.default is dataclasses.MISSING]
    return source(**{name: REQUIRED[name] for name in names})


@pytest.mark.parametrize("name", TASKS)
def test_every_choice_is_frozen_described_and_says_its_sizes(name: str) -> None:
    source = dataclasses.replace(made(TASKS[name]), train=30, test=10)
    with pytest.raises(dataclasses.FrozenInstanceError):
        source.train = 3  # type: ignore[misc]
    assert source.sizes() == Sizes(30, None, 10)
    assert callable(source.task)  # and not hidden by a field of that name
    assert source.describe()
    assert TASKS[name].what
    assert TASKS[name].__doc__


@pytest.mark.parametrize("name", TASKS)
def test_every_choice_is_a_plan_in_plain_values(name: str) -> None:
    source = dataclasses.replace(made(TASKS[name]), validation=7)
    plain = cattrs.unstructure(source)
    assert all(isinstance(value, (int, float, str, type(None))) for value in plain.values())
    assert cattrs.structure(plain, TASKS[name]) == source


def test_task_is_load_and_split() -> None:
    source = Bundled(name="wine", train=90, test=30)
    task = source.task(seed=4)
    assert (len(task.train), len(task.test)) == (90, 30)
    assert task.content_hash == split(source.load(), 4, source.sizes()).content_hash
    assert task.content_hash != source.task(seed=5).content_hash


def test_choices_import_nothing_heavy() -> None:
    code = (
        "import sys, ticketlab.tasks.catalogue; "
        "print([m for m in ('jax', 'numpy', 'sklearn', 'duckdb', 'PIL') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "shape", "k"),
    [
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
        ("breast_cancer", (569, 30), 2),
        ("digits", (1797, 8, 8, 1), 10),
        ("diabetes", (442, 10), 1),
        ("linnerud", (20, 3), 3),
    ],
)
def test_bundled_sets(name: str, shape: tuple[int, ...], k: int) -> None:
    data = Bundled(name=name).load()
    assert data.x.shape == shape
    assert len(data.classes) == k
    assert data.kind == ("regression" if name in ("diabetes", "linnerud") else "classification")
    assert data.features == () or len(data.features) == shape[1]
    assert split(data, 0).outputs == k


def test_an_unknown_bundled_set_is_answered_with_those_that_exist() -> None:
    with pytest.raises(UserError, match="name='titanic'; expected one of iris, wine, breast_cancer"):
        Bundled(name="titanic").load()


def test_digits_are_the_default_and_have_a_thousand_to_train_on() -> None:
    data = Digits().load()
    assert data.name == "digits"
    assert (data.x.min(), data.x.max(), data.scale) == (0, 16, 16)
    assert len(split(data, 0).train) >= 1000


@pytest.mark.parametrize("source", [Mnist, Fashion, Cifar10])
def test_named_folders_say_where_they_looked(
    source: type[Mnist], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TICKETLAB_DATA", raising=False)
    with pytest.raises(UserError, match=r"TICKETLAB_DATA is not set.*Pass folder=…, or set TICKETLAB_DATA"):
        source().load()
    monkeypatch.setenv("TICKETLAB_DATA", str(tmp_path))
    with pytest.raises(
        UserError, match=f"no folder {tmp_path / source.place} .from TICKETLAB_DATA={tmp_path}"
    ):
        source().load()
    with pytest.raises(UserError, match=f"no folder {tmp_path / 'nothing'}; expected"):
        source(folder=str(tmp_path / "nothing")).load()


def test_descriptions() -> None:
    assert Boolean(target="random", ones=5, draw=2).describe() == (
        "all 128 inputs of 7 bits, random target (ones=5, draw 2)"
    )
    assert Bundled(name="wine").describe() == "wine (scikit-learn)"


@pytest.mark.slow
def test_real_mnist(data_folder: Path) -> None:
    data = Mnist(folder=str(data_folder / "mnist")).load()
    assert data.x.shape == (70000, 28, 28, 1)
    assert np.bincount(data.labels[60000:]).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    train = data.x[:60000] / np.float32(255)
    assert train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    source = Mnist(folder=str(data_folder / "mnist"), train=3200, validation=800)
    task = split(data, 0, source.sizes())
    assert [len(p) for p in (task.train, task.validation, task.test)] == [3200, 800, 10000]
    assert task.train.x.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert task.train.x.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(task.test.ids, np.arange(60000, 70000))
