"""The arms that are minima in a tangent space: that of a linear model, of the read-out layer alone, and of the whole network.

Each ridge is a candidate, and every minimum must be certified. With them stands the real network at θ₀ + Δθ.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ticketlab.claims.fair_search import Candidate, Scored, best
from ticketlab.claims.start import built
from ticketlab.claims.study import Progress
from ticketlab.claims.tangent_candidates import tangent_candidates
from ticketlab.claims.tangent_minimum.candidates import Arms, Start
from ticketlab.claims.tangent_minimum.formula import LIMIT, LINEAR, MOVED, OFFSETS, READ_OUT, TANGENT
from ticketlab.errors import NumericalFailure
from ticketlab.networks.architectures import MLP
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.selection import Layers

__all__ = ["linear_model", "more_minima", "moved_network", "read_out", "tangent_space"]


def linear_model(at: Start) -> Arms:
    """W x + b, from zero, on the inputs: the tangent space of a network with no hidden layer."""
    linear = built(MLP(widths=()), at.task.input_shape, at.task.outputs)
    zero = jax.tree.map(jnp.zeros_like, linear.init(jax.random.key(0)))
    found = _required(_minima(at, at.plan.ridges, (linear, zero), centred=(True,)))
    return {(offset, LINEAR): found[True] for offset in OFFSETS}


def read_out(at: Start) -> Arms:
    """The tangent space of the last layer alone."""
    if not at.network.layers:
        return {}
    last = Layers((at.network.layers[-1].name,))
    found = _required(_minima(at, at.plan.ridges, selection=last))
    return {(offset, READ_OUT): found[offset == "centred"] for offset in OFFSETS}


def tangent_space(at: Start, progress: Progress) -> Arms:
    """The whole tangent space: the plan's ridges, and the minimum-norm limit where there is one."""
    settings = (*at.plan.ridges, 0.0) if at.loss.quadratic else at.plan.ridges
    arms: Arms = {}
    for offset, path in zip(OFFSETS, _required(_path(at, settings, progress)).values(), strict=True):
        arms[offset, TANGENT] = path[: len(at.plan.ridges)]
        if at.loss.quadratic:
            arms[offset, LIMIT] = path[-1:]
    return arms


def more_minima(at: Start, ridges: Sequence[float], progress: Progress) -> Arms:
    """Candidates with other ridges than the plan's. Where one misses its tolerance, the claim is undecided.

    A loss that is not quadratic is minimised from the largest ridge to the smallest, each time from the minimum before. Every
    second ridge of the plan is there to lead to small ones, which take about twice as long from zero.
    """
    leading = () if at.loss.quadratic else sorted(at.plan.ridges)[::-2]
    found = _path(at, [*ridges, *leading], progress)
    return {(o, TANGENT): path[: len(ridges)] for o, path in zip(OFFSETS, found.values(), strict=True)}


def _path(at: Start, settings: Sequence[float], progress: Progress) -> dict[bool, list[Scored]]:
    return _minima(at, settings, progress=partial(_tangent_progress, progress, at.plan.tolerance))


def _minima(
    at: Start,
    settings: Sequence[float],
    start: tuple[Network, Params] | None = None,
    **how: Any,
) -> dict[bool, list[Scored]]:
    """With f₀ kept or centred away, the minima at these relative ridges; 0 is the minimum-norm limit."""
    network, params = start or (at.network, at.params)
    return tangent_candidates(
        network, params, at.task, at.loss, settings, tolerance=at.plan.tolerance, devices=at.devices, **how
    )


def _required(found: dict[bool, list[Scored]]) -> dict[bool, list[Scored]]:
    """The same minima, all of which were reached: a verdict on tangent-space minima needs minima."""
    for solution in (s.candidate.solution for path in found.values() for s in path):
        if solution is not None and not solution.certificate.met:
            raise NumericalFailure(
                f"The minimum at relative ridge {solution.relative_ridge:g} was not reached. {solution.certificate.message()}"
            )
    return found


def _tangent_progress(progress: Progress, tolerance: float, what: str, value: float) -> None:
    """A fraction of the tangent arm: a third for the kernel, then by orders of magnitude of the gap."""
    if what == "kernel":
        progress("tangent kernel", 0.33 * value)
    else:
        left = np.log(max(value, tolerance)) / np.log(tolerance)
        progress(f"tangent minimum, relative gap {value:.0e}", 0.4 + 0.55 * float(np.clip(left, 0.0, 1.0)))


def moved_network(at: Start, arms: Arms) -> Arms:
    """The real network at θ₀ + Δθ, with the Δθ of the chosen tangent minimum."""
    moved: Arms = {}
    for offset in OFFSETS:
        chosen = best(arms[offset, TANGENT]).candidate
        assert chosen.solution is not None
        params = jax.tree.map(lambda p: np.asarray(p, np.float32), chosen.solution.moved)
        outputs = at.outputs(params, offset)
        finite = all(np.isfinite(o).all() for o in outputs.values())
        candidate = Candidate(
            chosen.setting,
            "ridge",
            outputs if finite else {},
            chosen.motion,
            outcome="evaluated" if finite else "diverged",
        )
        moved[offset, MOVED] = [at.scored(candidate)]
    return moved
