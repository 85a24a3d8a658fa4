"""The closed-form training path against training: explicit steps and SciPy's exponential on the Jacobian written down."""

from dataclasses import replace
from functools import cache

import jax
import numpy as np
import pytest
import scipy.linalg
from tangent_reference import (
    NETWORKS,
    explicit,
    explicit_of,
    flattened,
    minimum_norm_step,
    params_of,
    relative_error,
    split_of,
)

from ticketlab.errors import UserError
from ticketlab.tangent import (
    MINIMUM_NORM,
    Eigen,
    GradientDescent,
    GradientFlow,
    Lanczos,
    Layers,
    minimise,
    training_path,
)
from ticketlab.tangent.dual import DualKernel, dual_kernel
from ticketlab.tangent.flow import _krylov, path_of
from ticketlab.tangent.jacobian import Jacobian

SOME = ("mlp", "lenet-ntk")


def residual_of(name: str, centred: bool) -> tuple[np.ndarray, np.ndarray]:
    """J and y − f₀."""
    f0, j = explicit_of(name)
    return j, split_of(name).targets.astype(float) - (0 if centred else f0)


def descended(j: np.ndarray, r: np.ndarray, step_size: float, momentum: float, steps: int) -> np.ndarray:
    """Δ after `steps` explicit steps of gradient descent on ½‖JΔ − r‖²/N."""
    delta = velocity = np.zeros(j.shape[1])
    for _ in range(steps):
        velocity = momentum * velocity + j.T @ (j @ delta - r.ravel()) / len(r)
        delta = delta - step_size * velocity
    return delta


@cache
def kernel_of(name: str) -> DualKernel:
    return dual_kernel(Jacobian(NETWORKS[name], params_of(name), split_of(name).x, dtype=np.float64))


def path(name, dynamics=GradientFlow(), centred=False, method=Eigen()):  # noqa: B008
    (found,) = path_of(
        kernel_of(name), split_of(name).targets.astype(float), dynamics, centred=(centred,), method=method
    )
    return found


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize(("momentum", "steps"), [(0.0, 1), (0.0, 60), (0.9, 1), (0.9, 2), (0.9, 60)])
def test_gradient_descent_is_that_of_steps_taken_one_by_one(name, centred, momentum, steps) -> None:
    j, r = residual_of(name, centred)
    step_size = 1.3 * len(r) / np.linalg.norm(j, 2) ** 2
    found = path(name, dynamics=GradientDescent(step_size, momentum), centred=centred)
    (point,) = found.points([steps])
    assert relative_error(flattened(point.delta), descended(j, r, step_size, momentum, steps)) < 1e-9


@pytest.mark.parametrize("name", SOME)
def test_flow_is_the_matrix_exponential(name) -> None:
    j, r = residual_of(name, False)
    n, k = r.shape
    times = np.array([0.1, 3.0, 200.0]) * n / np.linalg.norm(j, 2) ** 2
    found = path(name)
    x = np.random.default_rng(5).standard_normal((4, *NETWORKS[name].input_shape)).astype(np.float32)
    predicted = found.predict(x, times)
    f0x, jx = explicit(NETWORKS[name], params_of(name), x)
    for t, outputs in zip(times, predicted, strict=True):
        # Δ_t = ∫ e^{−JᵀJs/N} Jᵀr/N ds, as a corner of one exponential
        p = j.shape[1]
        block = np.zeros((p + 1, p + 1))
        block[:p, :p], block[:p, p] = -j.T @ j / n, j.T @ r.ravel() / n
        delta = scipy.linalg.expm(block * t)[:p, p]
        assert relative_error(outputs, f0x + (jx @ delta).reshape(-1, k)) < 1e-9
    np.testing.assert_allclose(found.defect(times), 0, atol=1e-12)


