"""Recurrent layers: a state that is carried from step to step, by gates that read the input and the state before.

A recurrent stage has two layers: one reads the input of every step (all steps in one product), the other reads the state
before (one product a step, because each state depends on the one before). The columns of both are gates, gate after gate,
each with one column for every unit. The state is zero before the first step.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ticketlab.networks.layers import Layer, Parametrised, Shape, pre_activation, with_bias
from ticketlab.networks.stages.checks import check_positive, check_sequence
from ticketlab.networks.stages.per_step import Map
from ticketlab.networks.stages.scaling import scaled
from ticketlab.networks.stages.stage import Fitting, Stage, Step

if TYPE_CHECKING:
    from jaxtyping import Array

    from ticketlab.networks.streams import Streams
    from ticketlab.networks.walk import Walk

__all__ = ["GRU", "LSTM"]


@dataclass(frozen=True)
class _GRUInput(Map):
    prefix: ClassVar[str] = "gru"


@dataclass(frozen=True)
class _LSTMInput(Map):
    prefix: ClassVar[str] = "lstm"


@dataclass(frozen=True)
class _StateBefore(Map):
    prefix: ClassVar[str] = "recurrent"
    continues: ClassVar[bool] = True


@dataclass(frozen=True)
class _Recurrent(Stage):
    """Both layers, and the loop over the steps: (steps, features) → (steps, units)."""

    units: int

    columns: ClassVar[int]  # gates
    odd_gate: ClassVar[int]  # the one with a tanh: if it changes its sign, so does the state
    arrays: ClassVar[int]  # of the state, h first
    reads: ClassVar[Parametrised]
    two_biases: ClassVar[bool]  # else a cell only adds what the two layers computed

    def __post_init__(self) -> None:
        check_positive(self.units, "units in a recurrent layer")

    @abstractmethod
    def cell(self, given: Array, before: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        """The state after a step, from what the two layers computed and the state before."""

    def shape(self, given: Shape) -> Shape:
        return (check_sequence(given, "a recurrent layer")[0], self.units)

    def widened(self, share: float) -> _Recurrent:
        return replace(self, units=max(1, round(share * self.units)))

    def fit(self, given: Shape, fitting: Fitting) -> Step:
        steps, wide = self.shape(given)[0], self.columns * self.units
        fitting = replace(fitting, following=None)
        reads = fitting.layer(self.reads, (given[1], wide), (steps, wide), self.columns)
        again = replace(fitting, times=(*fitting.times, steps), bias=fitting.bias and self.two_biases)
        before = again.layer(_StateBefore(), (self.units, wide), (wide,), self.columns)
        return Step(self, body=(Step(self, scaled(reads, fitting)), Step(self, scaled(before, fitting))))

    def forward(self, step: Step, walk: Walk, a: Array) -> Array:
        reads, before = (part.layer for part in step.body)
        states = walk.features[reads.name] = self._loop(before, walk, walk.weighted(reads, a))
        return states

    def _loop(self, layer: Layer, walk: Walk, given: Array) -> Array:
        """h of every step, `[n, steps, units]`; records the states before as the inputs of the recurrent layer."""
        import jax.numpy as jnp

        by_time = jnp.swapaxes(given, 0, 1)
        taps = walk.taps.get(layer.name)
        more = jnp.zeros_like(by_time) if taps is None else jnp.swapaxes(taps, 0, 1)
        found = self._states(layer, walk)(walk.params[layer.name], by_time, more)
        walk.inputs[layer.name] = jnp.swapaxes(_before(found), 0, 1)
        return jnp.swapaxes(found, 0, 1)

    def _states(self, layer: Layer, walk: Walk) -> Callable[..., Array]:
        """From the recurrent layer's parameters, what the other layer computed, and what is added to the pre-activations, to h.

        Its derivative takes the part of the parameters out of the loop, since it is known once all states are:

            ż_t = ḣ_{t−1} U + h_{t−1} U̇ + ċ

        So a gradient is one product over all steps, and not a sum in which every step reads and writes all of U. The first step
        has no product: the state before it is zero.
        """
        import jax
        import jax.numpy as jnp

        def loop(parameters: Mapping[str, Array], given: Array, more: Array) -> Array:
            def at(state: tuple[Array, ...], now: tuple[Array, ...]) -> tuple[tuple[Array, ...], Array]:
                z = pre_activation(layer, parameters, state[0], walk.convolution)
                state = self.cell(now[0], sum(now[1:], z), state)
                return state, state[0]

            zero = jnp.zeros((given.shape[1], self.units), given.dtype)
            first = self.cell(given[0], with_bias(layer, parameters, more[0]), (zero,) * self.arrays)
            later = (given[1:], more[1:]) if self.two_biases else (given[1:] + more[1:],)
            _, others = jax.lax.scan(at, first, later)
            return jnp.concatenate([first[0][None], others])

        states = jax.custom_jvp(loop)

        @states.defjvp
        def derivative(at: tuple[Any, ...], towards: tuple[Any, ...]) -> tuple[Array, Array]:
            (parameters, *inputs), (change, given, more) = at, towards
            found, linear = jax.linearize(partial(loop, parameters), *inputs)
            first = with_bias(layer, change, more[:1])
            others = more[1:] + pre_activation(layer, change, found[:-1], walk.convolution)
            return found, linear(given, jnp.concatenate([first, others]))

        return states

    def follow(self, step: Step, streams: Streams) -> None:
        """A unit owns its column of every gate in both layers, and its row of the recurrent one.

        Its sign is free: −n and −h, or −g, −c and −h, with the same logistic gates, are what −W_n, −U_n and −b_n compute.
        """
        reads, before = (part.layer for part in step.body)
        units = streams.current.units
        streams.cross(reads, (reads.inputs // units, units, reads.units), self.odd_gate)
        streams.current.rescalable = False
        streams.loop(before, self.odd_gate)


def _before(states: Array) -> Array:
    """The state before each step."""
    import jax.numpy as jnp

    return jnp.concatenate([jnp.zeros_like(states[:1]), states[:-1]])


@dataclass(frozen=True)
class GRU(_Recurrent):
    """A gated recurrent unit: h_t = (1 − s) ⊙ n + s ⊙ h, with h = h_{t−1} and three gates r, s, n.

        r = σ(x W_r + b_r + h U_r + c_r),  s = σ(x W_s + b_s + h U_s + c_s),  n = tanh(x W_n + b_n + r ⊙ (h U_n + c_n))

    Arguments:
        units: ≥ 1.

    Equivalent to `torch.nn.GRU`, with the gates in the same order (r, z, n).
    Source: Cho et al. 2014, arXiv 1406.1078, equations 5 to 8, with the reset gate after the product as in cuDNN.
    """

    columns: ClassVar[int] = 3
    odd_gate: ClassVar[int] = 2
    arrays: ClassVar[int] = 1
    reads: ClassVar[Parametrised] = _GRUInput()
    two_biases: ClassVar[bool] = True

    def cell(self, given: Array, before: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        import jax
        import jax.numpy as jnp

        u, (h,) = self.units, state
        rs = jax.nn.sigmoid(given[:, : 2 * u] + before[:, : 2 * u])
        n = jnp.tanh(given[:, 2 * u :] + rs[:, :u] * before[:, 2 * u :])
        return (n + rs[:, u:] * (h - n),)


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """Long short-term memory: a memory c_t = f ⊙ c + i ⊙ g, read as h_t = o ⊙ tanh c_t, with four gates i, f, g, o.

        i, f, o = σ(x W + b + h U),   g = tanh(x W_g + b_g + h U_g)   (each gate with its own columns; h and c of step t − 1)

    Arguments:
        units: ≥ 1.

    Equivalent to `torch.nn.LSTM`, with the gates in the same order; its second bias, which adds nothing, is left out.
    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"; with the forget gate of Gers, Schmidhuber, Cummins 2000,
    "Learning to forget".
    """

    columns: ClassVar[int] = 4
    odd_gate: ClassVar[int] = 2
    arrays: ClassVar[int] = 2
    reads: ClassVar[Parametrised] = _LSTMInput()
    two_biases: ClassVar[bool] = False

    def cell(self, given: Array, before: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        import jax
        import jax.numpy as jnp

        u, z = self.units, given + before
        i, f = jax.nn.sigmoid(z[:, :u]), jax.nn.sigmoid(z[:, u : 2 * u])
        g, o = jnp.tanh(z[:, 2 * u : 3 * u]), jax.nn.sigmoid(z[:, 3 * u :])
        c = f * state[1] + i * g
        return o * jnp.tanh(c), c
