"""Block descent: steps follow the module's recurrences, minima agree with the dense rung, and impossible cases are refused."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from tangent_reference import NETWORKS, explicit, flattened, params_of, relative_error, split_of

from ticketlab.errors import UserError
from ticketlab.networks import ResNet
from ticketlab.tangent import (
    MINIMUM_NORM,
    BlockDescent,
    ConjugateGradients,
    DenseDual,
    Jacobian,
    MatrixFree,
    NewtonOptions,
    Products,
    Relative,
    minimise,
    ridge_path,
    tangent_kernel,
)
from ticketlab.tangent.block_descent import KEY, _Momentum, _Points, block_descent, prepare_blocks
from ticketlab.tangent.kernel import kernel_blocks
from ticketlab.tangent.matrix_free import _method, matrix_free_kernel
from ticketlab.tangent.residual_smoothing import DualPoint
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, Split

BLOCKS = MatrixFree(BlockDescent(rows=6))  # of 27: blocks of 2, 2, 2, 2 and 1 examples
TIGHT = NewtonOptions(tolerance=1e-10)


def small(name: str) -> tuple[Any, Any, Any]:
    if name != "resnet":
        return NETWORKS[name], params_of(name), split_of(name)
    network = ResNet(channels=(2, 3)).build((4, 4, 1), 3)
    labels = np.arange(9) % 3
    x = np.random.default_rng(5).standard_normal((9, 4, 4, 1)).astype(np.float32)
    split = Split(x, np.eye(3, dtype=np.float32)[labels], np.arange(9), labels)
    return network, network.init(jax.random.key(1)), split


@pytest.mark.parametrize("memory", [6 * 10**9, 0])
@pytest.mark.parametrize(
    "name", ["mlp-relu", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lenet-ntk", "resnet"))]
)
def test_it_finds_the_minima_of_the_dense_rung(name: str, memory: int) -> None:
    ridges, ways = tuple(Relative(10.0**power) for power in (-1, 0, 2)), set()
    given: dict[str, Any] = {"ridges": ridges, "centred": (False, True), "options": TIGHT}
    blocks = ridge_path(
        *small(name),
        **given,
        rung=MatrixFree(BlockDescent(rows=6), memory),
        progress=lambda what, value: ways.add(what),
    )
    dense = ridge_path(*small(name), **given, rung=DenseDual("eigen"))
    for one, other in zip(blocks, dense, strict=True):
        assert one.certificate.met
        assert relative_error(flattened(one.delta), flattened(other.delta)) < 1e-4  # ½λ‖Δ − Δ*‖² ≤ gap
    assert ways == {"kernel", "block descent", "certificate"}
    assert blocks[0].stats.rung == "matrix-free, block descent with 6 rows per block"


def test_its_steps_are_those_of_the_recurrences() -> None:
    """Two epochs of the recurrences in the module's docstring, in float64, with K as a matrix."""
    network, params, split = small("mlp-relu")
    ridge, epochs = 0.3, (0, 4)
    blocks = prepare_blocks(Jacobian(network, params, split.x), ridge, 6, 10**9)
    assert blocks is not None
    _, j = explicit(network, params, split.x[blocks.order])
    system, steps = j @ j.T + ridge * np.eye(27), len(blocks.inverses)
    r = np.random.default_rng(0).standard_normal((9, 3))
    rows = np.split(np.arange(27), [6, 12, 18, 24])
    points, rng = _Points.at_zero(blocks, r), np.random.default_rng(KEY)
    x, v = np.zeros(27), np.zeros(27)
    for epoch in epochs:
        order, mean = rng.permutation(steps), np.zeros(27)
        gamma = max(3.0, epoch)
        alpha, beta = 1 / (1 + gamma * steps), 1 - 1 / (gamma * steps)
        for i in order:
            y, s = (1 - alpha) * x + alpha * v, np.zeros(27)
            s[rows[i]] = np.linalg.solve(system[np.ix_(rows[i], rows[i])], (r.ravel() - system @ y)[rows[i]])
            x, v = y + s, beta * v + (1 - beta) * y + gamma * s
            mean += x / steps
        found = points.epoch(blocks, order, _Momentum.of_epoch(epoch, steps, blocks.spread), True)
        assert found is not None
        np.testing.assert_allclose(found.ravel(), mean, rtol=1e-4, atol=1e-4 * np.abs(mean).max())
    np.testing.assert_allclose(np.concatenate(points.u[0]).ravel(), x, atol=1e-4 * np.abs(x).max())
    delta = flattened(Jacobian(network, params, split.x).embed(points.delta[0]))
    np.testing.assert_allclose(delta, j.T @ x, atol=1e-4 * np.abs(delta).max())


