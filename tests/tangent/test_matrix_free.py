"""The matrix-free rung finds the minima of the dense one, for every kind of network and over ten decades of ridges."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from tangent_reference import NETWORKS, explicit, flattened, params_of, relative_error, split_of

from ticketlab.errors import UserError
from ticketlab.networks import Network, Params, ResNet
from ticketlab.tangent import (
    MINIMUM_NORM,
    Absolute,
    ConjugateGradients,
    DenseDual,
    Jacobian,
    Layers,
    Masked,
    MatrixFree,
    NewtonOptions,
    Products,
    Relative,
    Result,
    Solution,
    checkpoint,
    minimise,
    ridge_path,
)
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss, Split

MATRIX_FREE = MatrixFree(ConjugateGradients(rank=12))  # of 27 rows: the preconditioner leaves something to do
PLAIN = MatrixFree(ConjugateGradients(rank=0))
TIGHT = NewtonOptions(tolerance=1e-12)
DECADES = tuple(Relative(10.0**power) for power in (-8, -4, -1, 2))
RESNET = ResNet(channels=(2, 3)).build((4, 4, 1), 3)


@cache
def problem(name: str) -> tuple[Network, Params, Split]:
    if name != "resnet":
        return NETWORKS[name], params_of(name), split_of(name)
    draw = np.random.default_rng(5)
    labels = np.arange(9) % 3
    x = draw.standard_normal((9, 4, 4, 1)).astype(np.float32)
    return (
        RESNET,
        RESNET.init(jax.random.key(1)),
        Split(x, np.eye(3, dtype=np.float32)[labels], np.arange(9), labels),
    )


def both(
    name: str, loss: ConvexLoss, ridges: tuple[Any, ...], **options: Any
) -> list[tuple[Solution, Solution]]:
    given = {"loss": loss, "ridges": ridges, "centred": (False, True), "options": TIGHT, **options}
    free, dense = (
        ridge_path(*problem(name), **given, rung=rung) for rung in (MATRIX_FREE, DenseDual("eigen"))
    )
    return list(zip(free, dense, strict=True))


def apart(pair: tuple[Solution, Solution]) -> float:
    return relative_error(flattened(pair[0].delta), flattened(pair[1].delta))


# The gap bounds the distance: ½λ‖Δ − Δ*‖² ≤ gap.
@pytest.mark.parametrize("name", ["mlp-relu", "lenet-ntk"])
def test_square_loss(name: str) -> None:
    pairs = both(name, SQUARE, DECADES)
    assert max(map(apart, pairs)) < 1e-5
    assert all(free.certificate.met for free, _ in pairs)
    assert {free.stats.rung for free, _ in pairs} == {
        "matrix-free, conjugate gradients with a preconditioner of rank 12"
    }


@pytest.mark.parametrize("name", ["mlp-relu", "lenet-ntk"])
def test_cross_entropy(name: str) -> None:
    pairs = both(name, SOFTMAX_CROSS_ENTROPY, DECADES[1:])
    assert max(map(apart, pairs)) < 1e-5
    assert all(free.certificate.met for free, _ in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", *sorted(NETWORKS)])
def test_every_network(name: str) -> None:
    pairs = both(name, SQUARE, DECADES) + both(name, SOFTMAX_CROSS_ENTROPY, DECADES[1:])
    assert max(map(apart, pairs)) < 1e-5
    assert all(free.certificate.met for free, _ in pairs)


def test_the_minimum_norm_limit() -> None:
    pairs = both("mlp-relu", SQUARE, (MINIMUM_NORM,), options=NewtonOptions(tolerance=1e-7))
    assert max(map(apart, pairs)) < 1e-5
    assert all(free.certificate.met for free, _ in pairs)


def test_only_some_parameters_move() -> None:
    network, params, _ = problem("mlp")
    draw = np.random.default_rng(0)
    mask = jax.tree.map(lambda leaf: draw.random(leaf.shape) < 0.5, params)
    for selection in (Masked(mask), Layers((network.layers[0].name,))):
        pairs = both("mlp", SQUARE, DECADES[1:3], selection=selection)
        assert max(map(apart, pairs)) < 1e-5
        still = jax.tree.map(lambda d, m: d[~m], pairs[0][0].delta, mask)
        if isinstance(selection, Masked):
            assert not flattened(still).any()


def test_the_certificate_says_what_the_jacobian_written_down_says() -> None:
    network, params, split = problem("lenet-ntk")
    f0, j = explicit(network, params, split.x)
    loose = NewtonOptions(tolerance=1e-3)
    for solution in ridge_path(network, params, split, ridges=DECADES, rung=MATRIX_FREE, options=loose):
        delta, y, ridge = flattened(solution.delta), split.targets.ravel(), solution.ridge
        missing = y - f0.ravel() - j @ delta
        primal = 0.5 * missing @ missing + 0.5 * ridge * delta @ delta
        best = np.linalg.solve(j @ j.T + ridge * np.eye(len(j)), y - f0.ravel())
        minimum = 0.5 * ridge * best @ (y - f0.ravel())
        assert solution.certificate.primal == pytest.approx(primal, rel=1e-9)
        assert solution.certificate.dual <= minimum * (1 + 1e-9)
        assert primal - minimum <= solution.certificate.duality_gap * primal * (1 + 1e-6)
        assert solution.certificate.met


# Missed tolerances


def test_few_iterations_are_a_named_result() -> None:
    few = NewtonOptions(tolerance=1e-12, inner_limit=3)
    solution = minimise(*problem("mlp"), ridge=Relative(1e-6), rung=PLAIN, options=few)
    assert solution.certificate.result is Result.MISSED
    assert solution.certificate.iterations == 3
    assert "use a larger ridge, more steps or a larger tolerance" in solution.certificate.message()


def test_contradictory_data_at_ridge_zero() -> None:
    """K is singular and r is not in its range: no u solves the system, but the pseudo-inverse gives the least-squares step."""
    network, params, split = problem("mlp")
    doubled = replace(split, x=np.concatenate([split.x[:5], split.x[:4]]))
    (free,), (dense,) = (
        ridge_path(network, params, doubled, ridges=(MINIMUM_NORM,), rung=rung)
        for rung in (MATRIX_FREE, DenseDual("eigen"))
    )
    assert free.certificate.met
    assert free.certificate.primal == pytest.approx(dense.certificate.primal, rel=1e-9)
    assert apart((free, dense)) < 1e-5


# Products and the low-rank part


@pytest.mark.parametrize("scale", [None, np.sqrt(np.arange(1.0, 10.0))], ids=["plain", "scaled"])
@pytest.mark.parametrize("memory", [10**9, 0])
def test_products_are_those_of_the_jacobian(memory: int, scale: np.ndarray | None) -> None:
    network, params, split = problem("lenet-ntk")
    jacobian = Jacobian(network, params, split.x, dtype=np.float64, batch=4, scale=scale)
    products = Products(jacobian, memory)
    u = np.random.default_rng(1).standard_normal((9, 3))
    assert (products.kept_bytes > 0) == (memory > 0)
    np.testing.assert_allclose(products.gram(u), np.asarray(jacobian.gram(u[None]))[0], rtol=1e-11)
    _, j = explicit(network, params, split.x)
    j = j if scale is None else np.repeat(scale, 3)[:, None] * j
    np.testing.assert_allclose(products.gram(u).ravel(), j @ (j.T @ u.ravel()), rtol=1e-10)
    np.testing.assert_allclose(
        flattened(jacobian.embed(products.pull(u))), j.T @ u.ravel(), rtol=1e-9, atol=1e-12
    )


# Checkpoints


def test_a_solve_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    rung = replace(PLAIN, checkpoint=tmp_path / "solve.npz")
    whole = minimise(*problem("mlp"), ridge=Relative(1e-3), rung=PLAIN, options=TIGHT)

    def interrupted(what: str, value: float) -> None:
        if what == "conjugate gradients" and value < 1e-3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ridge_path(*problem("mlp"), ridges=(Relative(1e-3),), rung=rung, options=TIGHT, progress=interrupted)
    assert (tmp_path / "solve.npz").exists()
    first: list[float] = []
    (resumed,) = ridge_path(
        *problem("mlp"),
        ridges=(Relative(1e-3),),
        rung=rung,
        options=TIGHT,
        progress=lambda what, value: first.append(value) if what == "conjugate gradients" else None,
    )
    assert first[0] < 0.1  # far below the 1 that a solve begins with
    assert resumed.certificate.met
    assert relative_error(flattened(resumed.delta), flattened(whole.delta)) < 1e-5


def newton_gaps(stop_below: float, **given: Any) -> tuple[list[float], list[Solution]]:
    """The largest gap before every Newton step of a cross-entropy path, and its solutions; cut short once a gap is that small."""
    gaps: list[float] = []

    def watched(what: str, value: float) -> None:
        if what.startswith("ridges"):
            gaps.append(value)
            if what == "ridges 50%" and value < stop_below:
                raise KeyboardInterrupt

    ridges = (Relative(1e-1), Relative(1e-3))
    try:
        found = ridge_path(
            *problem("mlp"),
            loss=SOFTMAX_CROSS_ENTROPY,
            ridges=ridges,
            centred=(False, True),
            options=TIGHT,
            progress=watched,
            **given,
        )
    except KeyboardInterrupt:
        found = []
    return gaps, found


def test_newton_steps_go_on_from_their_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    kept = replace(MATRIX_FREE, checkpoint=tmp_path / "solve.npz")
    all_gaps, whole = newton_gaps(0.0, rung=MATRIX_FREE)
    gaps, found = newton_gaps(1e-3, rung=kept)
    assert found == []
    assert (tmp_path / "solve.npz").exists()
    resumed_gaps, resumed = newton_gaps(0.0, rung=kept)
    # The first ridge is found to be done, the second goes on with the last step that was kept.
    assert resumed_gaps[0] < 1e-12
    assert resumed_gaps[1] == pytest.approx(gaps[-1], rel=0.1)  # in float32
    assert len(gaps) + len(resumed_gaps) <= len(all_gaps) + 2
    for one, other in zip(resumed, whole, strict=True):
        assert one.certificate.met
        assert one.certificate.steps >= other.certificate.steps - 1  # those before are counted
        assert relative_error(flattened(one.delta), flattened(other.delta)) < 1e-5


def test_a_checkpoint_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    monkeypatch.setattr(np, "savez", full)
    kept = replace(MATRIX_FREE, checkpoint=tmp_path / "solve.npz")
    with pytest.raises(UserError, match="No space left on device"):
        newton_gaps(0.0, rung=kept)


@pytest.mark.parametrize(
    "what", ["another problem", "another loss", "not a checkpoint", "an empty file", "an array"]
)
def test_a_checkpoint_that_does_not_fit_is_not_used(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    rung = replace(MATRIX_FREE, checkpoint=tmp_path / "solve.npz")
    if what == "another problem":
        minimise(*problem("mlp"), ridge=Relative(1e-1), rung=rung)
    elif what == "another loss":
        minimise(*problem("mlp"), ridge=Relative(1e-3), rung=rung, loss=SOFTMAX_CROSS_ENTROPY)
    elif what == "an array":
        with open(tmp_path / "solve.npz", "wb") as file:
            np.save(file, np.zeros(3))
    else:
        kept = b"" if what == "an empty file" else b"PK\x03\x04 cut short"
        (tmp_path / "solve.npz").write_bytes(kept)
    begun: list[float] = []
    (solution,) = ridge_path(
        *problem("mlp"), ridges=(Relative(1e-3),), rung=rung, progress=lambda what, value: begun.append(value)
    )
    assert begun[begun.index(1.0) + 1] == pytest.approx(
        1.0
    )  # the low-rank part is done, and the gap of u = 0
    assert solution.certificate.met


def test_a_checkpoint_needs_a_folder(tmp_path: Path) -> None:
    rung = replace(MATRIX_FREE, checkpoint=tmp_path / "missing" / "solve.npz")
    with pytest.raises(UserError, match="a file in a folder that exists"):
        minimise(*problem("mlp"), ridge=Absolute(0.1), rung=rung)
