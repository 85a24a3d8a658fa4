"""Tails of distributions of tickets: fits above a threshold, the best of n, test noise, and the verdict on returns."""

from ticketlab.laws.tails.best_of import (
    Check,
    Prediction,
    best_in_sample,
    check_predictions,
    expected_best,
    predict_best,
)
from ticketlab.laws.tails.fit import Tail, fit_tail, normal_shape
from ticketlab.laws.tails.noise import Reliability, extrapolated, reliability
from ticketlab.laws.tails.pareto import (
    Pareto,
    empirical_bayes,
    maximum_likelihood,
    moment,
    profile_bounds,
    weighted_moments,
)
from ticketlab.laws.tails.returns import Gain, Returns, gain_ratio, judge

__all__ = [
    "Check",
    "Gain",
    "Pareto",
    "Prediction",
    "Reliability",
    "Returns",
    "Tail",
    "best_in_sample",
    "check_predictions",
    "empirical_bayes",
    "expected_best",
    "extrapolated",
    "fit_tail",
    "gain_ratio",
    "judge",
    "maximum_likelihood",
    "moment",
    "normal_shape",
    "predict_best",
    "profile_bounds",
    "reliability",
    "weighted_moments",
]
