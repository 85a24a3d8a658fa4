"""The estimators are what they say: known machines on the features ∂f/∂θ, at home in pipelines, searches and pickles."""

import copy
import pickle
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, load_linnerud, make_gaussian_quantiles, make_moons
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold, LeaveOneOut, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ticketlab import TangentClassifier, TangentRegressor, UserError
from ticketlab.errors import NumericalFailure
from ticketlab.estimators.parameters import NETWORK, RIDGES
from ticketlab.networks import MLP, Activation, AllConv
from ticketlab.tangent import Absolute, DenseDual, DensePrimal, Relative
from ticketlab.tasks import LOGISTIC, SOFTMAX_CROSS_ENTROPY, SQUARE, SQUARED_HINGE, huber

SMALL = MLP(widths=(8,), activation=Activation.TANH)
SETTINGS: dict[str, Any] = {"network": SMALL, "rung": DensePrimal(), "ridge": 0.01, "random_state": 3}
PROGRAMS = [f"jit({name})" for name in ("_block", "jvp", "sweep", "vjp")]
TUNED: dict[str, Any] = SETTINGS | {"ridge": "leave-one-out"}


@cache
def iris() -> tuple[np.ndarray, np.ndarray]:
    """Thirty flowers, ten of each kind, standardised."""
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x)[::5], y[::5]


@cache
def moons() -> tuple[np.ndarray, np.ndarray]:
    x, y = make_moons(30, noise=0.2, random_state=0)
    return x, np.array(["lower", "upper"])[y]