@pytest.mark.parametrize("name", [*SOME, "mlp-relu"])
def test_the_end_is_the_minimum_norm_solution_evaluated(name) -> None:
    """Also where K is singular and the targets cannot be reached."""
    j, r = residual_of(name, False)
    found = path(name)
    (end,) = found.points([np.inf])
    expected = minimum_norm_step(j, r)
    assert relative_error(flattened(end.delta), expected) < 1e-6
    (left,) = found.residuals([np.inf])
    np.testing.assert_allclose(left.ravel(), r.ravel() - j @ expected, atol=1e-8 * np.linalg.norm(r))


def test_the_end_is_the_minimum_of_the_solvers() -> None:
    solved = minimise(NETWORKS["mlp"], params_of("mlp"), split_of("mlp"), ridge=MINIMUM_NORM)
    x = split_of("mlp", 5, seed=8).x
    assert relative_error(path("mlp").predict(x, [np.inf])[0], solved.predict(x)) < 1e-6


def test_targets_out_of_reach_are_not_reached() -> None:
    """Five copies of one input with different targets: at t = ∞ the training outputs are their mean, not the targets."""
    split = split_of("mlp", 5)
    same = type(split)(np.repeat(split.x[:1], 5, axis=0), split.targets, split.ids, split.labels)
    found = training_path(NETWORKS["mlp"], params_of("mlp"), same)
    (outputs,) = found.predict(same.x, [np.inf])
    np.testing.assert_allclose(outputs, np.tile(split.targets.mean(0), (5, 1)), atol=1e-9)
    assert np.abs(found.residuals([np.inf])).max() > 0.3


def test_a_krylov_space_of_a_singular_kernel_ends_at_the_minimum_norm_solution() -> None:
    """An eigenvalue of zero is zero within rounding, of either sign: its component is not learnt."""
    j = np.random.default_rng(0).standard_normal((9, 4))
    kernel = replace(kernel_of("mlp"), matrix=j @ j.T)
    for seed in range(8):
        r = np.random.default_rng(seed).standard_normal((9, 1))
        values, vectors, components, _ = _krylov(kernel, r, 9)
        assert np.all((values == 0) | (values > 1e-10 * values.max()))
        reached = vectors[:, values > 0] @ components[values > 0]
        np.testing.assert_allclose(reached, j @ np.linalg.lstsq(j, r.ravel(), rcond=None)[0], atol=1e-9)


def test_flow_is_the_limit_of_small_steps() -> None:
    flow = path("mlp")
    t = 5.0 / flow.largest_curvature
    errors = []
    for steps in (100, 200, 400):
        descent = path("mlp", dynamics=GradientDescent(t / steps))
        errors.append(relative_error(descent.coefficients([steps]), flow.coefficients([t])))
    np.testing.assert_allclose(np.array(errors[:-1]) / errors[1:], 2, rtol=0.1)


@pytest.mark.parametrize("dynamics", [GradientFlow(), GradientDescent(0.01), GradientDescent(0.01, 0.9)])
def test_nothing_is_learnt_at_time_0(dynamics) -> None:
    found = path("mlp", dynamics=dynamics)
    assert np.all(found.coefficients([0]) == 0)
    np.testing.assert_allclose(found.predict(split_of("mlp").x, [0])[0], explicit_of("mlp")[0], rtol=1e-12)


@pytest.mark.parametrize("name", SOME)
@pytest.mark.parametrize("dynamics", [GradientFlow(), GradientDescent(0.02, 0.9)])
def test_a_krylov_space_has_the_early_path_first(name, dynamics) -> None:
    exact = path(name, dynamics=dynamics)
    short, long = (path(name, dynamics=dynamics, method=Lanczos(s)) for s in (6, 27))
    assert "Lanczos, 6 steps" in short.method
    early, late = [1 / exact.largest_curvature], [400 / exact.largest_curvature]
    if isinstance(dynamics, GradientDescent):
        early, late = [3], [400]
    assert relative_error(short.coefficients(early), exact.coefficients(early)) < 1e-3
    assert short.defect(early)[0] < 1e-3
    for times in (early, late, [np.inf] if isinstance(dynamics, GradientFlow) else [1000]):
        size = np.linalg.norm(exact.residual)
        assert np.linalg.norm(long.residuals(times) - exact.residuals(times)) < 1e-6 * size
        assert long.defect(times)[0] < 1e-6


