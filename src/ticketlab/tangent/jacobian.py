"""The Jacobian of a network's outputs at θ₀, as an operator that is never formed as a matrix.

J is `[N·k, P]`: one row per example and output, one column per parameter that may move. A Jacobian-vector product JΔ is one
forward-mode sweep over the data, and Jᵀv is one reverse-mode sweep. K u = J(Jᵀu) takes both; it is a product with the tangent
kernel without the kernel. Examples are processed in batches, so that memory stays bounded. Everything is computed in the
operator's own precision; certificates use float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.adapters.traced import precisions
from ticketlab.adapters.user_code import first_line
from ticketlab.compiled_programs import quick_options
from ticketlab.errors import UserError
from ticketlab.networks.network import Network, Params
from ticketlab.tangent.devices import Devices
from ticketlab.tangent.selection import AllParameters, Selection

__all__ = ["Jacobian"]

# A vector in parameter space; a multiple of a 0-d array is a NumPy scalar.
Leaf = Array | np.ndarray | np.generic


@dataclass(frozen=True, eq=False)
class Jacobian:
    """J = ∂f(X, θ)/∂θ at θ₀, restricted to a selection of parameters.

    Arguments:
        network, params: f and θ₀.
        x: inputs `[n, *input_shape]`.
        selection: which parameters may move (default: all).
        dtype: float32 or float64; inputs and parameters are cast to it.
        batch: examples per sweep (and device), which bounds memory.
        devices: over which examples are distributed (default: JAX's first device has all).
        scale: s `[n]`, a factor of each example's rows and outputs: diag(s) J. An example that counts w times has s = √w
            (default: 1 for all).
        filled: whether the last batch is filled up with copies of an example, whose results are left out. Then programs are
            compiled for one number of examples, and any number uses them. Batches are also the blocks of the kernel.

    Vectors in parameter space are lists of arrays, one for each leaf that may move ("moving leaves"); `embed` turns such a list
    into a pytree like the parameters. Vectors in function space are `[n, k]`, or `[c, n, k]` for c of them at once.

    Raises:
        UserError: for inputs or parameters that are not finite; for inputs that do not have the network's shape; for a network
            that is differentiated through a surrogate, or whose outputs for an example depend on other examples; for a model of
            your own that does not take these parameters, or computes in less than this precision; for other vectors.
    """

    network: Network
    params: Params
    x: Float[Any, "n ..."]
    selection: Selection = field(default_factory=AllParameters)
    dtype: Any = np.float32
    batch: int = 1024
    devices: Devices | None = None
    scale: Float[np.ndarray, "n"] | None = None
    filled: bool = False

    def __post_init__(self) -> None:
        self.network.require_each_alone("a tangent space of functions of x")
        if np.dtype(self.dtype) not in (np.float32, np.float64):
            raise UserError(f"dtype={np.dtype(self.dtype)}", "float32 or float64")
        shape = tuple(np.shape(self.x))
        if shape[1:] != self.network.input_shape or not shape or shape[0] == 0:
            raise UserError(
                f"inputs of shape {shape}",
                f"({', '.join(['n', *map(str, self.network.input_shape)])}), n ≥ 1",
                "Build the network for data of this shape.",
            )
        if self.network.surrogate:
            raise UserError(
                f"{self.network.name}, whose sign activations have derivative zero and are trained with a surrogate",
                "a network with its own derivative, for its tangent space",
                "Choose another activation.",
            )
        for what, arrays in (("inputs", [self.x]), ("parameters", jax.tree.leaves(self.params))):
            if not all(np.isfinite(np.asarray(array)).all() for array in arrays):
                raise UserError(
                    f"{what} with NaN or infinite values", "finite numbers", "Remove or replace them first."
                )
        leaves, structure = jax.tree.flatten(self.params)
        if self.network.layers:
            _check_layers(self.network, self.params)
        else:
            if other := {
                str(kind) for kind in map(jnp.result_type, leaves) if not jnp.issubdtype(kind, jnp.floating)
            }:
                raise UserError(
                    f"parameters of {' and '.join(sorted(other))}",
                    "floating numbers: every parameter may move",
                    "What is not to be learnt belongs into the function.",
                )
            _check_function(self.network, structure, tuple(map(np.shape, leaves)), np.dtype(self.dtype))

    @property
    def examples(self) -> int:
        return int(np.shape(self.x)[0])

    @property
    def total_weight(self) -> float:
        """Σ s², the number of examples if none is scaled."""
        return float(self.examples if self.scale is None else np.sum(np.square(self.scale)))

    @property
    def outputs_per_example(self) -> int:
        return self.network.outputs

    @cached_property
    def columns(self) -> int:
        """P, the number of parameters that may move."""
        return int(
            sum(
                np.size(leaf) if mask is True else np.sum(np.asarray(mask))
                for leaf, mask in self._moving_with_masks
            )
        )

    @property
    def quick(self) -> bool:
        """Whether its programs are worth less optimising, because a problem of this size is solved in a moment."""
        return self.filled and self.examples * self.outputs_per_example <= QUICK_ROWS

    def x64(self) -> Any:
        """A context in which JAX can make arrays of this operator's precision."""
        return jax.enable_x64(np.dtype(self.dtype) == np.float64)

    def outputs(self) -> Float[Any, "n k"]:
        """f(X, θ₀), scaled."""
        with self.x64():
            found = _joined([self._own(self._products.outputs(x)) for x in self._portions])
            return self.scaled(found if len(found) == self.examples else found[: self.examples])

    def jvp(self, delta: Sequence[Leaf]) -> Float[Any, "n k"]:
        """JΔ. Cost: about two forward passes."""
        with self.x64():
            return self._jvps([np.asarray(d, self.dtype)[None] for d in self._checked(delta)])[0]

    def vjp(self, cotangent: Float[Any, "n k"]) -> list[Any]:
        """Jᵀv, as a list over the moving leaves. Cost: about two forward passes."""
        with self.x64():
            return [d[0] for d in self._vjps(self._functions(np.asarray(cotangent, self.dtype)[None]))]

    def gram(self, u: Float[Any, "c n k"]) -> Float[Any, "c n k"]:
        """K u = J Jᵀ u for c vectors at once, without K. Cost: c Jacobian-vector and c vector-Jacobian products."""
        with self.x64():
            return _joined([self._jvps(self._vjps(part)) for part in self._groups(u)])

    def squared_norm(self, u: Float[Any, "c n k"]) -> Float[np.ndarray, "c"]:
        """‖Jᵀu‖² = uᵀKu."""
        with self.x64():
            return np.concatenate(
                [np.sum([_squares(d) for d in self._vjps(part)], axis=0) for part in self._groups(u)]
            )

    def pull_back(self, u: Float[Any, "c n k"]) -> list[list[np.ndarray]]:
        """Δ = Jᵀu for each of c vectors."""
        with self.x64():
            groups = [[np.asarray(d) for d in self._vjps(part)] for part in self._groups(u)]
            return [[d[i, ...] for d in group] for group in groups for i in range(len(group[0]))]

    def push_forward(self, deltas: Sequence[Sequence[Leaf]]) -> Float[Any, "c n k"]:
        """JΔ for each of c vectors."""
        with self.x64():
            stacked = [
                [np.stack([np.asarray(d[i], self.dtype) for d in part]) for i in range(len(part[0]))]
                for part in _chunks([self._checked(d) for d in deltas], self._columns_at_once)
            ]
            return _joined([self._jvps(part) for part in stacked])

    def dense(self) -> Float[np.ndarray, "n k p"]:
        """J as a matrix, for tests and for problems with few parameters. Memory: n·k·P numbers."""
        with self.x64():
            blocks = [self._sweeps.rows(x) for x in self._batches]
            n, k = self.examples, self.outputs_per_example
            rows = [np.concatenate([np.asarray(b[i]) for b in blocks])[:n] for i in range(len(blocks[0]))]
        kept = [
            r.reshape(n, k, -1) if mask is True else r.reshape(n, k, -1)[:, :, np.asarray(mask).ravel()]
            for r, (_, mask) in zip(rows, self._moving_with_masks, strict=True)
        ]
        whole = np.concatenate(kept, axis=2)
        return whole if self.scale is None else whole * self.scale[:, None, None]

    def reverse_sweeps(self) -> Iterator[tuple[int, Callable[..., Any]]]:
        """For each batch its number of examples, and v `[b, k]` ↦ Jᵀv, not scaled, with the activations of the forward pass.

        With several devices the last batch is padded, and the activations stay on the device of their examples.
        """
        for i, x in enumerate(self._portions):
            yield len(x), self.reverse_sweep(i)

    def reverse_sweep(self, i: int) -> Callable[..., Any]:
        """That of batch i. Cost: a forward pass."""
        with self.x64():
            at = self._at if self.devices is None else self.devices.everywhere(self._at)
            return self._unbound.pull(at, self._portions[i])

    def embed(self, delta: Sequence[Leaf]) -> Params:
        """Δθ as a pytree like the parameters, zero for parameters that may not move."""
        with self.x64():
            moving = iter(delta)
            leaves = [
                _placed(np.zeros(leaf.shape) if mask is False else next(moving), self.dtype)
                for leaf, mask in zip(self._leaves, self._masks, strict=True)
            ]
            return jax.tree.unflatten(self._structure, leaves)

    def moving(self, delta: Params) -> list[Leaf]:
        """The moving leaves of a pytree like the parameters."""
        leaves = jax.tree.leaves(delta)
        return [leaf for leaf, mask in zip(leaves, self._masks, strict=True) if mask is not False]

    def at(self, x: Float[Any, "m ..."]) -> Jacobian:
        """The same Jacobian at other inputs, not scaled."""
        return replace(self, x=x, scale=None)

    def part(self, rows: slice) -> Jacobian:
        """That of some of the examples."""
        return replace(self, x=self.x[rows], scale=None if self.scale is None else self.scale[rows])

    def scaled(self, functions: Float[Any, "... n k"]) -> Float[Any, "... n k"]:
        """s times the rows of functions."""
        return functions if self.scale is None else np.asarray(functions) * self.scale[:, None]

    @cached_property
    def _structure(self) -> Any:
        return jax.tree.structure(self.params)

    @cached_property
    def _leaves(self) -> list[Array]:
        with self.x64():
            leaves, dtype = jax.tree.leaves(self.params), np.dtype(self.dtype)
            if all(isinstance(leaf, np.ndarray) for leaf in leaves):
                return jax.device_put([leaf.astype(dtype) for leaf in leaves])
            return _cast(leaves, dtype)

    @property
    def moving_leaves(self) -> list[Array]:
        """θ₀'s leaves that may move, in this operator's precision."""
        return [leaf for leaf, _ in self._moving_with_masks]

    @cached_property
    def _masks(self) -> list[Any]:
        return self.selection.masks(self.params)

    @property
    def _moving_with_masks(self) -> list[tuple[Array, Any]]:
        return [
            (leaf, mask) for leaf, mask in zip(self._leaves, self._masks, strict=True) if mask is not False
        ]

    @cached_property
    def _batches(self) -> list[Array]:
        with self.x64():
            x = np.asarray(self.x, self.dtype)
            if self.filled:
                x = np.concatenate([x, np.repeat(x[-1:], -len(x) % self.batch, axis=0)])
            return jax.device_put(list(_chunks(x, self.batch)))

    @property
    def _columns_at_once(self) -> int:
        return max(1, _PARAMETER_BYTES // (max(self.columns, 1) * np.dtype(self.dtype).itemsize))

    def _groups(self, u: Float[Any, "c n k"]) -> list[np.ndarray]:
        return _chunks(self._functions(np.asarray(u, self.dtype)), self._columns_at_once)

    def _functions(self, u: np.ndarray) -> np.ndarray:
        """The vectors in function space, `[c, n, k]`."""
        n, k = self.examples, self.outputs_per_example
        if u.ndim != 3 or u.shape[1:] != (n, k):
            raise UserError(
                f"vectors in function space of shape {u.shape}",
                f"(c, {n}, {k}): c of them, each with a row for each example",
            )
        return u

    def _checked(self, delta: Any) -> Sequence[Leaf]:
        """A vector in parameter space."""
        own = [leaf.shape for leaf in self.moving_leaves]
        if isinstance(delta, Mapping) or [np.shape(d) for d in delta] != own:
            what = (
                "a pytree"
                if isinstance(delta, Mapping)
                else f"arrays of shapes {[np.shape(d) for d in delta]}"
            )
            raise UserError(
                f"{what} as a vector in parameter space",
                f"a list of arrays of the shapes {own}, one for each leaf that may move",
                "jacobian.moving(tree) gives it, from a pytree like the parameters.",
            )
        return delta

    @cached_property
    def _portions(self) -> list[Array]:
        """The inputs of each sweep: batches, distributed over the devices and padded to equal shares. They may be filled up."""
        if self.devices is None:
            return self._batches
        with self.x64():
            sweep = self.batch * len(self.devices)
            return [self.devices.lay(x) for x in _chunks(np.asarray(self.x, self.dtype), sweep)]

    def _jvps(self, deltas: Sequence[Leaf]) -> Float[Any, "c n k"]:
        found = _joined([self._own(self._products.jvp(x, list(deltas))) for x in self._portions], axis=1)
        return self.scaled(found if found.shape[1] == self.examples else found[:, : self.examples])

    def _vjps(self, cotangents: Float[Any, "c n k"]) -> list[Any]:
        cotangents = self.scaled(cotangents)
        ends = np.cumsum([len(x) for x in self._portions])
        if ends[-1] > self.examples:  # padding examples have no effect
            filling = ((0, 0), (0, int(ends[-1]) - self.examples), (0, 0))
            cotangents = np.pad(np.asarray(cotangents), filling)
        parts = np.split(cotangents, ends[:-1], axis=1) if len(ends) > 1 else [cotangents]
        total = list(map(self._own, self._products.vjp(self._portions[0], parts[0])))
        for x, part in zip(self._portions[1:], parts[1:], strict=True):
            found = list(map(self._own, self._products.vjp(x, part)))
            total = (
                [a + b for a, b in zip(total, found, strict=True)] if self.filled else _summed(total, found)
            )
        return total

    def _own(self, result: Array) -> Any:
        """A result of one batch. If batches are filled, NumPy puts them together: for JAX each number is a program of its own."""
        return np.asarray(result) if self.filled else result

    @cached_property
    def _unbound(self) -> _Sweeps:
        pattern = tuple("still" if m is False else "all" if m is True else "some" for m in self._masks)
        return _compiled(self.network, self._structure, pattern, self.quick)

    @cached_property
    def _at(self) -> tuple[list[Array], list[Array]]:
        return self._leaves, [m for m in self._masks if not isinstance(m, bool)]

    @cached_property
    def _sweeps(self) -> _Sweeps:
        return self._unbound.bind(*self._at)

    @cached_property
    def _products(self) -> _Sweeps:
        """The sweeps that multiply by J, over all devices."""
        if self.devices is None:
            return self._sweeps
        with self.x64():
            return self._unbound.over(self.devices).bind(*self.devices.everywhere(self._at))


def _check_layers(network: Network, params: Params) -> None:
    """Checks that the weights of a described network's layers are there."""
    for layer in network.layers:
        own = params.get(layer.name) if isinstance(params, Mapping) else None
        weight = own.get("weight") if isinstance(own, Mapping) else None
        if layer.stage.weighted and (weight is None or np.shape(weight) != layer.weight_shape):
            raise UserError(
                f"parameters in which layer {layer.name!r} has no weight of shape {layer.weight_shape}",
                f"those of one {network.name}",
                "Draw them with network.init(jax.random.key(0)).",
            )


@lru_cache(maxsize=64)
def _check_function(network: Network, structure: Any, shapes: tuple[Any, ...], dtype: np.dtype[Any]) -> None:
    """Checks that a model can be evaluated at such parameters, and that no step on the way to its outputs is less precise.

    Products with J would be rounded to that precision, and a certificate would not notice.
    """
    with jax.enable_x64(dtype == np.float64):
        params = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes])
        x = jax.ShapeDtypeStruct((2, *network.input_shape), dtype)
        try:
            found = precisions(network.apply, params, x)
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"parameters at which {network.name} cannot be evaluated ({type(error).__name__}: {first_line(error)})",
                "parameters as its init draws them",
                "Draw them with network.init(jax.random.key(0)).",
            ) from error
    lower = sorted(str(kind) for kind in found if jnp.finfo(kind).eps > jnp.finfo(dtype).eps)
    if lower:
        raise UserError(
            f"{network.name}, which computes in {' and '.join(lower)} whatever the precision of its parameters",
            f"a model that computes in {dtype} if its parameters and inputs are so, for a tangent space in {dtype}",
            "Leave out options such as dtype=jnp.float32 and conversions such as .astype(jnp.bfloat16).",
        )


