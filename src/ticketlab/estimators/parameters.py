"""The parameters of an estimator: each is checked by name when the estimator is fitted, never before.

Networks and losses can be given as text, as on the command line (`network="mlp:widths=64x64"`, `loss="square"`). The fields of
a network are nested parameters (`network__widths`), so that a search can vary them.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

from ticketlab.choices import families
from ticketlab.errors import UserError
from ticketlab.networks import MLP, Architecture, Initialisation
from ticketlab.plans import parse_choice
from ticketlab.tangent import Automatic, DenseDual, DensePrimal, MatrixFree, Relative
from ticketlab.tangent.ladder import Rung
from ticketlab.tangent.minimise import Absolute, Ridge
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARE, SQUARED_HINGE, ConvexLoss

__all__ = [
    "LOSSES",
    "NETWORK",
    "RIDGES",
    "TUNED",
    "OfNetwork",
    "candidate_ridges",
    "chosen_architecture",
    "chosen_loss",
    "chosen_rung",
    "flag",
    "shape_of",
    "tolerance",
    "weights_of",
    "within",
]

LOSSES: Mapping[str, ConvexLoss] = {
    "square": SQUARE,
    "cross-entropy": SOFTMAX_CROSS_ENTROPY,
    "logistic": LOGISTIC,
    "squared-hinge": SQUARED_HINGE,
}

NETWORK = MLP(widths=(1024, 1024), initialisation=Initialisation(bias_as_weight=True))
"""The default. The wider the network, the better its tangent minimum predicts: a finite kernel is that of infinite width with
noise. With zero biases the network would be homogeneous, f(cx) = c f(x): on standardised data every kink of its units
would pass through the mean. A bias drawn like a weight puts a first-layer unit's kink at a distance from the mean that has the
spread of standardised data along the unit's weights."""

TUNED = "leave-one-out"
"""The ridge that predicts best on examples left out."""

RIDGES = tuple(10.0**i for i in range(2, -7, -1))
"""Its candidates: from noise of ten times the kernel's standard deviation to a thousandth of it, a decade apart in variance."""


def chosen_architecture(network: Any) -> Any:
    """The architecture that `network` gives: an MLP by default, a choice as text, or anything that can be built."""
    if network is None:
        return NETWORK
    if isinstance(network, str):
        return parse_choice(network, families()[Architecture])
    if isinstance(network, type) or not callable(getattr(network, "build", None)):
        raise _wrong(
            "network",
            network,
            "an architecture such as MLP(widths=(64, 64)), or text such as 'mlp:widths=64x64'",
        )
    return network


class OfNetwork(BaseEstimator):
    """An estimator with a network, whose fields are parameters too: `network__widths` and so on."""

    network: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As in all of scikit-learn; the network's fields are `network__widths` and so on."""
        own = super().get_params(deep)
        return own | _network_fields(self.network) if deep else own

    def set_params(self, **params: Any) -> OfNetwork:
        """As in all of scikit-learn; fields of the network change the present network, or the one given with them."""
        fields = {name: params.pop(name) for name in list(params) if name.startswith("network__")}
        super().set_params(**params)
        if fields:
            changes = {name.removeprefix("network__"): value for name, value in fields.items()}
            self.network = _with_fields(self.network, changes)
        return self


def _network_fields(network: Any) -> dict[str, Any]:
    """The fields of an architecture by parameter name; empty for anything else."""
    try:
        architecture = chosen_architecture(network)
    except UserError:
        return {}  # refused when the estimator is fitted
    if not dataclasses.is_dataclass(architecture):
        return {}
    return {f"network__{f.name}": getattr(architecture, f.name) for f in dataclasses.fields(architecture)}


def _with_fields(network: Any, changes: Mapping[str, Any]) -> Any:
    """The architecture with other values of some fields."""
    architecture = chosen_architecture(network)
    known = (
        [f.name for f in dataclasses.fields(architecture)] if dataclasses.is_dataclass(architecture) else []
    )
    for name in changes:
        if name not in known:
            raise UserError(f"the parameter network__{name}", f"one of {', '.join(known) or 'none'}")
    return dataclasses.replace(architecture, **changes)


