"""Units: what single units and layers compute, before any training and after it."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.units.held_out import HalfScores, half_scores, halves
    from ticketlab.units.null import Labels, MaximumNull, permuted_labels
    from ticketlab.units.ranks import Sorted, centred_ranks, sort
    from ticketlab.units.reading import Group, LinearFilters, Matrix, NetworkUnits, Responses, brightness
    from ticketlab.units.unit_scan import Best, Scan, scan

# Imported on first use, so that claims can be asked without JAX.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "held_out": ["HalfScores", "half_scores", "halves"],
        "null": ["Labels", "MaximumNull", "permuted_labels"],
        "ranks": ["Sorted", "centred_ranks", "sort"],
        "reading": ["Group", "LinearFilters", "Matrix", "NetworkUnits", "Responses", "brightness"],
        "unit_scan": ["Best", "Scan", "scan"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # responses of units
    "Responses",
    "Group",
    "NetworkUnits",
    "LinearFilters",
    "Matrix",
    "brightness",
    # every unit against every class
    "scan",
    "Scan",
    "Best",
    # its parts
    "Sorted",
    "sort",
    "centred_ranks",
    "Labels",
    "MaximumNull",
    "permuted_labels",
    "halves",
    "half_scores",
    "HalfScores",
]