QUICK_ROWS = 2500  # of K, up to which compiling takes longer than what is compiled
_PARAMETER_BYTES = 2**28  # bound on the parameter-space vectors held at once


def _chunks(items: Any, size: int) -> list[Any]:
    return [items[i : i + size] for i in range(0, len(items), size)]


@partial(jax.jit, static_argnums=1)  # all leaves in one program, not each in its own
def _cast(leaves: list[Any], dtype: np.dtype[Any]) -> list[Array]:
    return [jnp.asarray(leaf, dtype) for leaf in leaves]


def _placed(leaf: Any, dtype: Any) -> Array:
    """As `jnp.asarray`, which compiles a program for every shape of an array on the host."""
    return (
        jnp.asarray(leaf, dtype) if isinstance(leaf, jax.Array) else jax.device_put(np.asarray(leaf, dtype))
    )


@jax.jit
def _summed(one: Any, other: Any) -> Any:
    return [a + b for a, b in zip(one, other, strict=True)]


def _joined(parts: list[Any], axis: int = 0) -> Any:
    if len(parts) == 1:
        return parts[0]
    stacked = np.concatenate if isinstance(parts[0], np.ndarray) else jnp.concatenate
    return stacked(parts, axis=axis)


def _squares(leaf: Float[Any, "c ..."]) -> Float[np.ndarray, "c"]:
    return np.sum(np.square(np.asarray(leaf, np.float64)).reshape(leaf.shape[0], -1), axis=1)


