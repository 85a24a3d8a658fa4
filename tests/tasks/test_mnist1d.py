"""MNIST-1D: made by its package where that is installed, and a clear error where it is not."""

import random
import sys

import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.tasks import Mnist1d, split
from ticketlab.tasks.mnist1d import _global_generators_kept


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mnist1d", None)
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(UserError, match=r"extra 'mnist1d'.*pip install 'ticketlab\[mnist1d\]'"):
        Mnist1d().load()


@pytest.fixture
def package() -> None:
    pytest.importorskip("mnist1d", reason="the extra 'mnist1d' is not installed")


@pytest.mark.usefixtures("package")
def test_what_is_made_is_made_again() -> None:
    first, again, other = (
        Mnist1d(samples=200).load(),
        Mnist1d(samples=200).load(),
        Mnist1d(samples=200, draw=1).load(),
    )
    assert first.content_hash == again.content_hash != other.content_hash
    assert first.x.shape == (200, 40)
    assert first.official_test == 40
    assert [len(p) for p in (split(first, 0).train, split(first, 0).test)] == [120, 40]


@pytest.mark.usefixtures("package")
def test_global_generators_are_left_as_they_were() -> None:
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    Mnist1d(samples=100).load()
    assert np.random.random() == expected  # noqa: NPY002
    before = random.getstate()
    with _global_generators_kept():
        random.seed(7)
    assert random.getstate() == before


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("source", [Mnist1d(samples=50), Mnist1d(draw=-1)])
def test_impossible_options_are_refused(source: Mnist1d) -> None:
    with pytest.raises(UserError, match="at least 100 samples"):
        source.load()
