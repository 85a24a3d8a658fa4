"""What the study `masking-is-training` can choose among, by the names that a plan writes: criteria, mask-1 and mask-0 actions.

The pre-registered arm is the one on which the verdict turns: chosen before any run, so that it is no best of many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ticketlab.claims.masking_is_training.claim import MaskOneName, MaskZeroName
from ticketlab.tickets import actions, criteria
from ticketlab.tickets.criterion import Criterion
from ticketlab.tickets.saliency import Grasp, Snip, SynFlow

__all__ = ["CRITERIA", "ONES", "ZEROS"]

_ALSO_BY_SIGN: Mapping[
    str, Callable[..., Criterion]
] = {  # with "-same-sign" weights that kept their sign come before all others
    "large-final": criteria.LargeFinal,
    "magnitude-increase": criteria.MagnitudeIncrease,
    "movement": criteria.Movement,
    "large-both": criteria.LargeBoth,
    "large-initial": criteria.LargeInitial,
    "random": criteria.Random,
    "small-final": criteria.SmallFinal,
}
CRITERIA: Mapping[str, Criterion] = {
    **{
        name + suffix: criterion(same_sign=bool(suffix))
        for name, criterion in _ALSO_BY_SIGN.items()
        for suffix in ("", "-same-sign")
    },
    **{"snip": Snip(), "grasp": Grasp(), "synflow": SynFlow()},
}
ONES: Mapping[MaskOneName, actions.MaskOne] = {
    "rewind": actions.Rewind(),
    "rewind-random-sign": actions.Rewind(keep_sign=False),
    "reinitialise": actions.Reinitialise(),
    "reinitialise-same-sign": actions.Reinitialise(keep_sign=True),
    "reshuffle": actions.Reshuffle(),
    "reshuffle-same-sign": actions.Reshuffle(keep_sign=True),
    "constant": actions.Constant(keep_sign=False),
    "constant-same-sign": actions.Constant(),
}
ZEROS: Mapping[MaskZeroName, actions.MaskZero] = {
    "zero": actions.Zero(),
    "frozen": actions.Frozen(),
    "frozen-if-grown": actions.FrozenIfGrown(),
    "frozen-if-shrunk": actions.FrozenIfShrunk(),
}