@cache
def exercises() -> tuple[np.ndarray, np.ndarray]:
    """Twenty men: three exercises each, and three measurements that are to be predicted."""
    x, y = load_linnerud(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def features(estimator: Any, x: np.ndarray) -> np.ndarray:
    """∂f/∂θ `[n, k, P]`."""
    return estimator.solution_.jacobian.at(x).dense()


# What they are


def test_a_classifier_of_two_classes_is_logistic_regression_on_the_features() -> None:
    x, y = moons()
    tangent = TangentClassifier(**SETTINGS, tol=1e-13).fit(x, y)
    rows = features(tangent, x)
    differences = rows[:, 1] - rows[:, 0]
    machine = LogisticRegression(
        C=1 / tangent.solution_.ridge, fit_intercept=False, tol=1e-12, solver="newton-cholesky"
    )
    machine.fit(differences, y)
    np.testing.assert_allclose(tangent.predict_proba(x), machine.predict_proba(differences), atol=1e-6)
    np.testing.assert_allclose(
        tangent.decision_function(x), machine.decision_function(differences), atol=1e-5
    )
    assert tangent.predict(x).tolist() == machine.predict(differences).tolist()
    assert tangent.classes_.tolist() == ["lower", "upper"]
    assert tangent.solution_.relative_ridge == pytest.approx(0.01)


def test_one_output_is_enough_for_a_yes_or_no() -> None:
    x, y = moons()
    tangent = TangentClassifier(**SETTINGS, loss=LOGISTIC, tol=1e-13).fit(x, y)
    rows = features(tangent, x)
    assert rows.shape[1] == 1
    machine = LogisticRegression(
        C=1 / tangent.solution_.ridge, fit_intercept=False, tol=1e-12, solver="newton-cholesky"
    )
    machine.fit(rows[:, 0], y)
    np.testing.assert_allclose(tangent.predict_proba(x), machine.predict_proba(rows[:, 0]), atol=1e-6)


def test_a_regressor_is_ridge_regression_on_the_features() -> None:
    x, y = exercises()
    tangent = TangentRegressor(**SETTINGS, tol=1e-13).fit(x, y)
    rows = features(tangent, x)
    standardised = (y - y.mean(axis=0)) / y.std(axis=0)
    machine = Ridge(alpha=tangent.solution_.ridge, fit_intercept=False, solver="svd")
    machine.fit(rows.reshape(-1, rows.shape[-1]), standardised.ravel())
    expected = (rows @ machine.coef_) * y.std(axis=0) + y.mean(axis=0)
    np.testing.assert_allclose(tangent.predict(x), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "loss", [SOFTMAX_CROSS_ENTROPY, LOGISTIC, SQUARED_HINGE, SQUARE], ids=lambda loss: loss.name
)
def test_three_classes_with_every_loss(loss: Any) -> None:
    x, y = iris()
    tangent = TangentClassifier(**SETTINGS, loss=loss).fit(x, y)
    assert tangent.certificate_.met
    assert tangent.score(x, y) > 0.9
    decision = tangent.decision_function(x)
    assert decision.shape == (len(x), len(set(y)))[: decision.ndim]
    if hasattr(tangent, "predict_proba"):
        np.testing.assert_allclose(tangent.predict_proba(x).sum(axis=1), 1)


def test_classes_that_are_all_too_improbable_for_a_number_have_probabilities() -> None:
    """Far from the data each of several logistic outputs can be −1000, whose probability is 0 in float64."""
    found = TangentClassifier(loss=LOGISTIC)._probabilities(
        np.array([[-1000.0, -1001.0, -1010.0], [0.0, 0.0, -800.0]])
    )
    with_e = np.exp([0.0, -1.0, -10.0])
    np.testing.assert_allclose(found, [with_e / with_e.sum(), [0.5, 0.5, 0.0]], rtol=1e-12)


def test_probabilities_are_there_only_where_the_loss_models_them() -> None:
    assert hasattr(TangentClassifier(), "predict_proba")
    assert hasattr(TangentClassifier(loss=LOGISTIC), "predict_proba")
    for loss in (SQUARE, SQUARED_HINGE, huber()):
        assert not hasattr(TangentClassifier(loss=loss), "predict_proba")
    with pytest.raises(AttributeError, match="has no attribute 'predict_proba'") as error:
        TangentClassifier(loss=SQUARE).predict_proba([[0.0]])
    assert "CalibratedClassifierCV" in str(error.value.__cause__)


def test_the_offset_is_left_out_or_kept() -> None:
    x, y = exercises()
    stiff = SETTINGS | {"ridge": 1e12}  # nothing is learnt: what is left is what the network starts from
    centred = TangentRegressor(**stiff).fit(x, y)
    np.testing.assert_allclose(centred.predict(x), np.broadcast_to(y.mean(axis=0), y.shape), rtol=1e-6)
    kept = TangentRegressor(**stiff, centred=False).fit(x, y)
    start = np.asarray(kept.solution_.jacobian.outputs()) * y.std(axis=0) + y.mean(axis=0)
    np.testing.assert_allclose(kept.predict(x), start, rtol=1e-6)


def test_the_unit_of_the_targets_does_not_matter() -> None:
    x, y = exercises()
    loss = huber(0.5)
    one = TangentRegressor(**SETTINGS, loss=loss, centred=False).fit(x, y)
    other = TangentRegressor(**SETTINGS, loss=loss, centred=False).fit(x, 1e4 * y - 7)
    np.testing.assert_allclose(other.predict(x), 1e4 * one.predict(x) - 7, rtol=1e-7)
    np.testing.assert_allclose(other.target_mean_, 1e4 * y.mean(axis=0) - 7)


def test_a_constant_target_is_predicted() -> None:
    x, _ = exercises()
    constant = TangentRegressor(**SETTINGS).fit(x, np.full(len(x), 0.1))
    np.testing.assert_allclose(constant.predict(x), 0.1, rtol=1e-12)
    assert constant.predict(x).shape == (len(x),)


# The ridge


def test_ridges_relative_absolute_and_in_the_limit() -> None:
    x, y = exercises()
    fits = {
        r: TangentRegressor(**SETTINGS | {"ridge": r}).fit(x, y)
        for r in (0.1, Relative(0.1), Absolute(0.1), 0)
    }
    assert fits[0.1].solution_.ridge == fits[Relative(0.1)].solution_.ridge
    assert fits[Absolute(0.1)].solution_.ridge == 0.1
    assert fits[0].solution_.ridge == 0
    assert fits[0].certificate_.met


def test_the_chosen_ridge_is_that_of_a_search_by_hand() -> None:
    x, y = iris()
    ridges, folds = (1e-4, 1e-1, 1e1, 1e3), StratifiedKFold(3, shuffle=True, random_state=1)
    tangent = TangentClassifier(**SETTINGS, loss=SQUARE, ridges=ridges, cv=folds).fit(x, y)
    by_hand = np.transpose(
        [
            cross_val_score(TangentClassifier(**SETTINGS | {"ridge": r}, loss=SQUARE), x, y, cv=folds)
            for r in ridges
        ]
    )
    choice = tangent.ridge_choice_
    np.testing.assert_array_equal(choice.scores, by_hand)
    best = np.flatnonzero(choice.mean_scores == choice.mean_scores.max())[-1]  # the largest of those that tie
    assert choice.ridge == tangent.ridge_ == Relative(ridges[best])
    assert tangent.solution_.relative_ridge == pytest.approx(ridges[best])


def test_one_ridge_and_no_ridge() -> None:
    x, y = iris()
    assert TangentClassifier(**SETTINGS, loss=SQUARE, ridges=[0.5]).fit(x, y).ridge_ == Relative(0.5)
    assert TangentClassifier(**SETTINGS, loss=SQUARE).fit(x, y).ridge_choice_ is None
    assert TangentClassifier(**TUNED, loss=SQUARE).fit(x, y).ridge_choice_ is not None
    with pytest.raises(UserError, match="no ridge"):
        TangentClassifier(**SETTINGS, ridges=[]).fit(x, y)


def test_a_regressors_ridge_is_chosen_by_the_squared_error_of_all_held_out_examples() -> None:
    x, y = exercises()
    folds = KFold(3)  # 7, 7 and 6 men
    tangent = TangentRegressor(**SETTINGS, ridges=[1e-6, 1e3], cv=folds).fit(x, y)
    choice = tangent.ridge_choice_
    assert choice.sizes.tolist() == [7, 7, 6]
    rows = features(tangent, x)
    targets = (y - y.mean(axis=0)) / y.std(axis=0)
    for i, ridge in enumerate([1e-6, 1e3]):
        squares = np.empty(y.shape)
        for fitted, held_out in folds.split(x):
            matrix = rows[fitted].reshape(-1, rows.shape[-1])
            penalty = ridge * np.mean(np.sum(matrix**2, axis=1))
            machine = Ridge(alpha=penalty, fit_intercept=False, solver="svd")
            machine.fit(matrix, targets[fitted].ravel())
            squares[held_out] = (rows[held_out] @ machine.coef_ - targets[held_out]) ** 2
        assert choice.mean_scores[i] == pytest.approx(-squares.mean(), rel=1e-5)
    assert tangent.ridge_ == Relative(1e3)  # twenty men tell next to nothing


def test_folds_of_one_example_are_as_good_as_others() -> None:
    x, y = exercises()
    for cv in (LeaveOneOut(), 11):
        chosen = set()
        for ridges in ((1e-6, 1e-1, 1e4), (1e4, 1e-1, 1e-6)):
            tangent = TangentRegressor(**SETTINGS, ridges=ridges, cv=cv).fit(x[:12], y[:12, 0])
            assert np.isfinite(tangent.ridge_choice_.mean_scores).all()
            chosen.add(tangent.ridge_)
        assert len(chosen) == 1  # in whatever order they are given


def test_a_score_that_is_no_number_is_refused() -> None:
    x, y = exercises()
    tangent = TangentRegressor(**SETTINGS, ridges=(1e-6, 1.0), cv=LeaveOneOut(), scoring="r2")
    with pytest.warns(UndefinedMetricWarning), pytest.raises(UserError, match="a fold with 1 example"):
        tangent.fit(x[:8], y[:8, 0])


def test_a_classifiers_ridge_is_chosen_by_its_log_loss_or_as_asked() -> None:
    x, y = iris()
    folds, ridges = StratifiedKFold(3), (1e-3, 1.0)
    by_hand = {
        scoring: np.transpose(
            [
                cross_val_score(TangentClassifier(**SETTINGS | {"ridge": r}), x, y, cv=folds, scoring=scoring)
                for r in ridges
            ]
        )
        for scoring in ("neg_log_loss", "accuracy")
    }
    for asked, scoring in (
        (None, "neg_log_loss"),
        ("accuracy", "accuracy"),
        ("neg_log_loss", "neg_log_loss"),
    ):
        tangent = TangentClassifier(**SETTINGS, ridges=ridges, cv=folds, scoring=asked).fit(x, y)
        np.testing.assert_allclose(tangent.ridge_choice_.scores, by_hand[scoring], rtol=1e-6)


# The network


def test_the_default_network_tells_near_from_far() -> None:
    """Classes that differ by the distance from the mean: no function with f(cx) = c f(x) can tell them apart."""
    x, y = make_gaussian_quantiles(n_samples=120, n_features=2, n_classes=2, random_state=0)
    x = StandardScaler().fit_transform(x)
    settings = {"rung": DensePrimal(), "ridge": 1e-3, "random_state": 0}
    scores = {
        network: TangentClassifier(network, **settings).fit(x[:60], y[:60]).score(x[60:], y[60:])
        for network in (replace(NETWORK, widths=(32,)), MLP(widths=(32,)))
    }
    default, through_the_mean = scores.values()
    assert default > 0.85
    assert through_the_mean < default


# Examples left out


@pytest.mark.parametrize("rung", [DensePrimal(), DenseDual()], ids=["primal", "dual"])
def test_examples_left_out_one_by_one_without_a_fit_for_each(rung: Any) -> None:
    x, y = exercises()
    ridges = (1e4, 1e-2)
    tangent = TangentRegressor(**TUNED | {"rung": rung}, ridges=ridges, centred=False).fit(x, y)
    rows = features(tangent, x)
    targets = (y - y.mean(axis=0)) / y.std(axis=0)
    start = np.asarray(tangent.solution_.jacobian.outputs())
    unit = np.mean(np.sum(rows**2, axis=2))
    for ridge, score in zip(ridges, tangent.ridge_choice_.mean_scores, strict=True):
        squares = []
        for i in range(len(x)):
            others = np.arange(len(x)) != i
            machine = Ridge(alpha=ridge * unit, fit_intercept=False, solver="svd")
            machine.fit(rows[others].reshape(-1, rows.shape[-1]), (targets - start)[others].ravel())
            squares.append((start[i] + rows[i] @ machine.coef_ - targets[i]) ** 2)
        assert score == pytest.approx(-np.mean(squares), rel=1e-3)
    assert tangent.ridge_choice_.sizes.tolist() == [20]


@pytest.mark.parametrize(
    "rung", [pytest.param(DensePrimal(), marks=pytest.mark.slow), DenseDual()], ids=["primal", "dual"]
)
def test_a_classifiers_examples_left_out_are_nearly_those_of_fits_without_them(rung: Any) -> None:
    x, y = iris()
    choice = TangentClassifier(**TUNED | {"rung": rung, "ridges": (1.0, 1e-2)}).fit(x, y).ridge_choice_
    for ridge, score in zip((1.0, 1e-2), choice.mean_scores, strict=True):
        by_hand = []
        for i in range(len(x)):
            others = np.arange(len(x)) != i
            fixed = TangentClassifier(**SETTINGS | {"ridge": ridge}).fit(x[others], y[others])
            by_hand.append(np.log(fixed.predict_proba(x[i : i + 1])[0, y[i]]))
        assert score == pytest.approx(np.mean(by_hand), rel=0.1)  # one Newton step from the minimum with all


def test_the_ridge_is_tuned_by_default() -> None:
    x, y = exercises()
    settings = {"network": SMALL, "random_state": 3}
    choice = TangentRegressor(**settings).fit(x, y[:, 0]).ridge_choice_
    assert [ridge.value for ridge in choice.ridges] == list(RIDGES)
    tried = choice.mean_scores > -np.inf
    assert choice.ridge.value == RIDGES[int(np.argmax(choice.mean_scores))]
    assert choice.ridge.value >= 1  # twenty men tell next to nothing
    assert tried.sum() == choice.best + 3  # two worse ones end the search
    assert np.isfinite(choice.mean_scores[tried]).all()


def test_a_ridge_of_zero_is_not_compared_on_examples_left_out() -> None:
    x, y = exercises()
    with pytest.raises(UserError, match="ridges above 0"):
        TangentRegressor(**SETTINGS, ridges=(0, 1.0)).fit(x, y)


# Weights


@pytest.mark.parametrize("rung", [DensePrimal(), DenseDual()], ids=["primal", "dual"])
@pytest.mark.parametrize(
    "loss", [SOFTMAX_CROSS_ENTROPY, LOGISTIC, SQUARE, SQUARED_HINGE], ids=lambda loss: loss.name
)
def test_a_weight_is_a_number_of_times(rung: Any, loss: Any) -> None:
    x, y = iris()
    times = np.random.default_rng(5).integers(0, 4, len(x))
    settings = SETTINGS | {"rung": rung, "loss": loss, "tol": 1e-14}
    weighted = TangentClassifier(**settings).fit(x, y, sample_weight=times)
    repeated = TangentClassifier(**settings).fit(np.repeat(x, times, axis=0), np.repeat(y, times))
    np.testing.assert_allclose(
        weighted.decision_function(x), repeated.decision_function(x), rtol=1e-5, atol=1e-6
    )
    assert weighted.solution_.ridge == pytest.approx(repeated.solution_.ridge)
    assert weighted.solution_.relative_ridge == pytest.approx(0.01)


def test_weights_of_a_regressor_count_in_the_targets_unit_too() -> None:
    x, y = exercises()
    times = np.arange(len(x)) % 3
    weighted = TangentRegressor(**SETTINGS, tol=1e-14).fit(x, y, sample_weight=times)
    repeated = TangentRegressor(**SETTINGS, tol=1e-14).fit(
        np.repeat(x, times, axis=0), np.repeat(y, times, axis=0)
    )
    np.testing.assert_allclose(weighted.predict(x), repeated.predict(x), rtol=1e-7)
    np.testing.assert_allclose(weighted.target_scale_, repeated.target_scale_)


def test_class_weights_are_weights_of_examples() -> None:
    x, y = iris()
    x, y = x[:24], y[:24]  # 10, 10 and 4
    balanced = TangentClassifier(**SETTINGS, class_weight="balanced").fit(x, y)
    by_hand = TangentClassifier(**SETTINGS).fit(x, y, sample_weight=24 / 3 / np.array([10, 10, 4])[y])
    np.testing.assert_array_equal(balanced.predict_proba(x), by_hand.predict_proba(x))
    named = TangentClassifier(**SETTINGS, class_weight={0: 2.0, 1: 1.0, 2: 1.0}).fit(x, y)
    assert np.any(named.predict_proba(x) != balanced.predict_proba(x))


def test_weights_count_when_the_ridge_is_chosen() -> None:
    x, y = exercises()
    weights = np.where(np.arange(len(x)) < 10, 1.0, 1e-9)
    few = TangentRegressor(**TUNED).fit(x[:10], y[:10])
    most = TangentRegressor(**TUNED).fit(x, y, sample_weight=weights)
    np.testing.assert_allclose(most.ridge_choice_.mean_scores, few.ridge_choice_.mean_scores, rtol=1e-4)


@pytest.mark.parametrize("form", [list, np.asarray, lambda rows: np.isin(np.arange(20), rows)])
def test_splits_number_all_examples_also_those_of_weight_0(form: Any) -> None:
    x, y = exercises()
    weights = (np.arange(20) % 4 > 0).astype(float)
    splits = [(np.arange(8, 20), np.arange(8)), (np.arange(8), np.arange(8, 20))]
    place = np.cumsum(weights > 0) - 1
    without = [[place[rows[weights[rows] > 0]] for rows in split] for split in splits]
    options = SETTINGS | {"ridges": (0.1, 10.0)}
    given = [tuple(form(rows) for rows in split) for split in splits]
    all_of_them = TangentRegressor(**options, cv=given).fit(x, y, sample_weight=weights)
    fewer = TangentRegressor(**options, cv=without).fit(x[weights > 0], y[weights > 0])
    np.testing.assert_allclose(all_of_them.ridge_choice_.scores, fewer.ridge_choice_.scores, rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(30), "zero|all 0"),
        (-np.ones(30), "[Nn]egative"),
        (np.full(30, np.nan), "NaN"),
        (np.ones(3), "shape"),
    ],
    ids=["zero", "negative", "missing", "too few"],
)
def test_weights_that_cannot_be_are_refused(weights: np.ndarray, message: str) -> None:
    x, y = iris()
    with pytest.raises(ValueError, match=message):
        TangentClassifier(**SETTINGS).fit(x, y, sample_weight=weights)


