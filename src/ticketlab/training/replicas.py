"""R replicas of one network, everything that may differ between them, and their data.

A replica is a starting point θ₀, a data order, a step size, a mask m and a function. The function is f(x, m⊙θ) or, if
centred, f(x, m⊙θ) − f(x, m⊙θ_c), which is zero where training starts. With a reparameterisation the network computes with
g(m⊙θ, frozen) instead of m⊙θ. Arrays with a leading axis R have one entry per replica.

With one order key all replicas share their batches; with R keys each has its own order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Shaped

from ticketlab.errors import UserError, counted
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.task import Task
from ticketlab.training.reparameterisation import Reparameterisation, Sum

__all__ = ["Replicas", "TrainingData", "stack"]


@dataclass(frozen=True)
class Replicas:
    """R replicas of one network.

    Arguments:
        params: their parameters θ₀, a pytree with a leading axis R on every leaf.
        order_keys: keys `[R]` from `jax.random.key`, one data order each; or one key for an order shared by all.
        step_sizes: `[R]`; None: that of the optimiser.
        masks: zeros and ones `[R, …]` in a pytree with the structure of `params`; None for a leaf, or for the whole pytree,
            masks nothing there. Weights with mask 0 are exactly 0 from the start and stay 0.
        centred: `[R]` booleans, or one for all: whether f(x, θ_c) is subtracted from the outputs.
        centre: θ_c `[R, …]`; None: `params`. Needed only if training starts elsewhere (a rewound replica).
        effective: g, from the trained variables to the network's parameters; None: the identity. A random g draws by order
            key and step, so replicas that share an order key share its draws.
        frozen: the fixed argument of g, a pytree with a leading axis R on every leaf. Training only reads it; training
            states do not contain it.

    Raises:
        UserError: if the leading axes differ, or if a frozen value lies where a mask keeps a weight.
    """

    params: Params
    order_keys: Array
    step_sizes: Any = None
    masks: Any = None
    centred: Any = False
    centre: Params = None
    effective: Reparameterisation | None = None
    frozen: Any = None

    def __post_init__(self) -> None:
        leaves = jax.tree.leaves(self.params)
        if not leaves or any(jnp.ndim(a) < 1 for a in leaves) or len({len(a) for a in leaves}) != 1:
            raise UserError(
                f"params of shapes {[jnp.shape(a) for a in leaves]}",
                "leaves with one leading axis of replicas",
                "Stack the parameters of several networks with ticketlab.training.stack([…]).",
            )
        if other := sorted({str(jnp.result_type(a)) for a in leaves} - {"float32", "float64"}):
            raise UserError(
                f"params of {' and '.join(other)}",
                "float32, in which steps are small enough to count",
                "Convert them by jax.tree.map(lambda a: a.astype(jnp.float32), params); numbers that are not trained belong "
                "into the function.",
            )
        kind = getattr(self.order_keys, "dtype", type(self.order_keys).__name__)
        if not (hasattr(self.order_keys, "dtype") and jnp.issubdtype(kind, jax.dtypes.prng_key)):
            raise UserError(f"order_keys of type {kind}", "keys made by jax.random.key")
        if self.order_keys.shape not in ((), (len(self),)):
            raise UserError(f"order_keys of shape {self.order_keys.shape}", f"one key, or ({len(self)},)")
        for name in ("step_sizes", "centred"):
            shape = np.shape(getattr(self, name))
            if getattr(self, name) is not None and shape not in ((), (len(self),)):
                raise UserError(f"{name} of shape {shape}", f"one number, or ({len(self)},)")
        steps = self.step_sizes
        if steps is not None and not (np.isfinite(steps).all() and (np.asarray(steps) > 0).all()):
            raise UserError(f"step sizes {np.asarray(steps).tolist()}", "positive numbers")
        for name in ("masks", "centre"):
            self._check_like_params(name)
        if self.frozen is not None and self.effective is None:
            raise UserError("frozen arrays without effective", "a function from them to parameters")
        if any(jnp.ndim(a) < 1 or len(a) != len(self) for a in jax.tree.leaves(self.frozen)):
            shapes = [jnp.shape(a) for a in jax.tree.leaves(self.frozen)]
            raise UserError(
                f"frozen arrays of shapes {shapes}", f"a leading axis of {counted(len(self), 'replica')}"
            )
        if isinstance(self.effective, Sum):
            self._check_sum()

    def __len__(self) -> int:
        return len(jax.tree.leaves(self.params)[0])

    def _check_like_params(self, name: str) -> None:
        tree = getattr(self, name)
        if tree is None:
            return
        try:
            pairs = jax.tree.map(
                lambda t, p: (jnp.shape(t), jnp.shape(p)), _filled(tree, self.params), self.params
            )
        except ValueError as error:
            raise UserError(
                f"{name} whose structure differs from that of params", "the same pytree"
            ) from error
        shapes = jax.tree.leaves(pairs, is_leaf=lambda pair: isinstance(pair, tuple) and len(pair) == 2)
        if any(a != b for a, b in shapes):
            raise UserError(f"{name} whose shapes differ from those of params", "equal shapes, leaf by leaf")

    def _check_sum(self) -> None:
        self._check_like_params("frozen")
        if len(jax.tree.leaves(self.frozen)) != len(jax.tree.leaves(self.params)):
            raise UserError(
                "frozen values whose structure differs from that of params", "the same complete pytree"
            )
        masks = self.full_masks()
        if masks is None or any(
            np.any(np.asarray(f)[np.asarray(m, bool)])
            for f, m in zip(jax.tree.leaves(self.frozen), jax.tree.leaves(masks), strict=True)
        ):
            raise UserError(
                "frozen values where the mask keeps", "zeros there, because kept weights are trained"
            )

    def full_masks(self) -> Params | None:
        """The masks, with ones for missing leaves; None if there are no masks."""
        return None if self.masks is None else _filled(self.masks, self.params)


@dataclass(frozen=True)
class TrainingData:
    """The data of the replicas: shared by all, or with a leading axis R for one set per replica.

    Arguments:
        x: training inputs `[n, *input_shape]` or `[R, n, *input_shape]`.
        y: targets `[n, k]` or `[R, n, k]`.
        validation_x, validation_y: likewise; None if there are none.
    """

    x: Shaped[ArrayLike, "..."]
    y: Shaped[ArrayLike, "..."]
    validation_x: Shaped[ArrayLike, "..."] | None = None
    validation_y: Shaped[ArrayLike, "..."] | None = None

    def __post_init__(self) -> None:
        for field in fields(self):  # lists and tables
            value = getattr(self, field.name)
            if value is not None and not hasattr(value, "dtype"):
                object.__setattr__(self, field.name, np.asarray(value))

    @staticmethod
    def of(task: Task) -> TrainingData:
        """A task's training and validation parts."""
        return TrainingData(task.train.x, task.train.targets, task.validation.x, task.validation.targets)

    def own(self, network: Network) -> set[str]:
        """The names of the arrays with a leading axis of replicas."""
        rank = len(network.input_shape) + 1
        usual = {"x": rank, "y": 2, "validation_x": rank, "validation_y": 2}
        return {name for name, ndim in usual.items() if np.ndim(getattr(self, name)) == ndim + 1}

    def check(self, network: Network, replicas: int) -> None:
        """Checks that the arrays fit each other, the network and the number of replicas.

        Raises:
            UserError: if they do not.
        """
        if (self.validation_x is None) != (self.validation_y is None):
            raise UserError("only one of validation_x and validation_y", "both or neither")
        for what, x, y in (
            ("training", self.x, self.y),
            ("validation", self.validation_x, self.validation_y),
        ):
            if x is None or y is None:
                continue
            x_shape, y_shape, inputs = np.shape(x), np.shape(y), network.input_shape
            x_own, y_own = len(x_shape) - len(inputs) == 2, len(y_shape) == 3
            examples = [x_shape[x_own] if len(x_shape) > x_own else None, y_shape[y_own] if y_shape else None]
            fits = (
                x_shape[1 + x_own :] == inputs
                and y_shape[1 + y_own :] == (network.outputs,)
                and examples[0] == examples[1]
                and all(s[0] == replicas for s, own in ((x_shape, x_own), (y_shape, y_own)) if own)
            )
            if not fits:
                wanted = ", ".join(map(str, inputs))
                raise UserError(
                    f"{what} inputs of shape {x_shape} with targets of shape {y_shape}",
                    f"(n, {wanted}) with (n, {network.outputs}), each with or without a leading axis of {replicas} replicas",
                )
            if examples[0] == 0:
                raise UserError(f"no {what} examples", "at least one")


def stack(params: list[Params]) -> Params:
    """Parameters of several networks as one pytree with a leading axis of replicas."""
    return _stacked(params)


@jax.jit
def _stacked(params: list[Params]) -> Params:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)


def _filled(tree: Params, params: Params) -> Params:
    """`tree` with ones in place of None, shaped like the leaves of `params`."""
    return jax.tree.map(
        lambda t, p: jax.tree.map(jnp.ones_like, p) if t is None else t,
        tree,
        params,
        is_leaf=lambda t: t is None,
    )
