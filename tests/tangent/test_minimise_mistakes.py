"""What is refused before anything is computed, each with what was got, what was expected and what to do."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tangent_reference import NETWORKS, params_of, split_of
from tangent_solves import minimum

from ticketlab.errors import UserError
from ticketlab.tangent import MINIMUM_NORM, Absolute, Layers, Relative, ridge_path
from ticketlab.tangent.minimise import _check, _training_part
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARED_HINGE, Split, huber


def _with_targets(change: Callable[[np.ndarray], np.ndarray]) -> Split:
    split = split_of("mlp")
    return replace(split, targets=change(split.targets.copy()), labels=None)


def _set(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(targets: np.ndarray) -> np.ndarray:
        targets[3, 1] = value
        return targets

    return change


ENTROPY = SOFTMAX_CROSS_ENTROPY


@pytest.mark.parametrize(
    ("options", "got", "expected", "do"),
    [
        pytest.param({"ridge": Absolute(-1.0)}, "ridge -1.0", "at least 0", "Relative(0.01)", id="negative"),
        pytest.param({"ridge": Relative(np.nan)}, "ridge nan", "finite", "Relative(0.01)", id="NaN"),
        pytest.param({"ridge": Relative(np.inf)}, "ridge inf", "finite", "Relative(0.01)", id="infinite"),
        pytest.param(
            {"ridge": MINIMUM_NORM, "loss": ENTROPY},
            "ridge 0",
            "above 0",
            "path of small ridges",
            id="no minimum",
        ),
        pytest.param(
            {"ridge": MINIMUM_NORM, "loss": huber()}, "ridge 0", "above 0", "Relative(1e-6)", id="no limit"
        ),
        pytest.param(
            {"loss": replace(SQUARED_HINGE, quadratic=True)},
            "quadratic=True for squared hinge",
            "quadratic=False",
            "One Newton step",
            id="quadratic",
        ),
        pytest.param(
            {"task": _with_targets(lambda t: t[:, :2])},
            "shape (9, 2)",
            "(9, 3)",
            "one output for each target",
            id="columns",
        ),
        pytest.param(
            {"task": _with_targets(_set(np.nan))}, "targets with NaN", "finite", "Remove", id="NaN target"
        ),
        pytest.param(
            {"task": _with_targets(_set(0.5)), "loss": ENTROPY}, "distributions", "sum 1", "one-hot", id="sum"
        ),
        pytest.param(
            {"task": _with_targets(lambda t: t * 3 - 2 / 3), "loss": ENTROPY},
            "distributions",
            "≥ 0",
            "one-hot",
            id="negative share",
        ),
        pytest.param(
            {"task": _with_targets(_set(1.5)), "loss": LOGISTIC},
            "1.5",
            "0 to 1",
            "Encode",
            id="no probability",
        ),
        pytest.param(
            {"task": _with_targets(_set(0.5)), "loss": SQUARED_HINGE},
            "other than 0 and 1",
            "zeros",
            "Encode",
            id="soft",
        ),
        pytest.param(
            {"task": replace(split_of("mlp"), x=np.zeros((9, 5), np.float32))},
            "inputs of shape (9, 5)",
            "(n, 4)",
            "Build the network",
            id="inputs",
        ),
        pytest.param(
            {"selection": Layers(("dense7",))}, "layer 'dense7'", "dense1", "Name layers", id="layer"
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], got: str, expected: str, do: str) -> None:
    with pytest.raises(UserError) as error:
        minimum(**options)
    assert got in error.value.got
    assert expected in error.value.expected
    assert do in error.value.do


def test_a_path_needs_a_ridge_and_a_variant() -> None:
    arguments = (NETWORKS["mlp"], params_of("mlp"), split_of("mlp"))
    with pytest.raises(UserError, match="no ridge"):
        ridge_path(*arguments, ridges=())
    with pytest.raises(UserError, match="an empty centred"):
        ridge_path(*arguments, ridges=(Relative(0.1),), centred=())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ridges": (0.1,)}, "Relative"),
        ({"ridges": Relative(0.1)}, "Relative"),
        ({"loss": "square"}, "SQUARE"),
    ],
)
def test_what_is_no_ridge_or_loss_is_refused(options: dict[str, Any], said: str) -> None:
    usual: dict[str, Any] = {"loss": ENTROPY, "ridges": (Relative(0.1),), "centred": (False,)}
    with pytest.raises(UserError, match=said):
        inspect.unwrap(_check)(NETWORKS["mlp"], split_of("mlp"), **(usual | options))


def test_arrays_are_no_task() -> None:
    with pytest.raises(UserError, match="tuple as a task"):
        _training_part((split_of("mlp").x, split_of("mlp").targets))