# Parameters


def test_networks_and_losses_in_words() -> None:
    x, y = iris()
    words = TangentClassifier(
        "mlp:widths=8,activation=tanh", loss="square", rung=DensePrimal(), ridge=0.01, random_state=3
    )
    objects = TangentClassifier(**SETTINGS, loss=SQUARE)
    np.testing.assert_array_equal(
        words.fit(x, y).decision_function(x), objects.fit(x, y).decision_function(x)
    )
    assert words.architecture_ == SMALL


def test_the_networks_fields_are_parameters() -> None:
    x, y = iris()
    for network in (MLP(widths=(4,)), "mlp:widths=4", None):
        tangent = TangentClassifier(network, loss="square", rung=DensePrimal())
        assert tangent.get_params()["network__widths"] == ((1024, 1024) if network is None else (4,))
        others = {} if network else {"initialisation": NETWORK.initialisation}
        assert clone(tangent).set_params(network__widths=(7,)).network == MLP(widths=(7,), **others)
    both = tangent.set_params(network__activation=Activation.TANH, network=MLP(widths=(3,)))
    assert both.network == MLP(widths=(3,), activation=Activation.TANH)
    with pytest.raises(UserError, match="the parameter network__depth; expected one of .*widths"):
        tangent.set_params(network__depth=3)
    grid = {"tangentclassifier__network__widths": [(4,), (8,)]}
    search = GridSearchCV(make_pipeline(StandardScaler(), tangent), grid, cv=2).fit(x, y)
    assert search.best_estimator_[-1].architecture_.widths in ((4,), (8,))