def test_the_defect_says_what_a_krylov_space_lacks() -> None:
    """At t = ∞ it is the residual of conjugate gradients, as computed with J written down."""
    found = path("lenet-ntk", method=Lanczos(5))
    j, r = residual_of("lenet-ntk", False)
    (u,) = found.coefficients([np.inf])
    (defect,) = found.defect([np.inf])
    assert defect > 1e-3
    left = found.residuals([np.inf])[0].ravel()
    assert defect == pytest.approx(
        np.linalg.norm(r.ravel() - j @ (j.T @ u.ravel()) - left) / np.linalg.norm(r), rel=1e-8
    )


def test_a_subset_of_the_parameters() -> None:
    j, r = residual_of("mlp", False)
    last = NETWORKS["mlp"].layers[-1].name
    keep = Layers((last,))
    columns = flattened(
        [
            np.full(np.shape(leaf), mask)
            for leaf, mask in zip(
                jax.tree.leaves(params_of("mlp")), keep.masks(params_of("mlp")), strict=True
            )
        ]
    ).astype(bool)
    step_size = 0.5 * len(r) / np.linalg.norm(j[:, columns], 2) ** 2
    found = training_path(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        dynamics=GradientDescent(step_size),
        selection=keep,
    )
    assert found.method == "eigendecomposition"  # by default, as it is small
    (point,) = found.points([40])
    expected = np.zeros(j.shape[1])
    expected[columns] = descended(j[:, columns], r, step_size, 0.0, 40)
    assert relative_error(flattened(point.delta), expected) < 1e-9


def test_without_a_kernel_products_with_the_jacobian_will_do() -> None:
    krylov = training_path(NETWORKS["mlp"], params_of("mlp"), split_of("mlp"), method=Lanczos(27))
    exact = path("mlp")
    times = [10 / exact.largest_curvature]
    assert relative_error(krylov.coefficients(times), exact.coefficients(times)) < 1e-6
    with pytest.raises(UserError, match="dual_kernel"):
        path_of(krylov.jacobian, split_of("mlp").targets.astype(float), GradientFlow())


class TestMistakes:
    def test_a_step_size_that_diverges_has_no_end(self) -> None:
        found = path("mlp", dynamics=GradientDescent(1e3))
        with pytest.raises(UserError, match="less than"):
            found.points([np.inf])

    def test_half_a_step(self) -> None:
        with pytest.raises(UserError, match="whole number"):
            path("mlp", dynamics=GradientDescent(0.1)).points([1.5])

    @pytest.mark.parametrize("time", [-1.0, -np.inf, np.nan])
    def test_a_time_before_the_beginning(self, time) -> None:
        for dynamics in (GradientFlow(), GradientDescent(0.1)):
            with pytest.raises(UserError, match="times of at least 0"):
                path("mlp", dynamics=dynamics).coefficients([0.0, time])

    def test_a_krylov_space_without_steps(self) -> None:
        with pytest.raises(UserError, match="at least 1"):
            Lanczos(0)

    @pytest.mark.parametrize("options", [{"step_size": 0.0}, {"step_size": 0.1, "momentum": 1.0}])
    def test_impossible_descent(self, options) -> None:
        with pytest.raises(UserError, match="positive step size"):
            GradientDescent(**options)

    def test_targets_that_do_not_fit(self) -> None:
        split = split_of("mlp")
        wrong = type(split)(split.x, split.targets[:, :2], split.ids, split.labels)
        with pytest.raises(UserError, match="targets of shape"):
            training_path(NETWORKS["mlp"], params_of("mlp"), wrong)
        missing = type(split)(split.x, np.nan * split.targets, split.ids, split.labels)
        with pytest.raises(UserError, match="NaN"):
            training_path(NETWORKS["mlp"], params_of("mlp"), missing)
