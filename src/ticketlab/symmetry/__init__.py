"""Symmetry: when two networks are the same up to rescaling and permuting their units, and how far apart they are otherwise."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.symmetry.ascent import Start
    from ticketlab.symmetry.by_activations import by_activations, match_activations, unit_correlations
    from ticketlab.symmetry.canonical import Balanced, Canonical, UnitNorm, canonical, in_order
    from ticketlab.symmetry.distances import (
        SimilarityIndex,
        disagreement,
        explained,
        layer_cosines,
        linear_cka,
        parameter_distance,
        similarity_index,
    )
    from ticketlab.symmetry.folding import folded, neutral
    from ticketlab.symmetry.matching import Matching, match_weights, permuted
    from ticketlab.symmetry.overlap import (
        AgainstNull,
        LayerOverlap,
        Overlap,
        against,
        overlap,
        same_degrees,
        same_sizes,
    )
    from ticketlab.symmetry.repair import moments, repaired, repaired_between
    from ticketlab.symmetry.straight_through import match_straight_through

# Imported on first use, so that claims can be asked without JAX.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ascent": ["Start"],
        "by_activations": ["by_activations", "match_activations", "unit_correlations"],
        "canonical": ["Balanced", "Canonical", "UnitNorm", "canonical", "in_order"],
        "distances": [
            "SimilarityIndex",
            "disagreement",
            "explained",
            "layer_cosines",
            "linear_cka",
            "parameter_distance",
            "similarity_index",
        ],
        "folding": ["folded", "neutral"],
        "matching": ["Matching", "match_weights", "permuted"],
        "overlap": [
            "AgainstNull",
            "LayerOverlap",
            "Overlap",
            "against",
            "overlap",
            "same_degrees",
            "same_sizes",
        ],
        "repair": ["moments", "repaired", "repaired_between"],
        "straight_through": ["match_straight_through"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # one form for all rescalings
    "canonical",
    "Canonical",
    "Balanced",
    "UnitNorm",
    "in_order",
    "folded",
    "neutral",
    # the best order of the units
    "match_weights",
    "match_activations",
    "match_straight_through",
    "Matching",
    "Start",
    "permuted",
    "by_activations",
    "unit_correlations",
    # between them
    "repaired_between",
    "repaired",
    "moments",
    # how far apart
    "parameter_distance",
    "layer_cosines",
    "disagreement",
    "explained",
    "linear_cka",
    "similarity_index",
    "SimilarityIndex",
    # masks
    "overlap",
    "Overlap",
    "LayerOverlap",
    "against",
    "AgainstNull",
    "same_degrees",
    "same_sizes",
]