def test_a_fit_says_what_it_does_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = exercises()
    settings = SETTINGS | {
        "network": MLP((5,)),
        "rung": DenseDual(),
    }  # relu: saturated units would move nothing
    TangentRegressor(**settings).fit(x, y)
    assert capsys.readouterr().out == ""
    TangentRegressor(**settings, verbose=True).fit(x, y)
    said = capsys.readouterr().out
    assert "tangent minimum: kernel 1\n" in said
    assert "; as requested; took " in said


def test_the_seconds_that_were_predicted_and_taken_are_kept() -> None:
    x, y = exercises()
    stats = TangentRegressor(**SETTINGS | {"rung": None}).fit(x, y).solution_.stats
    assert stats.rows == 60  # without the examples that fill the shape
    assert "predicted dual" in stats.reason
    assert 0 < stats.predicted_seconds < 60
    assert stats.seconds > 0


def test_another_shape_of_data_compiles_four_programs_and_another_number_of_examples_none() -> None:
    """The factors of the kernel, its blocks, and products with J and Jᵀ; all else is shared or needs no program."""
    compiled: list[str] = []

    def heard(event: str, seconds: float, **of: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(str(of.get("fun_name")))

    def fit(n: int, d: int, k: int) -> list[str]:
        x = np.random.default_rng(n).normal(size=(n, d))
        compiled.clear()
        TangentClassifier(SMALL, ridge=0.1, rung=DenseDual(), random_state=0).fit(x, np.arange(n) % k)
        return list(compiled)

    fit(30, 5, 3)
    jax.monitoring.register_event_duration_secs_listener(heard)
    try:
        assert fit(25, 5, 3) == []
        assert sorted(fit(30, 6, 3)) == sorted(fit(30, 5, 4)) == PROGRAMS
    finally:
        jax.monitoring.unregister_event_duration_listener(heard)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", (64, 64)),
        ("network", MLP),
        ("network", 3),
        ("loss", "log_loss"),
        ("loss", 1),
        ("ridge", None),
        ("ridge", "abc"),
        ("ridge", float("nan")),
        ("ridges", "abc"),
        ("ridges", 3),
        ("ridges", (0.1, "abc")),
        ("input_shape", 4),
        ("input_shape", (2, -2)),
        ("rung", "dual"),
        ("rung", DensePrimal),
        ("centred", "no"),
        ("tol", -1),
        ("tol", 0),
        ("tol", "small"),
        ("verbose", "yes"),
        ("class_weight", "even"),
        ("class_weight", 3),
    ],
)
def test_wrong_parameters_are_refused_by_their_name(name: str, value: Any) -> None:
    x, y = iris()
    with pytest.raises(UserError, match=rf"got {name}=.*expected"):
        TangentClassifier(**SETTINGS | {name: value}).fit(x, y)


