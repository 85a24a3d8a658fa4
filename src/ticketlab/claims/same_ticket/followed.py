"""A mask followed through training: what the network computes under it, and what share of norm, motion and gradient it has.

Each mask comes with two kinds of chance masks: *stratified* ones, with equally many weights in every tenth of |θ₀| of a layer,
and *shuffled* ones, with equally many weights of a layer. Shares are those of all weights together. The gradient is that of
the mean loss of the first thousand training examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.evaluation import evaluate
from ticketlab.networks.network import Network, Params
from ticketlab.symmetry import Balanced, canonical, explained, same_sizes
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.tasks.task import Task
from ticketlab.tickets.masks import Mask, over_parameters, weights_of
from ticketlab.tickets.random_masks import shuffled

__all__ = ["CHANCE", "Around", "View", "around", "complement"]

CHANCE = 5  # chance masks of a kind whose networks are scored
GRADIENT = 1000  # training examples


@dataclass(frozen=True)
class Around:
    """A mask and its chance masks."""

    mask: Mask
    stratified: tuple[Mask, ...]
    shuffled: tuple[Mask, ...]

    def groups(self) -> dict[str, tuple[Mask, ...]]:
        """All masks whose networks are scored: itself, chance masks, its complement, and theirs."""
        strata, random = self.stratified[:CHANCE], self.shuffled[:CHANCE]
        return {
            "ticket": (self.mask,),
            "stratified": strata,
            "shuffled": random,
            "rest": (complement(self.mask),),
            "stratified rest": tuple(map(complement, strata)),
        }


def around(mask: Mask, sizes: Mapping[str, np.ndarray], count: int, seed: int) -> Around:
    """A mask with its chance masks.

    Arguments:
        sizes: θ₀, by layer.
        count: of each kind.
    """
    keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), 4), count)
    return Around(
        mask,
        tuple(same_sizes(mask, sizes, seed * count + i) for i in range(count)),
        tuple(shuffled(mask, key) for key in keys),
    )


def complement(mask: Mask) -> dict[str, np.ndarray]:
    """All other weights."""
    return {name: ~np.asarray(array) for name, array in mask.items()}


@dataclass(frozen=True)
class View:
    """One task and network, on which everything is measured."""

    task: Task
    network: Network

    def outputs(self, params: Params, mask: Mask) -> Float[np.ndarray, "n k"]:
        """f(x, θ⊙m) on the test examples. Biases stay as they are."""
        x, reference = jnp.asarray(self.task.test.x), jnp.asarray(self.task.train.x)
        return np.asarray(_masked(self.network, params, over_parameters(mask, params), x, reference))

    def right(self, outputs: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n"]:
        """Each test example's score."""
        return np.asarray(self.task.scores(outputs, self.task.test), float)

    def scored(self, params: Params, masks: Sequence[Mask]) -> Float[np.ndarray, "n"]:
        """Each test example's score, the mean over masks."""
        return np.mean([self.right(self.outputs(params, mask)) for mask in masks], axis=0)

    def under(
        self, params: Params, masks: Sequence[Mask], whole: Float[np.ndarray, "n k"]
    ) -> dict[str, float]:
        """Mean score under masks, and the share of the whole network's function that they explain.

        Arguments:
            whole: its outputs.
        """
        found = [self.outputs(params, mask) for mask in masks]
        return {
            "score": float(np.mean([self.right(f) for f in found])),
            "explained": float(np.mean([explained(whole, f) for f in found])),
        }

    def quantities(self, start: Params, params: Params) -> dict[str, Float[np.ndarray, "n"]]:
        """Of every weight, in one row: its part of squared norm, motion and gradient, and whether it kept its sign."""
        x, y = self.task.train.x[:GRADIENT], self.task.train.targets[:GRADIENT]
        form = canonical(self.network, params, form=Balanced(), reference=np.asarray(self.task.train.x))
        before, now = (_flat(weights_of(self.network, p)) for p in (start, params))
        gradient = _flat(
            weights_of(self.network, _gradient(self.network, params, jnp.asarray(x), jnp.asarray(y)))
        )
        found = {
            "norm": _parts(_flat(weights_of(form.network, form.params))),
            "gradient": _parts(gradient),
            "signs": (np.sign(before) == np.sign(now)).astype(float),
        }
        return found if np.array_equal(before, now) else {**found, "motion": _parts(now - before)}

    def shares(self, masks: Around, quantities: Mapping[str, Float[np.ndarray, "n"]]) -> list[dict[str, Any]]:
        """A row a quantity: the mask's share, and the mean and z-score of chance masks. Of signs it is the share that is kept."""
        bits = np.stack([_flat(m) for m in (masks.mask, *masks.stratified, *masks.shuffled)]).astype(
            np.float32
        )
        found = bits @ np.stack([*quantities.values()], axis=1).astype(np.float32)
        rows, strata = [], slice(1, 1 + len(masks.stratified))
        for kind, values in zip(quantities, found.T.astype(float), strict=True):
            values = values / bits[0].sum() if kind == "signs" else values
            spread = float(np.std(values[strata], ddof=1))
            mean = float(np.mean(values[strata]))
            rows.append(
                {
                    "kind": kind,
                    "share": float(values[0]),
                    "stratified": mean,
                    "shuffled": float(np.mean(values[strata.stop :])),
                    "z": (float(values[0]) - mean) / spread if spread > 0 else float("nan"),
                }
            )
        return rows


def _flat(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(array).ravel() for array in arrays.values()])


def _parts(values: np.ndarray) -> np.ndarray:
    squares = np.square(values, dtype=np.float64)
    total = float(squares.sum())
    return squares / total if total > 0 else squares


@partial(jax.jit, static_argnums=0)
def _masked(network: Network, params: Params, mask: Any, x: Array, reference: Array) -> Array:
    return evaluate(network, jax.tree.map(lambda m, a: jnp.where(m, a, 0), mask, params), x, reference)


@partial(jax.jit, static_argnums=0)
def _gradient(network: Network, params: Params, x: Array, y: Array) -> Params:
    return jax.grad(lambda p: jnp.mean(SOFTMAX_CROSS_ENTROPY.value(network.apply(p, x), y)))(params)
