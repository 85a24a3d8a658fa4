"""What is known of a layer's units for pairs of examples: the state that the recursion carries from stage to stage.

Units of one layer are alike. So the state holds a mean over units for every pair of examples and every pair of pixels that
matters: of products of activations (`nngp`), and of the tangent kernel up to this stage (`ntk`). The same rules serve each
example with itself (one batch axis) and each example of one block with each of another (two batch axes).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import jax.numpy as jnp
from jaxtyping import Array

from ticketlab.infinite.lags import Lags, inside, no_lag, of_right, selected
from ticketlab.networks.layers import Layer, Shape

__all__ = ["Owned", "Recursion", "State"]


@dataclass(frozen=True)
class Owned:
    """The trained scale and shift of a normalisation just before. They act unit by unit, so their part of the tangent kernel is
    ẑẑ′ and 1 for the very unit whose φ′ multiplies it, not for the mean over units.

    Arguments:
        scale, shift: their squared multipliers; 0 if not trained.
    """

    scale: float
    shift: float


@dataclass(frozen=True)
class State:
    """Covariances and tangent kernels of units, `[*batch, *lags, *pixels]`.

    Arguments:
        nngp: mean over units of the product of their values.
        ntk: mean over units of the product of their derivatives in all trained parameters so far; None if not wanted.
        lags, pixels: which pairs of pixels; both empty for vectors.
        crossed: whether there are two batch axes.
        gaussian: whether the units are jointly Gaussian with mean zero.
        means: mean over units for each side, `[n, *pixels]`; None if zero.
        owned: the parameters of a normalisation just before.
    """

    nngp: Array
    ntk: Array | None
    lags: Lags
    pixels: Shape
    crossed: bool
    gaussian: bool = False
    means: tuple[Array, Array] | None = None
    owned: Owned | None = None

    def left(self, values: Array) -> Array:
        """Values of the examples on the left, `[…, n, *pixels]`, shaped to broadcast over pairs."""
        axes = len(self.pixels)
        batch = values.shape[: values.ndim - axes]
        return values.reshape(*batch, *(1,) * self.crossed, *(1,) * axes, *self.pixels)

    def right(self, values: Array) -> Array:
        """The same for the right, each at its own pixel p + l."""
        values = of_right(values, self.lags, self.pixels)
        if not self.crossed:
            return values
        place = values.ndim - 2 * len(self.pixels) - 1
        return jnp.expand_dims(values, place)

    def centre(self) -> Array:
        """Variances: each pixel with itself, `[*batch, *pixels]`."""
        axes = len(self.pixels)
        found = selected(self.nngp, self.lags, no_lag(axes))
        return found.reshape(*found.shape[: found.ndim - 2 * axes], *self.pixels)

    def at(self, lags: Lags) -> State:
        """The same at these lags alone."""
        ntk = None if self.ntk is None else selected(self.ntk, self.lags, lags)
        return replace(self, nngp=selected(self.nngp, self.lags, lags), ntk=ntk, lags=lags)

    def masked(self) -> State:
        """The same, with zeros where one of the two pixels is outside the image."""
        mask = inside(self.lags, self.pixels)
        if mask is None:
            return self
        ntk = None if self.ntk is None else jnp.where(mask, self.ntk, 0.0)
        return replace(self, nngp=jnp.where(mask, self.nngp, 0.0), ntk=ntk)

    def settled(self) -> State:
        """The same, with the parameters of a normalisation counted in the mean over units, for a stage that is linear."""
        if self.owned is None:
            return self
        assert self.ntk is not None
        ntk = self.ntk + self.owned.scale * self.nngp + self.owned.shift
        return replace(self, ntk=ntk, owned=None).masked()


@dataclass(eq=False)
class Recursion:
    """One pass through the stages: of each example with itself, which records variances, or of pairs, which reads them.

    Arguments:
        trained: names of the layers that are trained; None for all.
        terms: of a series.
        given: variances of the examples on either side, in the order in which stages ask for them; None for an example with
            itself.
        variances, tails: what such a pass records.
    """

    trained: frozenset[str] | None
    terms: int
    given: tuple[Iterator[Array], Iterator[Array]] | None = None
    variances: list[Array] = field(default_factory=list)
    tails: list[Array] = field(default_factory=list)

    def trains(self, layer: Layer) -> bool:
        return self.trained is None or layer.name in self.trained

    def sides(self, state: State) -> tuple[Array, Array]:
        """The variances of the examples on both sides, `[n, *pixels]` and `[m, *pixels]`."""
        if self.given is not None:
            left, right = self.given
            return next(left), next(right)
        own = state.centre()
        self.variances.append(own)
        return own, own
