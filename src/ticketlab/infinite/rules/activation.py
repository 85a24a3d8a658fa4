"""Activation functions: K = E[φ(u)φ(v)] and Θ = E[φ′(u)φ′(v)] Θ_below, if u and v are Gaussian."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Array

from ticketlab.infinite.duals import dual_of
from ticketlab.infinite.lags import Lags
from ticketlab.infinite.moment import Moment
from ticketlab.infinite.rules.rules import limit, refuse
from ticketlab.infinite.state import Recursion, State
from ticketlab.networks import Activate
from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.stage import Step

__all__: list[str] = []


@limit.register
def _(stage: Activate, step: Step, given: Shape, state: State, after: Lags, recursion: Recursion) -> State:
    name = stage.activation.value
    if not state.gaussian:
        raise refuse(
            f"{name} of values that are not Gaussian",
            "so their joint law does not follow from their covariance",
            "Put a dense layer or a convolution before each activation; in residual networks, use pre-activation blocks.",
        )
    dual = dual_of(stage.activation, recursion.terms)
    left, right = recursion.sides(state)
    if recursion.given is None and dual.tail is not None:
        recursion.tails.append(dual.tail(left))

    def moment(of: Moment) -> Array:
        return of.pair(state.left(of.profile(left)), state.right(of.profile(right)), state.nngp)

    ntk = state.ntk
    if ntk is not None:
        if dual.slope is None or dual.scaling is None:
            raise refuse(
                f"the tangent kernel of {name}",
                "whose derivative is zero or infinite; training uses a surrogate, which has no tangent space",
                'Ask for get="nngp", or choose erf, the smooth function that is nearest.',
            )
        owned = state.owned
        ntk = moment(dual.slope) * (ntk if owned is None else ntk + owned.shift)
        if owned is not None and owned.scale:
            ntk = ntk + owned.scale * moment(dual.scaling)
    return replace(
        state,
        nngp=moment(dual.value),
        ntk=ntk,
        gaussian=False,
        means=(dual.mean(left), dual.mean(right)),
        owned=None,
    )
