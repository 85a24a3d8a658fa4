"""The rules of infinite width, one for each kind of stage, in a file named after the kind.

A rule says what a stage does to a state in the limit, and which pairs of pixels it needs for those that are wanted after it. A
kind without a rule is refused.
"""

# Each registers its rules.
from ticketlab.infinite.rules import (
    activation,
    convolution,
    dense,
    flatten,
    normalisation,
    pooling,
    repeat,
    residual,
)
from ticketlab.infinite.rules.rules import lags_before, limit, most_places, through, wanted_lags
from ticketlab.infinite.rules.sequences import refuse_sequences

__all__ = [
    "activation",
    "convolution",
    "dense",
    "flatten",
    "lags_before",
    "limit",
    "most_places",
    "normalisation",
    "pooling",
    "refuse_sequences",
    "repeat",
    "residual",
    "through",
    "wanted_lags",
]
