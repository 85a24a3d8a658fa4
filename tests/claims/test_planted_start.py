"""Known answers at a pretrained start: targets of its own tangent space are found linear, and targets that need new features not.

A small CNN learns three digits. Then it is fine-tuned to targets on the same images, by the cell and the formula of
`linear-regime`. The first targets are J Jᵀ v, a function of its own tangent space, where v marks the classes: a small Δθ gives
it. The second are products of principal components, which no small Δθ gives.
"""

from dataclasses import replace

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.datasets import load_digits

from ticketlab.claims.linear_regime.claim import LinearRegime, LinearRegimePlan
from ticketlab.engine import run_study
from ticketlab.networks import ConvNet
from ticketlab.networks.pretrained import Pretrained
from ticketlab.networks.start_file import named_parameters
from ticketlab.tasks.catalogue import from_path
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY
from ticketlab.training import Adam, Replicas, TrainingData, TrainingPlan, stack, train

CLASSES, CNN = 3, ConvNet(depth=2, width=8)
LAZY = (
    3.0  # factor on the read-out: the larger the outputs, the nearer to linear (Chizat, Oyallon, Bach 2018)
)
BEHIND = 100  # images whose gradients make Δθ


def images():
    digits = load_digits()
    few = digits.target < CLASSES
    return (digits.images[few][..., None] / 16).astype(np.float32), digits.target[few]


def pretrained(folder, x, labels):
    """The CNN after training on the digits, and its file."""
    np.savez(folder / "digits.npz", x=x, y=labels)
    task = replace(from_path(str(folder / "digits.npz")), train=300, validation=100, test=100).task(0)
    network = CNN.build(task.input_shape, task.outputs)
    plan = TrainingPlan(steps=300, batch=50, optimiser=Adam(3e-3), evaluate_every=300)
    start = Replicas(stack([network.init(jax.random.key(0))]), jax.random.key(1))
    found = train(network, SOFTMAX_CROSS_ENTROPY, TrainingData.of(task), plan, start)
    params = jax.device_get(jax.tree.map(lambda a: a[0], found.params))
    params["output"] = {name: LAZY * a for name, a in params["output"].items()}
    file = folder / "start.safetensors"
    save_file({name: np.ascontiguousarray(a) for name, a in named_parameters(params)}, file)
    return network, params, file


def tangent_targets(network, params, x, labels):
    """J Δθ at all images, with Δθ = Jᵀ v of some of them."""
    seen = (x - x.mean()) / x.std()
    v = np.eye(CLASSES, dtype=np.float32)[labels] - 1 / CLASSES
    _, pull = jax.vjp(lambda p: network.apply(p, seen[:BEHIND]), params)
    (delta,) = pull(v[:BEHIND])
    _, found = jax.jvp(lambda p: network.apply(p, seen), (params,), (delta,))
    return np.asarray(found)


def products(x):
    """Products of two principal components."""
    flat = x.reshape(len(x), -1)
    u, _, _ = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    return np.stack([u[:, 0] * u[:, 1], u[:, 1] * u[:, 2], u[:, 0] * u[:, 2]], axis=1) * len(x)


@pytest.mark.slow
def test_what_is_linear_is_found_linear_and_what_needs_features_not(tmp_path):
    x, labels = images()
    network, params, file = pretrained(tmp_path, x, labels)
    outcomes = {}
    for name, y in (("tangent", tangent_targets(network, params, x, labels)), ("products", products(x))):
        np.savez(tmp_path / f"{name}.npz", x=x, y=y.astype(np.float32))
        plan = LinearRegimePlan(
            task=replace(from_path(str(tmp_path / f"{name}.npz")), train=100, validation=20, test=200),
            network=Pretrained(str(file), CNN),
            losses=("square",),
            seeds=6,
            steps=3000,
            kernel_examples=100,
        )
        verdicts = run_study(LinearRegime(), plan).verdicts
        outcomes[name] = next(v for v in verdicts if not v.question)
    assert outcomes["tangent"].outcome == "holds", outcomes["tangent"].reading
    assert outcomes["products"].outcome == "fails", outcomes["products"].reading
