"""A solution: its step, moved parameters, predictions at any input, and its display."""

from functools import cache

import jax
import numpy as np
import pytest
from tangent_reference import NETWORKS, explicit, flattened, params_of, split_of

from ticketlab.tangent import Absolute, DenseDual, Layers, Solution, predict_all, ridge_path


@cache
def solutions(layers: tuple[str, ...] = ()) -> list[Solution]:
    selection = {"selection": Layers(layers)} if layers else {}
    return ridge_path(
        NETWORKS["mlp"],
        params_of("mlp"),
        split_of("mlp"),
        ridges=(Absolute(0.01), Absolute(0.1), Absolute(1.0)),
        centred=(False, True),
        rung=DenseDual("eigen"),
        **selection,
    )


def test_predictions_are_those_of_the_step_at_any_inputs() -> None:
    x = split_of("mlp", seed=31).x
    f0, j = explicit(NETWORKS["mlp"], params_of("mlp"), x)
    for solution in solutions():
        linear = (j @ flattened(solution.delta)).reshape(f0.shape)
        expected = linear + f0 if solution.keeps_offset else linear
        found = solution.predict(x)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_all_predictions_at_once_are_those_one_by_one() -> None:
    x = split_of("mlp", seed=31).x
    together = predict_all(solutions(), x)
    assert together.shape == (6, 9, 3)
    for solution, outputs in zip(solutions(), together, strict=True):
        np.testing.assert_allclose(outputs, solution.predict(x), rtol=1e-12, atol=1e-13)


def test_the_step_is_numpys_and_stays_float64_in_anyones_hands() -> None:
    """A float64 array of JAX would be cut to float32 by the first operation outside the package."""
    solution = solutions()[0]
    for leaf in jax.tree.leaves((solution.delta, solution.moved, solution.step)):
        assert isinstance(leaf, np.ndarray)
        assert leaf.dtype == np.float64
    assert jax.tree.structure(solution.delta) == jax.tree.structure(params_of("mlp"))


def test_moved_is_the_start_and_the_step() -> None:
    solution = solutions()[0]
    np.testing.assert_array_equal(
        flattened(solution.moved), flattened(params_of("mlp")) + flattened(solution.delta)
    )
    expected = np.linalg.norm(flattened(solution.delta)) / np.linalg.norm(flattened(params_of("mlp")))
    assert solution.relative_motion == pytest.approx(expected, rel=1e-12)


def test_what_may_not_move_does_not() -> None:
    solution = solutions(("dense1",))[0]
    assert len(solution.step) == 2
    assert not flattened([solution.delta["dense2"], solution.delta["output"]]).any()
    np.testing.assert_array_equal(solution.moved["output"]["weight"], params_of("mlp")["output"]["weight"])


def test_from_zero_parameters_the_relative_motion_is_not_a_number() -> None:
    zero = jax.tree.map(np.zeros_like, params_of("mlp"))
    (solution,) = ridge_path(
        NETWORKS["mlp"], zero, split_of("mlp"), ridges=(Absolute(0.1),), rung=DenseDual("eigen")
    )
    assert np.isnan(solution.relative_motion)


def test_statistics_say_what_was_done() -> None:
    stats = solutions()[0].stats
    assert (stats.rows, stats.columns) == (27, 83)
    assert stats.rung == "dense dual, eigendecomposition"
    assert stats.reason == "as requested"
    parts = (stats.kernel_seconds, stats.factor_seconds, stats.solve_seconds, stats.certificate_seconds)
    assert min(parts) >= 0
    assert sum(parts) == pytest.approx(stats.seconds, rel=1e-6)
    assert stats.flops > 0


def test_shows_itself_in_a_notebook() -> None:
    page = solutions()[0]._repr_html_()
    assert page.startswith("<table>")
    for words in (
        "ridge λ",
        "0.01",
        "The minimum was reached",
        "dense dual, eigendecomposition: as requested",
    ):
        assert words in page
    assert "<" not in page.replace("<t", "").replace("</t", "").replace("<c", "").replace("</c", "")
    assert "array(" not in repr(solutions()[0])