def test_unknown_words_for_a_network_are_refused() -> None:
    x, y = iris()
    with pytest.raises(UserError, match="network 'mpl'.*Did you mean 'mlp'"):
        TangentClassifier("mpl").fit(x, y)
    assert "network__widths" not in TangentClassifier("mpl").get_params()
    assert not hasattr(TangentClassifier(loss="log_loss"), "predict_proba")


def test_inputs_beyond_single_precision_are_solved_or_refused_by_name() -> None:
    x, y = iris()
    settings = SETTINGS | {
        "network": MLP((5,)),
        "rung": DenseDual(),
    }  # relu: saturated units would move nothing
    for loss in ("square", None):
        assert TangentClassifier(**settings, loss=loss).fit(1e18 * x, y).certificate_.met
    with pytest.raises(NumericalFailure, match="Use smaller inputs"):
        TangentClassifier(**settings | {"rung": DenseDual("iterative")}).fit(1e18 * x, y)


# At home


def test_in_a_pipeline_and_a_grid_search_over_networks() -> None:
    x, y = load_iris(return_X_y=True)
    machine = make_pipeline(StandardScaler(), TangentClassifier(**SETTINGS, loss=SQUARE))
    grid = {"tangentclassifier__network": [SMALL, MLP(widths=())], "tangentclassifier__ridge": [1e-3, 1e-1]}
    search = GridSearchCV(machine, grid, cv=3).fit(x[::5], y[::5])
    assert search.best_score_ > 0.8
    assert len(search.cv_results_["params"]) == 4


