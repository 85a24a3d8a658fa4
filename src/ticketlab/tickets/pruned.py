"""The proof that what was pruned took no part: after training, every pruned weight is exactly zero, and so are its moments.

Zero parameters at the end mean that the forward pass never saw a pruned weight (it starts at zero and is never moved), and that
no decay has moved it. The optimiser's moments are running sums of everything that reached it: a momentum of exactly zero, and,
since squares cannot cancel, a second moment of exactly zero mean that no gradient of a pruned weight ever reached the optimiser.
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
    """How many entries are not zero where the mask is.

    Arguments:
        pruned: entries that are pruned, in all replicas.
        parameters: of these, how many are not zero at the end.
        best: how many are not zero at the best points.
        moments: how many entries of the optimiser's moments are not zero where their parameter is pruned.
    """

    pruned: int
    parameters: int
    best: int
    moments: int


def residue(optimiser: Optimiser, state: TrainingState, masks: Any) -> Residue:
    """What is left of pruned weights in a state of training.

    Arguments:
        optimiser: with which it was trained.
        state: of R replicas.
        masks: a pytree like the parameters, `[R, …]`, true where they are kept.
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
        NumericalFailure: if anything pruned is not exactly zero, which would make every result of the run void.
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
