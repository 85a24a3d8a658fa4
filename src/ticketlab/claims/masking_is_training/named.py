"""What the study `masking-is-training` can choose among, by the names that a plan writes: criteria, mask-1 and mask-0 actions.

The pre-registered arm is the one on which the verdict turns: chosen before any run, so that it is no best of many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ticketlab.claims.masking_is_training.claim import MaskOneName, MaskZeroName
from ticketlab.tickets.actions import (
    Constant,
    Frozen,
    FrozenIfGrown,
    FrozenIfShrunk,
    MaskOne,
    MaskZero,
    Reinitialise,
    Reshuffle,
    Rewind,
    Zero,
)
from ticketlab.tickets.criteria import (
    LargeBoth,
    LargeFinal,
    LargeInitial,
    MagnitudeIncrease,
    Movement,
    Random,
    SmallFinal,
)
from ticketlab.tickets.criterion import Criterion
from ticketlab.tickets.saliency import Grasp, Snip, SynFlow

__all__ = ["CRITERIA", "ONES", "ZEROS"]

_ALSO_BY_SIGN: Mapping[
    str, Callable[..., Criterion]
] = {  # with "-same-sign" weights that kept their sign come before all others
    "large-final": LargeFinal,
    "magnitude-increase": MagnitudeIncrease,
    "movement": Movement,
    "large-both": LargeBoth,
    "large-initial": LargeInitial,
    "random": Random,
    "small-final": SmallFinal,
}
CRITERIA: Mapping[str, Criterion] = {
    **{
        name + suffix: criterion(same_sign=bool(suffix))
        for name, criterion in _ALSO_BY_SIGN.items()
        for suffix in ("", "-same-sign")
    },
    **{"snip": Snip(), "grasp": Grasp(), "synflow": SynFlow()},
}
ONES: Mapping[MaskOneName, MaskOne] = {
    "rewind": Rewind(),
    "rewind-random-sign": Rewind(keep_sign=False),
    "reinitialise": Reinitialise(),
    "reinitialise-same-sign": Reinitialise(keep_sign=True),
    "reshuffle": Reshuffle(),
    "reshuffle-same-sign": Reshuffle(keep_sign=True),
    "constant": Constant(keep_sign=False),
    "constant-same-sign": Constant(),
}
ZEROS: Mapping[MaskZeroName, MaskZero] = {
    "zero": Zero(),
    "frozen": Frozen(),
    "frozen-if-grown": FrozenIfGrown(),
    "frozen-if-shrunk": FrozenIfShrunk(),
}