def test_calibration_gives_probabilities_to_the_square_loss() -> None:
    x, y = iris()
    machine = CalibratedClassifierCV(TangentClassifier(**SETTINGS, loss=SQUARE), cv=3).fit(x, y)
    np.testing.assert_allclose(machine.predict_proba(x).sum(axis=1), 1)


def test_images_for_a_network_that_takes_them() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(12, 36))
    y = (x.reshape(12, 6, 6).mean(axis=(1, 2)) > 0).astype(int)
    tangent = TangentClassifier(AllConv((3,)), loss=SQUARE, input_shape=(6, 6, 1), rung=DensePrimal())
    tangent.fit(x, y)
    assert tangent.solution_.jacobian.network.input_shape == (6, 6, 1)
    assert tangent.predict(x[:5]).tolist() == tangent.predict(x).tolist()[:5]
    with pytest.raises(UserError, match="a shape with 36 numbers in all"):
        tangent.set_params(input_shape=(8, 8, 1)).fit(x, y)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))], ids=["copy", "pickle"]
)
def test_a_fitted_estimator_can_be_copied(copied: Any) -> None:
    x, y = iris()
    tangent = TangentClassifier(**SETTINGS, ridges=(0.1, 1.0), cv=3).fit(x, y)
    tangent.set_params(network=None)  # what it was fitted with is what counts
    again = copied(tangent)
    np.testing.assert_array_equal(again.predict_proba(x), tangent.predict_proba(x))
    assert again.certificate_ == tangent.certificate_
    assert again.ridge_ == tangent.ridge_
    np.testing.assert_array_equal(again.solution_.predict(x), tangent.solution_.predict(x))
    assert again.solution_.relative_motion == tangent.solution_.relative_motion