def test_it_ends_when_nothing_gets_better() -> None:
    network, params, split = small("mlp-relu")
    blocks = prepare_blocks(Jacobian(network, params, split.x), 1.0, 6, 10**9)
    assert blocks is not None
    r, still = split.targets.astype(np.float64), np.zeros((9, 3))
    gaps: list[float] = []

    def never(iterate: DualPoint) -> bool:
        gaps.append(iterate.gap(r, 1.0))
        return False

    end = block_descent(blocks, DualPoint(still, still, r, 0), 10_000, never)
    assert end.iterations < 500
    assert gaps[-1] < 1e-8
    assert gaps == sorted(gaps, reverse=True)  # each is the best point of a line through the one before


@pytest.mark.parametrize("power", [-5, -9])
def test_small_ridges(power: int) -> None:
    given: dict[str, Any] = {"ridges": (Relative(10.0**power),), "options": TIGHT}
    (solution,), (dense,) = (
        ridge_path(*small("mlp-relu"), **given, rung=rung) for rung in (BLOCKS, DenseDual("eigen"))
    )
    assert solution.certificate.met
    assert solution.certificate.primal == pytest.approx(dense.certificate.primal, rel=1e-6)


def test_blocks_that_float32_cannot_invert_are_left_to_conjugate_gradients() -> None:
    network, params, split = small("mlp-relu")
    alike = replace(split, x=np.repeat(split.x[:1], 9, axis=0))  # every block of K has rank 3 at most
    given: dict[str, Any] = {"ridges": (Relative(1e-9),), "options": NewtonOptions(tolerance=1e-6)}
    (solution,), (dense,) = (
        ridge_path(network, params, alike, **given, rung=rung) for rung in (BLOCKS, DenseDual("eigen"))
    )
    assert solution.stats.rung.startswith("matrix-free, conjugate gradients with a preconditioner of rank")
    assert solution.certificate.met
    assert solution.certificate.primal == pytest.approx(dense.certificate.primal, rel=1e-5)


def test_few_epochs_are_a_named_result() -> None:
    few = NewtonOptions(tolerance=1e-12, inner_limit=3)
    solution = minimise(*small("mlp-relu"), ridge=Relative(1e-2), rung=BLOCKS, options=few)
    assert not solution.certificate.met
    assert solution.certificate.iterations == 3


@pytest.mark.parametrize(
    ("loss", "ridge", "named"),
    [(SOFTMAX_CROSS_ENTROPY, Relative(0.1), "cross-entropy"), (SQUARE, MINIMUM_NORM, "a ridge of 0")],
)
def test_what_it_cannot_do_is_said(loss: Any, ridge: Any, named: str) -> None:
    with pytest.raises(UserError, match=f"block descent with .*{named}"):
        minimise(*small("mlp-relu"), loss=loss, ridge=ridge, rung=BLOCKS)


def test_it_is_chosen_for_large_problems_with_ridges_that_are_not_small() -> None:
    network, params, split = small("mlp-relu")
    x = np.repeat(split.x, 445, axis=0)  # 12 015 rows
    kernel = matrix_free_kernel(Jacobian(network, params, x, dtype=np.float64), MatrixFree())
    few = matrix_free_kernel(Jacobian(network, params, split.x, dtype=np.float64), MatrixFree())
    mean = kernel.mean_diagonal
    assert _method(kernel, SQUARE, 1e-2 * mean) == BlockDescent()
    assert _method(kernel, SQUARE, 1e-4 * mean) == ConjugateGradients()
    assert _method(kernel, SOFTMAX_CROSS_ENTROPY, 1e-2 * mean) == ConjugateGradients()
    assert _method(few, SQUARE, 1e-2 * mean) == ConjugateGradients()


@pytest.mark.parametrize("name", ["mlp-relu", "lenet-ntk", "resnet"])
def test_blocks_on_the_diagonal(name: str) -> None:
    network, params, split = small(name)
    jacobian = Jacobian(network, params, split.x, dtype=np.float64, batch=4)
    whole, start = np.asarray(tangent_kernel(jacobian)), 0
    for block in kernel_blocks(jacobian):
        end = start + len(block)
        np.testing.assert_allclose(block, whole[start:end, start:end], rtol=1e-11, atol=1e-11 * whole.max())
        start = end
    assert start == len(whole)


@pytest.mark.parametrize("name", ["resnet", *sorted(NETWORKS)])
def test_activations_of_another_precision_stand_where_they_belong(name: str) -> None:
    network, params, split = small(name)
    jacobian = Jacobian(network, params, split.x, batch=4)
    own, exact = Products(jacobian), Products.at_exact_point(jacobian)
    for i in range(3):
        leaves = (jax.tree.leaves(products.sweep(i)) for products in (own, exact))
        for a, b in zip(*leaves, strict=True):
            assert a.dtype == b.dtype
            if a.dtype == bool:  # units within rounding of zero are what it is about
                assert np.mean(np.asarray(a) != np.asarray(b)) < 0.05
            else:
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