@dataclass(frozen=True)
class _Sweeps:
    """Compiled sweeps over one batch; the first argument is always (leaves, inner masks)."""

    outputs: Callable[..., Array]
    jvp: Callable[..., Array]
    vjp: Callable[..., list[Array]]
    rows: Callable[..., list[Array]]
    pull: Callable[..., Callable[..., Any]]

    def over(self, devices: Devices) -> _Sweeps:
        """The same over distributed examples, with replicated results."""
        return replace(
            self,
            outputs=devices.gathered(self.outputs, axis=0),
            jvp=devices.gathered(self.jvp, axis=1),
            vjp=devices.summed(self.vjp, axis=1),
        )

    def bind(self, leaves: list[Array], masks: list[Array]) -> _Sweeps:
        at = (leaves, masks)
        return _Sweeps(*(partial(getattr(self, f.name), at) for f in fields(self)))


def _each(function: Callable[[Any], Any], vectors: Any) -> Any:
    """The function of each vector. For one vector, plain products compile three times faster than those with a batch axis."""
    if len(jax.tree.leaves(vectors)[0]) > 1:
        return jax.vmap(function)(vectors)
    return jax.tree.map(lambda leaf: leaf[None], function(jax.tree.map(lambda leaf: leaf[0], vectors)))


@lru_cache(maxsize=64)
def _compiled(network: Network, structure: Any, pattern: tuple[str, ...], quick: bool) -> _Sweeps:
    """The sweeps of a network, compiled once for all θ₀, data sets and precisions.

    `pattern` says for each leaf whether it moves ("all", "some": where the mask is one) or not ("still").
    """
    compiled = partial(jax.jit, compiler_options=quick_options() if quick else None)

    def split(leaves: list[Array]) -> tuple[list[Array], list[Array]]:
        moving = [leaf for leaf, how in zip(leaves, pattern, strict=True) if how != "still"]
        return moving, [leaf for leaf, how in zip(leaves, pattern, strict=True) if how == "still"]

    def function(moving: list[Array], still: list[Array], x: Array) -> Array:
        moving_leaves, still_leaves = iter(moving), iter(still)
        merged = [next(still_leaves) if how == "still" else next(moving_leaves) for how in pattern]
        return network.apply(jax.tree.unflatten(structure, merged), x)

    def masked(values: list[Array], masks: list[Array]) -> list[Array]:
        remaining = iter(masks)
        hows = [how for how in pattern if how != "still"]
        return [v * next(remaining) if how == "some" else v for v, how in zip(values, hows, strict=True)]

    @compiled
    def outputs(at: Any, x: Array) -> Array:
        return function(*split(at[0]), x)

    @compiled
    def jvp(at: Any, x: Array, deltas: list[Array]) -> Array:
        moving, still = split(at[0])
        push = jax.linearize(lambda v: function(v, still, x), moving)[1]
        return _each(lambda delta: push(masked(delta, at[1])), deltas)

    @compiled
    def vjp(at: Any, x: Array, cotangents: Array) -> list[Array]:
        moving, still = split(at[0])
        pull = jax.vjp(lambda v: function(v, still, x), moving)[1]
        return _each(lambda v: masked(pull(v)[0], at[1]), cotangents)

    @compiled
    def rows(at: Any, x: Array) -> list[Array]:
        moving, still = split(at[0])
        one = jax.jacrev(lambda v, example: function(v, still, example[None])[0])
        return jax.vmap(one, in_axes=(None, 0))(moving, x)

    @compiled
    def pull(at: Any, x: Array) -> Callable[..., Any]:
        moving, still = split(at[0])

        def moved(delta: list[Array]) -> Array:
            steps = masked(delta, at[1])
            return function([a + b for a, b in zip(moving, steps, strict=True)], still, x)

        return jax.vjp(moved, [jnp.zeros_like(leaf) for leaf in moving])[1]

    return _Sweeps(outputs, jvp, vjp, rows, pull)
