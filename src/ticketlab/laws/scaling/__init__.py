"""Scaling laws: how a loss falls with size, with the uncertainty of the exponent, and the rival forms."""

from ticketlab.laws.scaling.curves import (
    BROKEN,
    CONSTANT,
    CURVES,
    ENDING,
    ENDLESS,
    EXPONENTIAL,
    LOGARITHMIC,
    POWER,
    POWER_ALONE,
    SATURATING,
    STRETCHED,
    Curve,
    Fitted,
    fit_curve,
    fit_curves,
)
from ticketlab.laws.scaling.ends import Contest, forecast, paired_means, without_end
from ticketlab.laws.scaling.frontier import Frontier, frontier
from ticketlab.laws.scaling.law import Means, ScalingLaw, common_exponent, compared, means_of, scaling_law

__all__ = [
    "BROKEN",
    "CONSTANT",
    "CURVES",
    "ENDING",
    "ENDLESS",
    "EXPONENTIAL",
    "LOGARITHMIC",
    "POWER",
    "POWER_ALONE",
    "SATURATING",
    "STRETCHED",
    "Contest",
    "Curve",
    "Fitted",
    "Frontier",
    "Means",
    "ScalingLaw",
    "common_exponent",
    "compared",
    "fit_curve",
    "fit_curves",
    "forecast",
    "frontier",
    "means_of",
    "paired_means",
    "scaling_law",
    "without_end",
]
