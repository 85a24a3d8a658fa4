"""Whether a masked random network is its target: on given inputs, on random ones, and on those that an attack finds.

Two numbers bound the largest difference ‖f(x) − g(x)/λ‖ over a ball of inputs. An attack, gradient ascent from inputs and random
directions, gives a difference that occurs. The certificate gives one that cannot occur. They are always reported as a pair.

The whole network g, with all its weights and its mask, is evaluated on some inputs. For the many others, what the mask removes is
left out first. That is the same function: a unit that nothing leaves is dropped, and a unit with one weight reads one input. Sums
in another order differ in the last digits of float32, so differences up to 1e-5 of the largest output count as rounding.

The attack only has to find inputs. So it climbs with the gradient of what the masked network computes layer by layer of the
target (`collapsed_function`), a network of the target's size. The inputs that it finds are then evaluated like all others.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ticketlab.networks.convolution import convolve
from ticketlab.networks.stages import Convolution, Dense, Stage
from ticketlab.networks.stages.stage import Step
from ticketlab.networks.walk import Walk
from ticketlab.tickets.constructions.construction import Construction, masked, require_untouched
from ticketlab.tickets.constructions.gaps import Collapsed, Gap, certificate, gaps
from ticketlab.training.memory import default_workers

__all__ = ["Agreement", "agreement", "attacked", "batched", "collapsed_function", "compact"]

ROUNDING = 1e-5
BATCH = 1000
IMAGES = 50  # at once through convolutions, so that their products stay near the processor
WHOLE = 200  # inputs for the whole network; of images that are convolved, `IMAGES`


@dataclass(frozen=True)
class Agreement:
    """How a masked network compares with its target.

    Arguments:
        attack: the largest ‖f − g/λ‖ that was found on the ball.
        certificate: a bound of it on the ball.
        radius: of the ball.
        inputs: how many were compared.
        beyond: the largest difference as a multiple of the certificate for the same norm of the input, after rounding; at most 1.
        whole: the largest difference between g with all its weights and g without what the mask removes, as a fraction of the
            largest output.
        agreement: the share of given inputs with the same largest output.
        relative: the largest difference on given inputs as a fraction of the largest output there.
        gaps: the norms of all layers.
        digest: the SHA-256 of θ₀, which was drawn again and compared.
        seconds: for all of it.
    """

    attack: float
    certificate: float
    radius: float
    inputs: int
    beyond: float
    whole: float
    agreement: float
    relative: float
    gaps: tuple[Gap, ...]
    digest: str
    seconds: float


def agreement(
    construction: Construction,
    x: Float[np.ndarray, "n ..."],
    rng: np.random.Generator,
    *,
    inputs: int = 100_000,
    starts: int = 64,
    steps: int = 100,
    radius: float | None = None,
) -> Agreement:
    """Compares a masked network with its target.

    Arguments:
        construction: the network, its mask and its target.
        x: given inputs.
        rng: draws directions.
        inputs: how many to compare in all: those given, attacked ones, and random directions on the sphere.
        starts, steps: of the attack.
        radius: of the ball; None for the largest norm of the given inputs.

    Cost: `inputs` evaluations of the target and of what the mask keeps, and 6 · starts · steps of the target for the attack.
    """
    begin = time.perf_counter()
    x = np.asarray(x, np.float32)
    norms = np.linalg.norm(x.reshape(len(x), -1), axis=1)
    size = float(norms.max()) if radius is None else radius
    digest = require_untouched(construction)
    written = construction.collapse(construction)
    layers = gaps(written)
    ours, theirs = compact(construction), _target(construction)
    near = collapsed_function(construction, written)

    first = np.concatenate(
        [_on_sphere(x[: starts // 2], size), _directions(construction, rng, starts - starts // 2, size)]
    )
    found = attacked(construction, first, size, steps, ours=near, theirs=theirs)
    random = _directions(construction, rng, max(0, inputs - len(x) - 2 * len(found)), size)
    scaled = _on_sphere(x[: len(found)], size)
    everything = np.concatenate([x, found, scaled, random])
    batch = IMAGES if construction.target.convolutional else BATCH
    f, g = (batched(function, everything, batch) for function in (theirs, ours))
    error = np.linalg.norm(f - g, axis=1)
    own = np.linalg.norm(everything.reshape(len(everything), -1), axis=1)
    largest = float(np.linalg.norm(f, axis=1).max())
    bound = certificate(layers, own * (1 + 1e-6))
    beyond = float(((error - ROUNDING * largest) / np.maximum(bound, 1e-300)).max())
    some = everything[: min(IMAGES if construction.target.convolutional else WHOLE, len(everything))]
    whole = np.abs(np.asarray(construction.outputs(some)) - g[: len(some)]).max() / np.abs(f[: len(x)]).max()
    inside = own <= size * (1 + 1e-6)
    return Agreement(
        attack=float(error[inside].max()),
        certificate=float(certificate(layers, size * (1 + 1e-6))),
        radius=size,
        inputs=len(everything),
        beyond=max(0.0, beyond),
        whole=float(whole),
        agreement=float(np.mean(f[: len(x)].argmax(1) == g[: len(x)].argmax(1))),
        relative=float(np.abs(f[: len(x)] - g[: len(x)]).max() / np.abs(f[: len(x)]).max()),
        gaps=layers,
        digest=digest,
        seconds=time.perf_counter() - begin,
    )


Function = Callable[[Array], Array]


def attacked(
    construction: Construction,
    first: Float[np.ndarray, "starts ..."],
    radius: float,
    steps: int,
    *,
    ours: Function,
    theirs: Function,
) -> Float[np.ndarray, "starts ..."]:
    """Inputs in the ball on which f and g/λ differ much, by projected gradient ascent of ‖f − g/λ‖².

        x ← P(x + η_t R ∇/‖∇‖),     η_t from ¼ down to 0

    P scales down to the ball, after cutting at zero where inputs are not negative.

    Arguments:
        first: where to start.
        steps: how many.
        ours, theirs: g/λ, or what it computes, and f.
    """

    def difference(x: Array) -> Array:
        return jnp.sum((theirs(x) - ours(x)) ** 2)

    def project(x: Array) -> Array:
        x = x if construction.signed else jnp.maximum(x, 0.0)
        norm = _norms(x)
        return x * jnp.minimum(1.0, radius / jnp.maximum(norm, 1e-30))

    @jax.jit
    def ascend(x: Array) -> Array:
        def step(t: Any, x: Array) -> Array:
            slope = jax.grad(difference)(x)
            length = 0.25 * radius * (1 - t / steps)
            return project(x + length * slope / jnp.maximum(_norms(slope), 1e-30))

        return jax.lax.fori_loop(0, steps, step, x)

    return np.asarray(ascend(jnp.asarray(first)))


def compact(construction: Construction) -> Function:
    """g(x)/λ without what the mask removes: the same function, faster by what is removed."""
    if not construction.stages:
        params = jax.device_put(masked(construction.params, construction.masks))
        apply, factor = construction.network.apply, construction.factor
        return jax.jit(lambda x: apply(params, x) / factor)
    items = _items(construction)

    def forward(x: Array) -> Array:
        if construction.constant:
            x = jnp.concatenate([x.reshape(len(x), -1), jnp.ones((len(x), 1), x.dtype)], axis=1)
        for stage, kind, arrays in items:
            x = kind(stage, arrays, x)
        return x / construction.factor

    return jax.jit(forward)


def collapsed_function(construction: Construction, layers: Sequence[Collapsed]) -> Function:
    """g(x)/λ by its layers in the target's units: M relu(x) + M⁻ relu(−x) + b̂ in the place of each pair of random layers.

    In exact arithmetic this is g(x)/λ, for inputs that are not negative where M⁻ is missing.

    Arguments:
        layers: what the masked network computes, from θ₀ and the mask alone.
    """
    arrays = [
        (
            jnp.asarray(of.weight, jnp.float32),
            None if of.negative is None else jnp.asarray(of.negative, jnp.float32),
            jnp.asarray(of.bias, jnp.float32),
        )
        for of in layers
    ]

    def forward(x: Array) -> Array:
        own = iter(arrays)
        for stage in construction.target.stages:
            if not isinstance(stage, Dense | Convolution):
                x = _other(stage, None, x)
                continue
            weight, negative, bias = next(own)
            z = stage.multiply(x if negative is None else jnp.maximum(x, 0.0), weight, convolve)
            if negative is not None:
                z = z + stage.multiply(jnp.maximum(-x, 0.0), negative, convolve)
            x = z + bias
        return x

    return jax.jit(forward)


Item = tuple[Stage, Callable[[Stage, Any, Array], Array], Any]


def _items(construction: Construction) -> list[Item]:
    """Every stage with the function that computes it and the arrays that it needs."""
    names = iter(layer.name for layer in construction.network.layers)
    found: list[Item] = []
    stages = construction.stages
    weighted = [isinstance(stage, Dense | Convolution) for stage in stages]
    alive: np.ndarray | None = None  # units of the layer before that were not dropped
    params, masks = construction.params, construction.masks
    order = [next(names) if w else "" for w in weighted]
    for i, stage in enumerate(stages):
        if not weighted[i]:
            found.append((stage, _other, None))
            continue
        mask = masks[order[i]]["weight"]
        weight = np.where(mask, params[order[i]]["weight"], np.float32(0))
        bias = (
            np.where(masks[order[i]]["bias"], params[order[i]]["bias"], np.float32(0))
            if "bias" in masks[order[i]]
            else np.zeros(mask.shape[-1], np.float32)
        )
        flat = mask.reshape(-1, mask.shape[-1])
        if (
            alive is None
            and i + 2 < len(stages)
            and weighted[i + 2]
            and flat.sum(axis=0).max() <= 1
            and _pointwise(stage)
        ):
            leaving = np.moveaxis(masks[order[i + 2]]["weight"], -2, 0)
            alive = np.flatnonzero(leaving.reshape(len(leaving), -1).any(axis=1))
            source = flat.argmax(axis=0)[alive]
            value = weight.reshape(flat.shape)[source, alive]
            found.append((stage, _selected, jax.device_put((source, value, bias[alive]))))
        else:
            weight = weight if alive is None else np.take(weight, alive, axis=-2)
            alive = None
            found.append((stage, _weighted, jax.device_put((weight, bias))))
    return found


def _pointwise(stage: Stage) -> bool:
    return isinstance(stage, Dense) or (isinstance(stage, Convolution) and stage.window == stage.stride == 1)


def _selected(stage: Stage, arrays: Any, a: Array) -> Array:
    source, value, constant = arrays
    return a[..., source] * value + constant


def _weighted(stage: Stage, arrays: Any, a: Array) -> Array:
    assert isinstance(stage, Dense | Convolution)
    return stage.multiply(a, arrays[0], convolve) + arrays[1]


def _other(stage: Stage, arrays: Any, a: Array) -> Array:
    return stage.forward(Step(stage), Walk({}), a)


def _target(construction: Construction) -> Function:
    target = construction.target
    return jax.jit(partial(target.network.apply, jax.tree.map(jnp.asarray, target.params)))


def _norms(x: Array) -> Array:
    return jnp.sqrt(jnp.sum(x**2, axis=tuple(range(1, x.ndim)), keepdims=True))


def _on_sphere(x: np.ndarray, radius: float) -> np.ndarray:
    flat = x.reshape(len(x), math.prod(x.shape[1:]))  # of no rows too
    norm = np.linalg.norm(flat, axis=1).reshape(len(x), *(1,) * (x.ndim - 1))
    return (x * (radius / np.maximum(norm, 1e-30))).astype(np.float32)


def _directions(
    construction: Construction, rng: np.random.Generator, count: int, radius: float
) -> np.ndarray:
    x = rng.standard_normal((count, *construction.target.input_shape), np.float32)
    return _on_sphere(x if construction.signed else np.abs(x), radius)


def batched(function: Function, x: np.ndarray, batch: int) -> np.ndarray:
    """All outputs, batches of one size, so that one program serves; on a processor, as many at a time as it has cores."""
    padded = np.concatenate([x, np.zeros((-len(x) % batch, *x.shape[1:]), x.dtype)])
    wide = jax.config.read("jax_enable_x64")

    def outputs(first: int) -> np.ndarray:
        with jax.enable_x64(wide):  # other threads do not inherit settings of a context manager
            return np.asarray(function(jnp.asarray(padded[first : first + batch])))

    starts = range(0, len(padded), batch)
    parts = [outputs(first) for first in starts[:1]]  # compiled once, before several threads would
    with ThreadPoolExecutor(default_workers(jax.default_backend())) as pool:
        parts += pool.map(outputs, starts[1:])
    return np.concatenate(parts)[: len(x)]