def test_an_unfitted_estimator_can_be_copied() -> None:
    assert pickle.loads(pickle.dumps(TangentRegressor(SMALL))).network == SMALL


def test_the_random_state_is_the_network() -> None:
    x, y = exercises()

    def fitted(state: Any) -> np.ndarray:
        return TangentRegressor(**SETTINGS | {"random_state": state}).fit(x, y).predict(x)

    np.testing.assert_array_equal(fitted(5), fitted(5))
    np.testing.assert_array_equal(fitted(np.random.RandomState(5)), fitted(5))
    assert np.abs(fitted(6) - fitted(5)).max() > 0.01


def test_single_precision_inputs_are_the_same_problem() -> None:
    x, y = exercises()
    single = x.astype(np.float32)
    one, other = (
        TangentRegressor(**SETTINGS).fit(single, y),
        TangentRegressor(**SETTINGS).fit(single.astype(float), y),
    )
    np.testing.assert_array_equal(one.predict(single), other.predict(single.astype(float)))
    assert one.predict(single).dtype == np.float64


@pytest.mark.parametrize("rows", [1, 3, 1025])
def test_any_number_of_examples_is_predicted(rows: int) -> None:
    x, y = exercises()
    tangent = TangentRegressor(**SETTINGS).fit(x, y[:, 0])
    many = np.random.default_rng(1).normal(size=(rows, 3))
    outputs = tangent.solution_.predict(many)[:, 0]
    np.testing.assert_allclose(
        tangent.predict(many), outputs * tangent.target_scale_ + tangent.target_mean_, rtol=1e-10
    )


