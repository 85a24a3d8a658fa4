"""Scaling laws: how a loss falls with size, with the uncertainty of the exponent, and the rival forms."""

from ticketlab.laws.scaling.curves import (
    BROKEN,
    CONSTANT,
    CURVES,
    EXPONENTIAL,
    LOGARITHMIC,
    POWER,
    POWER_ALONE,
    SATURATING,
    STRETCHED,
    Curve,
    Fitted,
    fit_curve,
)
from ticketlab.laws.scaling.law import Means, ScalingLaw, common_exponent, compared, means_of, scaling_law

__all__ = [
    "BROKEN",
    "CONSTANT",
    "CURVES",
    "EXPONENTIAL",
    "LOGARITHMIC",
    "POWER",
    "POWER_ALONE",
    "SATURATING",
    "STRETCHED",
    "Curve",
    "Fitted",
    "Means",
    "ScalingLaw",
    "common_exponent",
    "compared",
    "fit_curve",
    "means_of",
    "scaling_law",
]
