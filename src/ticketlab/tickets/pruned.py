"""The proof that pruned weights took no part: after training, every pruned weight and its moments are exactly zero.

Zero parameters at the end mean that a pruned weight never entered the forward pass (it starts at zero and never moves), and
that no decay moved it. The optimiser's moments are running sums of everything that reached it. A momentum of exactly zero and a
second moment of exactly zero, in which squares cannot cancel, mean that no gradient of a pruned weight reached the optimiser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import optax

from ticketlab.errors import NumericalFailure
from ticketlab.training.optimisers import Optimiser
from ticketlab.training.result import TrainingState

__all__ = ["Residue", "require_pruned", "residue"]


@dataclass(frozen=True)
class Residue:
    """The number of entries that are not zero where the mask is.

    Arguments:
        pruned: pruned entries, in all replicas.
        parameters: pruned parameters that are not zero at the end.
        best: pruned parameters that are not zero at the best points.
        moments: optimiser moments of pruned parameters that are not zero.
    """

    pruned: int
    parameters: int
    best: int
    moments: int


def residue(optimiser: Optimiser, state: TrainingState, masks: Any) -> Residue:
    """The residue of pruned weights in a training state.

    Arguments:
        optimiser: the optimiser used.
        state: of R replicas.
        masks: a pytree like the parameters, `[R, …]`, true for kept ones.
    """
    moments: list[int] = []

    def count(moment: Any, mask: Any) -> Any:
        moments.append(_count(moment, mask))
        return moment

    optax.tree_utils.tree_map_params(optimiser.direction(), count, state.optimiser, masks)
    return Residue(
        pruned=sum(int(np.sum(~np.asarray(m, bool))) for m in jax.tree.leaves(masks)),
        parameters=_total(state.params, masks),
        best=0 if state.best is None else _total(state.best.params, masks),
        moments=sum(moments),
    )


def require_pruned(optimiser: Optimiser, state: TrainingState, masks: Any) -> Residue:
    """The same, all zero.

    Raises:
        NumericalFailure: if anything pruned is not exactly zero, which would invalidate every result of the run.
    """
    found = residue(optimiser, state, masks)
    if found.parameters or found.best or found.moments:
        raise NumericalFailure(
            f"Of {found.pruned} pruned weights {found.parameters} are not zero at the end and {found.best} at the best points, "
            f"with {found.moments} moments that are not zero: pruned weights took part in training."
        )
    return found


def _total(tree: Any, masks: Any) -> int:
    return sum(jax.tree.leaves(jax.tree.map(_count, tree, masks)))


def _count(array: Any, mask: Any) -> int:
    return int(np.count_nonzero(np.asarray(array)[~np.asarray(mask, bool)]))