# What goes wrong


def test_a_missed_tolerance_is_a_warning() -> None:
    x, y = iris()
    with pytest.warns(ConvergenceWarning, match="tolerance was missed"):
        tangent = TangentClassifier(**SETTINGS, tol=1e-40).fit(x, y)
    assert not tangent.certificate_.met


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (TangentClassifier(**SETTINGS | {"ridge": -1.0}), "at least 0"),
        (TangentClassifier(**SETTINGS | {"ridge": 0}), "ridge above 0"),
        (TangentRegressor(**SETTINGS, loss=LOGISTIC), "a loss for real targets"),
        (TangentRegressor(**SETTINGS, loss=SOFTMAX_CROSS_ENTROPY), "a loss for real targets"),
    ],
    ids=["negative", "no minimum", "logistic", "cross-entropy"],
)
def test_what_cannot_be_is_refused(estimator: Any, message: str) -> None:
    x, y = iris()
    with pytest.raises(UserError, match=message):
        estimator.fit(x, y)


def test_one_class_is_refused() -> None:
    x, y = iris()
    with pytest.raises(UserError, match="at least two classes"):
        TangentClassifier(**SETTINGS).fit(x, np.zeros_like(y))


def test_no_folds_and_a_scorer_without_weights_are_refused() -> None:
    x, y = moons()
    asked: dict[str, Any] = {"ridges": (1.0, 0.1), "random_state": 0}
    with pytest.raises(UserError, match="no folds"):
        TangentClassifier(MLP((4,)), cv=[], **asked).fit(x, y)
    scored = TangentClassifier(MLP((4,)), scoring=lambda e, x, y: e.score(x, y), **asked)
    with pytest.raises(UserError, match="with weights of examples, which it does not take"):
        scored.fit(x, y, sample_weight=np.ones(len(x)))
