"""The tangent minimum is that of scikit-learn, SciPy and NumPy on the Jacobian written down: all networks, losses and solvers."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import xlogy
from tangent_reference import (
    NETWORKS,
    Model,
    explicit,
    explicit_of,
    flattened,
    huber_model,
    logistic_model,
    logistic_step,
    minimum_norm_step,
    newton_step,
    params_of,
    relative_error,
    ridge_step,
    softmax_model,
    split_of,
    squared_hinge_model,
)

from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks import MLP, pure_network
from ticketlab.tangent import (
    MINIMUM_NORM,
    Absolute,
    AllParameters,
    DenseDual,
    DensePrimal,
    Layers,
    Masked,
    NewtonOptions,
    Relative,
    Result,
    Solution,
    minimise,
    predict_all,
    ridge_path,
)
from ticketlab.tasks import (
    LOGISTIC,
    SOFTMAX_CROSS_ENTROPY,
    SQUARE,
    SQUARED_HINGE,
    ConvexLoss,
    Split,
    Task,
    huber,
)

RUNGS = {"eigen": DenseDual("eigen"), "iterative": DenseDual("iterative", rank=12), "primal": DensePrimal()}
# The gap bounds the square of the distance: ½λ‖Δ − Δ*‖² ≤ gap.
TIGHT = NewtonOptions(tolerance=1e-14)
ALL = AllParameters()
SQUARE_RIDGES = (Absolute(1e-4), Relative(0.1), MINIMUM_NORM)
ENTROPY_RIDGES = (Absolute(1e-4), Absolute(0.1), Absolute(100.0))


@cache
def solved(
    name: str, loss: ConvexLoss, rung: str, ridges: tuple[Any, ...], selection: Any = ALL
) -> list[Solution]:
    """Six at a time, f₀ kept and centred away, so that programs are compiled for one number of problems."""
    return ridge_path(
        NETWORKS[name],
        params_of(name),
        split_of(name),
        loss=loss,
        ridges=ridges,
        centred=(False, True),
        selection=selection,
        rung=RUNGS[rung],
        options=TIGHT,
    )


def kept_columns(name: str, selection: Any) -> np.ndarray:
    whole = zip(jax.tree.leaves(params_of(name)), selection.masks(params_of(name)), strict=True)
    return flattened([np.broadcast_to(np.asarray(mask), leaf.shape) for leaf, mask in whole]).astype(bool)


def errors(name: str, solutions: list[Solution], model: Model | None, selection: Any = ALL) -> np.ndarray:
    """The relative errors of Δθ, by the independent solution; `model` None is the square loss."""
    (f0, j), y = explicit_of(name), split_of(name).targets.astype(float)
    kept = kept_columns(name, selection)
    found = []
    for solution in solutions:
        offset = f0 if solution.keeps_offset else np.zeros_like(f0)
        if model is not None:
            step = newton_step(j[:, kept], offset, y, solution.ridge, model)
        elif solution.ridge > 0:
            step = ridge_step(j[:, kept], y - offset, solution.ridge)
        else:
            step = minimum_norm_step(j[:, kept], y - offset)
        delta = flattened(solution.delta)
        assert not delta[~kept].any()
        found.append(relative_error(delta[kept], step))
    return np.array(found)


# Independent solutions


@pytest.mark.parametrize("name", list(NETWORKS))
def test_square_loss_is_scikit_learns_ridge_and_numpys_least_squares(name: str) -> None:
    solutions = solved(name, SQUARE, "eigen", SQUARE_RIDGES)
    assert errors(name, solutions, None).max() < 1e-9
    assert all(s.certificate.met for s in solutions)


@pytest.mark.parametrize(("rung", "bound"), [("iterative", 1e-6), ("primal", 1e-9)])
@pytest.mark.parametrize("name", ["mlp", "lenet-ntk", "user"])
def test_square_loss_by_the_other_solvers(name: str, rung: str, bound: float) -> None:
    solutions = solved(name, SQUARE, rung, SQUARE_RIDGES)
    assert errors(name, solutions, None).max() < bound
    assert all(s.certificate.met for s in solutions)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_cross_entropy_is_scipys_minimum(name: str) -> None:
    solutions = solved(name, SOFTMAX_CROSS_ENTROPY, "iterative", ENTROPY_RIDGES)
    assert errors(name, solutions, softmax_model).max() < 1e-6
    assert all(s.certificate.met for s in solutions)


@pytest.mark.parametrize("rung", ["eigen", "primal"])
@pytest.mark.parametrize("name", ["mlp", "lenet-ntk", "user"])
def test_cross_entropy_by_the_other_solvers(name: str, rung: str) -> None:
    solutions = solved(name, SOFTMAX_CROSS_ENTROPY, rung, ENTROPY_RIDGES)
    assert errors(name, solutions, softmax_model).max() < 1e-6
    assert all(s.certificate.met for s in solutions)


def test_two_classes_are_scikit_learns_logistic_regression() -> None:
    network = MLP((6,)).build((4,), 2)
    params, split = network.init(jax.random.key(1)), split_of("mlp")
    labels = (split.ids % 2).astype(int)
    two = replace(split, targets=np.eye(2, dtype=np.float32)[labels], labels=labels)
    ridges = [1e-3, 0.1, 10.0]
    solutions = ridge_path(
        network,
        params,
        two,
        loss=SOFTMAX_CROSS_ENTROPY,
        ridges=[Absolute(r) for r in ridges],
        centred=(True,),
        options=TIGHT,
    )
    _, j = explicit(network, params, split.x)
    for ridge, solution in zip(ridges, solutions, strict=True):
        assert relative_error(flattened(solution.delta), logistic_step(j, labels, ridge)) < 1e-6


@pytest.mark.parametrize("rung", list(RUNGS))
def test_ridges_over_twenty_decades(rung: str) -> None:
    ridges = tuple(Absolute(10.0**p) for p in (-12, -8, -4, 0, 4, 8))
    solutions = ridge_path(
        NETWORKS["mlp"], params_of("mlp"), split_of("mlp"), ridges=ridges, rung=RUNGS[rung], options=TIGHT
    )
    assert errors("mlp", solutions, None).max() < 1e-6
    assert [s.ridge for s in solutions] == [r.value for r in ridges]
    motions = [s.relative_motion for s in solutions]
    assert motions == sorted(motions, reverse=True)


@pytest.mark.parametrize("loss", [SQUARE, SOFTMAX_CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_the_default_tolerance_is_enough_for_five_digits_of_the_function(loss: ConvexLoss) -> None:
    """The default bounds the objective to eight digits, and so the function to about half as many, or more."""
    name = "mlp"
    (f0, j), split = explicit_of(name), split_of(name)
    solution = minimise(NETWORKS[name], params_of(name), split, loss=loss)
    y = split.targets.astype(float)
    if loss.quadratic:
        step = ridge_step(j, y - f0, solution.ridge)
    else:
        step = newton_step(j, f0, y, solution.ridge, softmax_model)
    assert solution.relative_ridge == pytest.approx(0.01)
    assert relative_error(solution.predict(split.x).ravel(), f0.ravel() + j @ step) < 1e-4
    assert solution.certificate.tolerance == 1e-8
    assert solution.certificate.met


# Solvers agree, and the function is that of the step


@pytest.mark.parametrize("loss", [SQUARE, SOFTMAX_CROSS_ENTROPY], ids=lambda loss: loss.name)
@pytest.mark.parametrize("name", ["mlp", "lenet-ntk", "user"])
def test_all_solvers_predict_the_same(name: str, loss: ConvexLoss) -> None:
    ridges = SQUARE_RIDGES if loss.quadratic else ENTROPY_RIDGES
    x = split_of(name, seed=21).x
    one, *others = (predict_all(solved(name, loss, rung, ridges), x) for rung in RUNGS)
    for other in others:
        assert relative_error(other, one) < 1e-6


def test_a_path_is_its_ridges_one_by_one() -> None:
    path = solved("mlp", SOFTMAX_CROSS_ENTROPY, "eigen", ENTROPY_RIDGES)
    alone = minimise(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        loss=SOFTMAX_CROSS_ENTROPY,
        ridge=ENTROPY_RIDGES[0],
        centred=True,
        rung=RUNGS["eigen"],
        options=TIGHT,
    )
    assert [s.keeps_offset for s in path] == [True] * 3 + [False] * 3
    assert relative_error(flattened(alone.delta), flattened(path[3].delta)) < 1e-6


def test_of_a_task_the_training_part_is_fitted() -> None:
    part = split_of("mlp")
    other = split_of("mlp", seed=9)
    task = Task("made up", "classification", part, other, other, ("a", "b", "c"), content_hash="")
    by_task = minimise(NETWORKS["mlp"], params_of("mlp"), task, ridge=Absolute(0.1), rung=RUNGS["eigen"])
    by_part = minimise(NETWORKS["mlp"], params_of("mlp"), part, ridge=Absolute(0.1), rung=RUNGS["eigen"])
    np.testing.assert_array_equal(flattened(by_task.delta), flattened(by_part.delta))


def test_a_relative_ridge_is_in_units_of_the_mean_diagonal_of_the_kernel() -> None:
    for rung in ("eigen", "primal"):
        solution = solved("mlp", SQUARE, rung, SQUARE_RIDGES)[1]
        _, j = explicit_of("mlp")
        assert solution.ridge == pytest.approx(0.1 * np.mean(np.sum(j * j, axis=1)), rel=1e-12)
        assert solution.relative_ridge == pytest.approx(0.1, rel=1e-12)


def test_progress_is_told() -> None:
    heard: list[tuple[str, float]] = []
    ridge_path(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        loss=SOFTMAX_CROSS_ENTROPY,
        ridges=ENTROPY_RIDGES,
        centred=(False, True),
        progress=lambda what, value: heard.append((what, value)),
    )
    kernel = [value for what, value in heard if what == "kernel"]
    gaps = [value for what, value in heard if what == "certificate"]
    assert kernel[-1] == 1
    assert 0 <= gaps[-1] <= 1e-8


# Restricted tangent spaces


def half_of(name: str, seed: int = 2) -> Masked:
    draw = np.random.default_rng(seed)
    return Masked(jax.tree.map(lambda leaf: draw.random(leaf.shape) < 0.5, params_of(name)))


def biases_only(name: str) -> Masked:
    return Masked(jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "bias", params_of(name)))


@pytest.mark.parametrize(
    ("name", "selection"),
    [
        pytest.param("mlp", Layers(("dense1",)), id="one layer"),
        pytest.param("mlp", Layers(("dense1", "output")), id="two layers"),
        pytest.param("mlp", half_of("mlp"), id="half of the weights"),
        pytest.param("mlp", biases_only("mlp"), id="fewer parameters than rows"),
        pytest.param("lenet-ntk", half_of("lenet-ntk"), id="half of a convolutional network"),
    ],
)
@pytest.mark.parametrize("rung", ["eigen", "primal"])
def test_a_restricted_tangent_space_leaves_columns_out(name: str, selection: Any, rung: str) -> None:
    square = solved(name, SQUARE, rung, SQUARE_RIDGES, selection)
    assert errors(name, square, None, selection).max() < 1e-7
    entropy = solved(name, SOFTMAX_CROSS_ENTROPY, rung, ENTROPY_RIDGES, selection)
    assert errors(name, entropy, softmax_model, selection).max() < 1e-6
    assert all(s.certificate.met for s in square + entropy)


@pytest.mark.parametrize("name", ["mlp", "mlp-ntk", "mlp-relu", "lenet-ntk"])
def test_the_readout_alone_is_solved_by_its_features(name: str) -> None:
    """More features than examples (mlp-relu has as many), and fewer."""
    selection = Layers(("output",))
    square = solved(name, SQUARE, "eigen", SQUARE_RIDGES, selection)
    entropy = solved(name, SOFTMAX_CROSS_ENTROPY, "eigen", ENTROPY_RIDGES, selection)
    assert errors(name, square, None, selection).max() < 1e-9
    assert errors(name, entropy, softmax_model, selection).max() < 1e-6
    assert all(s.certificate.met for s in square + entropy)


def test_the_readout_alone_is_recognised() -> None:
    chosen = minimise(NETWORKS["mlp"], params_of("mlp"), split_of("mlp"), selection=Layers(("output",)))
    assert "read-out" in chosen.stats.reason
    assert chosen.stats.rung == "dense dual, eigendecomposition"
    assert chosen.stats.peak_bytes < 27 * 27 * 8  # K itself was not made


# Singular kernels


@pytest.mark.parametrize("rung", list(RUNGS))
def test_duplicated_inputs_with_other_labels_get_the_pseudo_inverse(rung: str) -> None:
    """K is singular and the data cannot be fitted: the minimum-norm solution is still one, and its loss is the least there is."""
    split = split_of("mlp")
    doubled = replace(split, x=np.concatenate([split.x[:5], split.x[:4]]))
    f0, j = explicit(NETWORKS["mlp"], params_of("mlp"), doubled.x)
    solutions = ridge_path(
        NETWORKS["mlp"],
        params_of("mlp"),
        doubled,
        ridges=SQUARE_RIDGES,
        centred=(False, True),
        rung=RUNGS[rung],
        # Conjugate gradients lose half the digits to what u has where K is zero; the default asks for no more.
        options=NewtonOptions() if rung == "iterative" else TIGHT,
    )
    for solution in solutions:
        r = doubled.targets - f0 if solution.keeps_offset else doubled.targets.astype(float)
        step = ridge_step(j, r, solution.ridge) if solution.ridge > 0 else minimum_norm_step(j, r)
        assert relative_error(flattened(solution.delta), step) < 1e-5
        assert solution.certificate.met
        assert solution.certificate.primal > 0.1  # the contradictory labels


@pytest.mark.parametrize("rung", list(RUNGS))
def test_a_tangent_space_that_is_a_point(rung: str) -> None:
    """When nothing that may move changes the outputs, staying is the minimum."""

    def apply(params: Any, x: jax.Array) -> jax.Array:
        return x[:, :3] + 0 * params["unused"]

    network = pure_network(lambda key: {"unused": jnp.ones(3)}, apply, input_shape=(4,), outputs=3)
    params = network.init(jax.random.key(0))
    for loss, ridge in (
        (SQUARE, Absolute(0.1)),
        (SQUARE, MINIMUM_NORM),
        (SOFTMAX_CROSS_ENTROPY, Absolute(0.1)),
    ):
        solution = minimise(network, params, split_of("mlp"), loss=loss, ridge=ridge, rung=RUNGS[rung])
        np.testing.assert_array_equal(solution.delta["unused"], 0)
        assert solution.certificate.met
        np.testing.assert_allclose(solution.predict(split_of("mlp").x), split_of("mlp").x[:, :3])


def test_targets_that_the_network_computes_already_need_no_step() -> None:
    split = split_of("mlp")
    f0, _ = explicit_of("mlp")
    there = replace(split, targets=f0.astype(np.float32), labels=None)
    solution = minimise(NETWORKS["mlp"], params_of("mlp"), there, rung=RUNGS["eigen"])
    assert solution.relative_motion < 1e-6


# The other losses of the package: their curvature jumps, or vanishes, or does both

LOSSES = {
    "logistic": (LOGISTIC, logistic_model),
    "squared hinge": (SQUARED_HINGE, squared_hinge_model),
    "Huber": (huber(0.5), huber_model(0.5)),
    "narrow Huber": (
        huber(0.05),
        huber_model(0.05),
    ),  # nearly all examples outside: the curvature is zero there
}


CASES = [("mlp", rung, which) for rung in RUNGS for which in LOSSES]
CASES += [("lenet-ntk", "iterative", "squared hinge"), ("lenet-ntk", "iterative", "narrow Huber")]


@pytest.mark.parametrize(("name", "rung", "which"), CASES)
def test_every_loss_is_scipys_minimum(name: str, rung: str, which: str) -> None:
    loss, model = LOSSES[which]
    solutions = solved(name, loss, rung, ENTROPY_RIDGES)
    for solution, error in zip(solutions, errors(name, solutions, model), strict=True):
        certificate = solution.certificate
        assert certificate.met
        # ‖Δ − Δ*‖ ≤ √(2 gap/λ): at large ridges, where the objective hardly depends on Δ, that is more than rounding.
        bound = np.sqrt(2 * TIGHT.tolerance * certificate.primal / solution.ridge)
        assert error <= 1e-6 + bound / np.linalg.norm(flattened(solution.delta))
        # The gap by subtraction is the gap as a sum of squares, to rounding in the two objectives.
        assert certificate.primal - certificate.dual == pytest.approx(0, abs=1e-12 * certificate.primal)


@pytest.mark.parametrize("which", list(LOSSES))
@pytest.mark.parametrize("rung", ["eigen", "primal"])
def test_the_gap_of_an_unfinished_solve_is_primal_minus_dual(rung: str, which: str) -> None:
    """Far from the minimum too, ‖∇P‖²/2λ is what subtracting the two objectives gives, and bounds what is left."""
    loss, _ = LOSSES[which]
    rough = minimise(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        loss=loss,
        ridge=ENTROPY_RIDGES[0],
        rung=RUNGS[rung],
        options=NewtonOptions(steps=1, tolerance=1e-12),
    ).certificate
    best = solved("mlp", loss, rung, ENTROPY_RIDGES)[0].certificate
    assert np.isfinite(rough.dual)
    assert rough.duality_gap * rough.primal == pytest.approx(rough.primal - rough.dual, rel=1e-6, abs=1e-12)
    assert rough.dual <= best.primal * (1 + 1e-12)
    assert best.primal <= rough.primal * (1 + 1e-12)


# The user's own loss


def _log_cosh_value(outputs: jax.Array, y: jax.Array) -> jax.Array:
    d = outputs - y
    return jnp.sum(jnp.logaddexp(d, -d) - jnp.log(2.0), axis=-1)


def _log_cosh_conjugate(v: jax.Array, y: jax.Array) -> jax.Array:
    up, down = (1 + v) / 2, (1 - v) / 2  # the entropy of a coin again: log 2 cosh d = log(eᵈ + e⁻ᵈ)
    inside = jnp.max(jnp.abs(v), axis=-1) <= 1
    entropy = xlogy(up, up) + xlogy(down, down) + jnp.log(2.0)
    return jnp.where(inside, jnp.sum(entropy + v * y, axis=-1), jnp.inf)


def _log_cosh_model(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    d = outputs - y
    curvature = (1 / np.cosh(d) ** 2)[:, :, None] * np.eye(d.shape[1])
    return float(np.sum(np.log(np.cosh(d)))), np.tanh(d), curvature


LOG_COSH = ConvexLoss("log cosh", _log_cosh_value, _log_cosh_conjugate)


@pytest.mark.parametrize("rung", list(RUNGS))
def test_the_users_own_loss(rung: str) -> None:
    solutions = solved("mlp", LOG_COSH, rung, ENTROPY_RIDGES)
    assert errors("mlp", solutions, _log_cosh_model).max() < 1e-6
    for certificate in (s.certificate for s in solutions):
        assert certificate.met
        assert certificate.dual <= certificate.primal * (1 + 1e-12)
        assert certificate.primal - certificate.dual <= 1e-11 * certificate.primal


def test_soft_labels_need_to_sum_to_one_only_in_single_precision() -> None:
    """A float32 distribution is normalised, so that the conjugate's domain is met in float64."""
    split = split_of("mlp")
    soft = np.random.default_rng(0).dirichlet(np.ones(3), size=9).astype(np.float32)
    assert not np.all(soft.astype(float).sum(axis=1) == 1)
    solution = minimise(
        NETWORKS["mlp"],
        params_of("mlp"),
        replace(split, targets=soft, labels=None),
        loss=SOFTMAX_CROSS_ENTROPY,
        rung=RUNGS["eigen"],
    )
    assert np.isfinite(solution.certificate.dual)
    assert solution.certificate.primal - solution.certificate.dual <= 1e-8 * solution.certificate.primal


