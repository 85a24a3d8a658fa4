"""Subnetworks that must exist: masks of random networks that make them a given network, built and checked.

Reading order: `subset_sum` and `searches` (how one weight is written), `laws` (what is drawn), `target` (what shall come out),
`sums` (the masks of one layer), `construction` (the record), `gaps` (how far it can be from its target), `pair` and
`double_depth` (the random network of twice the depth), `one_more_layer`, `written_edges` (two others), `agreement` (the check),
`failure_rates` (how often a weight cannot be written), `signs_by_depth` (what random signs would need).
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.tickets.constructions.agreement import (
        Agreement,
        agreement,
        attacked,
        batched,
        collapsed_function,
        compact,
    )
    from ticketlab.tickets.constructions.construction import (
        Construction,
        LayerReport,
        masked,
        require_untouched,
    )
    from ticketlab.tickets.constructions.double_depth import DoubleDepth
    from ticketlab.tickets.constructions.failure_rates import (
        Pools,
        Sums,
        Windows,
        absorbed,
        density,
        exchanged,
        expected_hits,
        failure_chance,
        law,
        lueker,
        needed,
        one_product,
        over_signs,
        pools,
        reached,
        shortfall,
    )
    from ticketlab.tickets.constructions.gaps import Collapsed, Gap, certificate, gaps, spectral_norm
    from ticketlab.tickets.constructions.laws import HeNormal, Hyperbolic, Law, Uniform
    from ticketlab.tickets.constructions.one_more_layer import OneMoreLayer
    from ticketlab.tickets.constructions.searches import (
        FittingSum,
        GoldenBins,
        PickOne,
        Search,
        SubsetSum,
        reaches_all,
    )
    from ticketlab.tickets.constructions.signs_by_depth import SignNetwork, sign_network
    from ticketlab.tickets.constructions.subset_sum import closest, smallest
    from ticketlab.tickets.constructions.target import Target
    from ticketlab.tickets.constructions.written_edges import WrittenEdges

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "agreement": ["Agreement", "agreement", "attacked", "batched", "collapsed_function", "compact"],
        "construction": ["Construction", "LayerReport", "masked", "require_untouched"],
        "double_depth": ["DoubleDepth"],
        "failure_rates": [
            "Pools",
            "Sums",
            "Windows",
            "absorbed",
            "density",
            "exchanged",
            "expected_hits",
            "failure_chance",
            "law",
            "lueker",
            "needed",
            "one_product",
            "over_signs",
            "over_signs",
            "pools",
            "reached",
            "shortfall",
        ],
        "gaps": ["Collapsed", "Gap", "certificate", "gaps", "spectral_norm"],
        "laws": ["HeNormal", "Hyperbolic", "Law", "Uniform"],
        "one_more_layer": ["OneMoreLayer"],
        "searches": ["FittingSum", "GoldenBins", "PickOne", "Search", "SubsetSum", "reaches_all"],
        "signs_by_depth": ["SignNetwork", "sign_network"],
        "subset_sum": ["closest", "smallest"],
        "target": ["Target"],
        "written_edges": ["WrittenEdges"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # what shall come out, and what is drawn
    "Target",
    "Law",
    "Uniform",
    "HeNormal",
    "Hyperbolic",
    # how a weight is written
    "Search",
    "SubsetSum",
    "PickOne",
    "FittingSum",
    "GoldenBins",
    "reaches_all",
    "closest",
    "smallest",
    # the constructions
    "DoubleDepth",
    "OneMoreLayer",
    "WrittenEdges",
    "SignNetwork",
    "sign_network",
    "Construction",
    "LayerReport",
    "masked",
    # the check
    "require_untouched",
    "agreement",
    "Agreement",
    "attacked",
    "batched",
    "collapsed_function",
    "compact",
    "Collapsed",
    "Gap",
    "gaps",
    "certificate",
    "spectral_norm",
    # how often a weight cannot be written
    "Pools",
    "pools",
    "exchanged",
    "law",
    "shortfall",
    "needed",
    "reached",
    "Windows",
    "absorbed",
    "Sums",
    "density",
    "expected_hits",
    "failure_chance",
    "one_product",
    "over_signs",
    "lueker",
]