def chosen_loss(loss: Any, default: ConvexLoss) -> ConvexLoss:
    if loss is None:
        return default
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if not isinstance(loss, ConvexLoss):
        raise _wrong("loss", loss, f"one of {', '.join(LOSSES)}, or a ConvexLoss")
    return loss


def candidate_ridges(ridge: Any, ridges: Any) -> tuple[Ridge, ...]:
    """The ridges to choose from; only `ridge` if it is a number and there are no `ridges`."""
    if ridges is None and isinstance(ridge, str) and ridge == TUNED:
        return tuple(Relative(value) for value in RIDGES)
    if ridges is None:
        return (_ridge("ridge", ridge),)
    if isinstance(ridges, str) or not isinstance(ridges, Iterable):
        raise _wrong("ridges", ridges, "several numbers, such as (1e-4, 1e-2, 1)")
    return tuple(_ridge("ridges", value) for value in ridges)


def _ridge(name: str, value: Any) -> Ridge:
    if isinstance(value, Relative | Absolute):
        return value
    if not _is_number(value) or not 0 <= value < math.inf:
        word = f"{TUNED!r}, " if name == "ridge" else ""
        raise _wrong(name, value, f"{word}a finite number of at least 0, Relative or Absolute")
    return Relative(float(value))


def chosen_rung(rung: Any) -> Rung:
    if rung is None:
        return Automatic()
    if not isinstance(rung, Automatic | DenseDual | DensePrimal | MatrixFree):
        raise _wrong("rung", rung, "None, DenseDual(), DensePrimal() or MatrixFree()")
    return rung


def weights_of(
    sample_weight: Any, class_weight: Any, X: np.ndarray, labels: np.ndarray | None
) -> np.ndarray | None:
    """How many times each example counts; None if all count once."""
    if sample_weight is None and class_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    if class_weight is not None and labels is not None:
        if not isinstance(class_weight, Mapping) and class_weight != "balanced":
            raise _wrong("class_weight", class_weight, "None, 'balanced', or a weight for each class")
        by_class = compute_sample_weight(class_weight, labels)
        if not np.isfinite(by_class).all() or np.any(by_class < 0):
            raise _wrong("class_weight", class_weight, "weights of at least 0")
        weights = weights * by_class
    if not np.any(weights > 0):
        raise UserError("weights that are all 0", "some example with a weight above 0")
    return weights


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise _wrong(name, value, "True or False")
    return bool(value)


def tolerance(value: Any) -> float:
    return within("tol", value, "a positive number", zero=False)


def within(name: str, value: Any, expected: str, *, zero: bool) -> float:
    """A finite number above 0, or at least 0."""
    if not _is_number(value) or not (0 < value < math.inf or (zero and value == 0)):
        raise _wrong(name, value, expected)
    return float(value)


def shape_of(input_shape: Any, features: int) -> tuple[int, ...]:
    """The shape of one example with this number of features."""
    if input_shape is None:
        return (features,)
    given = tuple(input_shape) if isinstance(input_shape, Iterable) else ()
    if not given or not all(isinstance(size, int | np.integer) and size > 0 for size in given):
        raise _wrong("input_shape", input_shape, "positive whole numbers, such as (8, 8, 1)")
    if math.prod(given) != features:
        raise UserError(
            f"input_shape {given}",
            f"a shape with {features} numbers in all, one for each feature",
            "Leave it out for a network that takes vectors.",
        )
    return tuple(int(size) for size in given)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_) and not math.isnan(value)
    )


def _wrong(name: str, value: Any, expected: str) -> UserError:
    return UserError(
        f"{name}={value!r:.80}" if isinstance(value, str) else f"{name}={repr(value)[:80]}", expected
    )