# float64 is nobody else's business


def test_the_answer_is_the_same_with_double_precision_switched_on_around_it() -> None:
    outside = solved("mlp", SQUARE, "eigen", SQUARE_RIDGES)
    with jax.enable_x64(True):
        inside = solved.__wrapped__("mlp", SQUARE, "eigen", SQUARE_RIDGES)
    assert jnp.zeros(()).dtype == jnp.float32
    for a, b in zip(outside, inside, strict=True):
        np.testing.assert_array_equal(flattened(a.delta), flattened(b.delta))


# What is refused


def _with_targets(change: Callable[[np.ndarray], np.ndarray]) -> Split:
    split = split_of("mlp")
    return replace(split, targets=change(split.targets.copy()), labels=None)


def _set(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(targets: np.ndarray) -> np.ndarray:
        targets[3, 1] = value
        return targets

    return change


ENTROPY = SOFTMAX_CROSS_ENTROPY


@pytest.mark.parametrize(
    ("options", "got", "expected", "do"),
    [
        pytest.param({"ridge": Absolute(-1.0)}, "ridge -1.0", "at least 0", "Relative(0.01)", id="negative"),
        pytest.param({"ridge": Relative(np.nan)}, "ridge nan", "finite", "Relative(0.01)", id="NaN"),
        pytest.param({"ridge": Relative(np.inf)}, "ridge inf", "finite", "Relative(0.01)", id="infinite"),
        pytest.param(
            {"ridge": MINIMUM_NORM, "loss": ENTROPY},
            "ridge 0",
            "above 0",
            "path of small ridges",
            id="no minimum",
        ),
        pytest.param(
            {"ridge": MINIMUM_NORM, "loss": huber()}, "ridge 0", "above 0", "Relative(1e-6)", id="no limit"
        ),
        pytest.param(
            {"task": _with_targets(lambda t: t[:, :2])},
            "shape (9, 2)",
            "(9, 3)",
            "as many outputs",
            id="columns",
        ),
        pytest.param(
            {"task": _with_targets(_set(np.nan))}, "targets with NaN", "finite", "Remove", id="NaN target"
        ),
        pytest.param(
            {"task": _with_targets(_set(0.5)), "loss": ENTROPY}, "distributions", "sum 1", "one-hot", id="sum"
        ),
        pytest.param(
            {"task": _with_targets(lambda t: t * 3 - 2 / 3), "loss": ENTROPY},
            "distributions",
            "≥ 0",
            "one-hot",
            id="negative share",
        ),
        pytest.param(
            {"task": _with_targets(_set(1.5)), "loss": LOGISTIC},
            "1.5",
            "0 to 1",
            "Encode",
            id="no probability",
        ),
        pytest.param(
            {"task": _with_targets(_set(0.5)), "loss": SQUARED_HINGE},
            "other than 0 and 1",
            "zeros",
            "Encode",
            id="soft",
        ),
        pytest.param(
            {"task": replace(split_of("mlp"), x=np.zeros((9, 5), np.float32))},
            "inputs of shape (9, 5)",
            "(n, 4)",
            "Build the network",
            id="inputs",
        ),
        pytest.param(
            {"selection": Layers(("dense7",))}, "layer 'dense7'", "dense1", "Name layers", id="layer"
        ),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], got: str, expected: str, do: str) -> None:
    with pytest.raises(UserError) as error:
        minimise(NETWORKS["mlp"], params_of("mlp"), **({"task": split_of("mlp")} | options))
    assert got in error.value.got
    assert expected in error.value.expected
    assert do in error.value.do


def test_a_path_needs_a_ridge_and_a_variant() -> None:
    arguments = (NETWORKS["mlp"], params_of("mlp"), split_of("mlp"))
    with pytest.raises(UserError, match="no ridge"):
        ridge_path(*arguments, ridges=())
    with pytest.raises(UserError, match="no entry in centred"):
        ridge_path(*arguments, ridges=(Relative(0.1),), centred=())


@pytest.mark.parametrize("rung", ["eigen", "primal"])
def test_derivatives_too_large_for_float64_are_a_numerical_failure(rung: str) -> None:
    network = pure_network(
        lambda key: {"w": jnp.ones((4, 3))}, lambda p, x: 1e200 * (x @ p["w"]), input_shape=(4,), outputs=3
    )
    with pytest.raises(NumericalFailure, match="too large for float64"):
        minimise(network, {"w": np.ones((4, 3), np.float32)}, split_of("mlp"), rung=RUNGS[rung])


# Running out of steps is a result


@pytest.mark.parametrize("rung", list(RUNGS))
def test_too_few_steps_are_a_named_result(rung: str) -> None:
    solution = minimise(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        loss=ENTROPY,
        ridge=Absolute(1e-4),
        rung=RUNGS[rung],
        options=NewtonOptions(steps=1),
    )
    certificate = solution.certificate
    assert certificate.result is Result.MISSED
    assert not certificate.met
    assert certificate.duality_gap > 1e-8
    assert "tolerance was missed" in certificate.message()
    assert "more steps" in certificate.message()
    assert np.isfinite(solution.predict(split_of("mlp").x)).all()


def test_a_missed_limit_says_what_else_to_ask_for() -> None:
    solution = minimise(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        ridge=MINIMUM_NORM,
        rung=DenseDual("iterative"),
        options=NewtonOptions(steps=1, inner_limit=1),
    )
    assert solution.certificate.result is Result.MISSED
    assert "small ridge instead of the minimum-norm limit" in solution.certificate.message()
