"""The line search along a Newton step: go as far as the convex objective falls.

Along a direction the objective is a convex function of one number, φ(t) = Σ ℓ(F + tF') + bt + ½at², so φ' never falls.
A t with φ'(t) ≤ 0 is never beyond the lowest point, so the search cannot diverge for any direction. The full step, t =
1, is taken if φ' shows that it ends near the lowest point or before it. Otherwise bisection finds the sign change of
φ'. Halving t until φ has fallen (Armijo 1966) would suffice for smooth losses. If the curvature jumps from zero (Huber,
hinge), the step is too long by orders of magnitude. Many steps that merely decrease φ would then be needed, but only a
few that end at the lowest point.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ticketlab.tasks.losses import ConvexLoss

__all__ = ["line_search"]

NEAR = 0.1  # |φ'(1)/φ'(0)| up to which the full step is accepted: Newton steps near the minimum must not be shortened
EXACT = 1e-3  # |φ'(t)/φ'(0)| at which bisection ends
BISECTIONS = 60


@partial(jax.jit, static_argnums=0)
def line_search(
    loss: ConvexLoss,
    outputs: Float[Array, "c n k"],
    direction: Float[Array, "c n k"],
    targets: Float[Array, "n k"],
    linear: Float[Array, "c"],
    quadratic: Float[Array, "c"],
) -> Float[Array, "c"]:
    """t in [0, 1] for each of c problems; 0 only if rounding leaves nothing to gain.

        φ(t) = Σ ℓ(F + tF', y) + bt + ½at²

    Arguments:
        loss, targets: ℓ and y.
        outputs, direction: F, and its change along the step, F'.
        linear, quadratic: b and a, from the ridge along the step.

    Cost: one sweep over the outputs per bisection, at most 60.
    """

    def value(t: Array) -> Array:
        fit = jax.vmap(lambda f: jnp.sum(loss.value(f, targets)))(outputs + t[:, None, None] * direction)
        return fit + t * linear + 0.5 * t**2 * quadratic

    def value_and_slope(t: Array) -> tuple[Array, Array]:
        return jax.jvp(value, (t,), (jnp.ones_like(t),))

    zero, one = jnp.zeros_like(linear), jnp.ones_like(linear)
    (now, start), (then, end) = value_and_slope(zero), value_and_slope(one)
    rounding = 64 * jnp.finfo(now.dtype).eps * jnp.abs(now)
    fallen = then <= now + 1e-4 * start + rounding
    whole = (end <= 0) | (fallen & (end <= NEAR * jnp.abs(start)))

    def unfinished(state: tuple[Array, Array, Array, Array]) -> Array:
        _, _, at_low, i = state
        return (i < BISECTIONS) & ~jnp.all(whole | (at_low >= EXACT * start))

    def bisect(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        low, high, at_low, i = state
        middle = 0.5 * (low + high)
        _, there = value_and_slope(middle)
        before = there <= 0
        return (
            jnp.where(before, middle, low),
            jnp.where(before, high, middle),
            jnp.where(before, there, at_low),
            i + 1,
        )

    low, _, _, _ = jax.lax.while_loop(unfinished, bisect, (zero, one, start, jnp.zeros((), jnp.int32)))
    return jnp.where(whole, one, low)
