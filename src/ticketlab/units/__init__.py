"""Units: what single units and layers compute, before any training and after it."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.units.best_stimulus import best_stimuli, best_stimuli_of_filters
    from ticketlab.units.fields import FieldFilters, receptive_field, spatial_maxima
    from ticketlab.units.filter_banks import gabor_filters, random_filters
    from ticketlab.units.front_end import FrontEnd, gaussian_window, local_contrast_normalisation
    from ticketlab.units.growth import BestOf, LimitUnits, best_of
    from ticketlab.units.held_out import HalfScores, half_scores, halves
    from ticketlab.units.null import Labels, MaximumNull, permuted_labels
    from ticketlab.units.orientation import Tuning, tuning
    from ticketlab.units.probes import PENALTIES, Logistic, Parts, Probe, Ridge, probe, random_features
    from ticketlab.units.ranks import Sorted, centred_ranks, sort
    from ticketlab.units.reading import Group, LinearFilters, Matrix, NetworkUnits, Responses, brightness
    from ticketlab.units.shapes import Detectors, Excess, shape_detectors
    from ticketlab.units.stimuli import (
        FAMILIES,
        Gratings,
        Stimuli,
        battery,
        gratings,
        ideal_filters,
        scrambled,
    )
    from ticketlab.units.unit_scan import Best, Scan, scan

# Imported on first use, so that claims can be asked without JAX.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "best_stimulus": ["best_stimuli", "best_stimuli_of_filters"],
        "fields": ["FieldFilters", "receptive_field", "spatial_maxima"],
        "filter_banks": ["gabor_filters", "random_filters"],
        "front_end": ["FrontEnd", "gaussian_window", "local_contrast_normalisation"],
        "growth": ["BestOf", "LimitUnits", "best_of"],
        "held_out": ["HalfScores", "half_scores", "halves"],
        "null": ["Labels", "MaximumNull", "permuted_labels"],
        "probes": ["PENALTIES", "Logistic", "Parts", "Probe", "Ridge", "probe", "random_features"],
        "ranks": ["Sorted", "centred_ranks", "sort"],
        "reading": ["Group", "LinearFilters", "Matrix", "NetworkUnits", "Responses", "brightness"],
        "shapes": ["Detectors", "Excess", "shape_detectors"],
        "stimuli": ["FAMILIES", "Gratings", "Stimuli", "battery", "gratings", "ideal_filters", "scrambled"],
        "orientation": ["Tuning", "tuning"],
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
    # how the best grows with width
    "best_of",
    "BestOf",
    "LimitUnits",
    # simple stimuli
    "FAMILIES",
    "Stimuli",
    "battery",
    "scrambled",
    "Gratings",
    "gratings",
    # tuned to them, and detecting them
    "tuning",
    "Tuning",
    "shape_detectors",
    "Detectors",
    "Excess",
    "FieldFilters",
    "ideal_filters",
    "spatial_maxima",
    "receptive_field",
    "best_stimuli",
    "best_stimuli_of_filters",
    # the front end of early vision
    "FrontEnd",
    "local_contrast_normalisation",
    "gaussian_window",
    "random_filters",
    "gabor_filters",
    # linear read-outs
    "probe",
    "Probe",
    "Parts",
    "Ridge",
    "Logistic",
    "PENALTIES",
    "random_features",
    # the parts of a scan
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
