"""Subnetworks as tickets: masks, their comparison, and the searches that find them."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.tickets.actions import (
        Acted,
        Constant,
        Frozen,
        FrozenIfGrown,
        FrozenIfShrunk,
        MaskOne,
        MaskZero,
        Reinitialise,
        Reshuffle,
        Rewind,
        Zero,
        acted,
        laid,
    )
    from ticketlab.tickets.barriers import Lines, barrier, lines, peak
    from ticketlab.tickets.biprop import Binarised, Biprop
    from ticketlab.tickets.contributions import (
        Contributions,
        all_subsets,
        first_order_contributions,
        sampled_contributions,
        shapley_densities,
    )
    from ticketlab.tickets.control_names import Control
    from ticketlab.tickets.controls import CONTROLS, controls
    from ticketlab.tickets.criteria import (
        LargeBoth,
        LargeFinal,
        LargeInitial,
        MagnitudeIncrease,
        Movement,
        Random,
        SmallFinal,
        WeightCriterion,
    )
    from ticketlab.tickets.criterion import Criterion, Seen, chosen, stages
    from ticketlab.tickets.dynamic import Dynamic, Gradual, Regrowth, Sparse, regrown, trained_sparse
    from ticketlab.tickets.edge_popup import EdgePopup
    from ticketlab.tickets.instability import (
        Copies,
        beside_the_dense,
        copy_pairs,
        first_copies,
        read_copies,
        trained_copies,
        written_copies,
    )
    from ticketlab.tickets.largest import largest
    from ticketlab.tickets.learned import ScoredMask, counts_at, require_frozen
    from ticketlab.tickets.learned_edges import LearnedEdges
    from ticketlab.tickets.magnitude import (
        DENSE,
        TICKET,
        Arm,
        Companions,
        Level,
        Search,
        first_level,
        next_level,
        trained,
    )
    from ticketlab.tickets.masks import (
        Mask,
        density,
        full_mask,
        kept,
        layer_densities,
        mask_of,
        over_parameters,
        prunable_layers,
        prunable_weights,
        weights_of,
    )
    from ticketlab.tickets.motion import Motion, bits, cosine, motion
    from ticketlab.tickets.multigraph import Edges, edges_of, shuffled_edges, summed
    from ticketlab.tickets.narrow import embedded, nearest_size, units_kept
    from ticketlab.tickets.overlap import intersection, jaccard, transported, union
    from ticketlab.tickets.pruned import Residue, require_pruned, residue
    from ticketlab.tickets.random_masks import erdos_renyi_counts, random_mask, shuffled
    from ticketlab.tickets.ranking import Counts, Global, LayerWise, Pruning, best, highest, highest_overall
    from ticketlab.tickets.reach import effective_density, effective_mask
    from ticketlab.tickets.responses import Change, change, responses
    from ticketlab.tickets.saliency import Grasp, Snip, SynFlow
    from ticketlab.tickets.supermask import Supermask
    from ticketlab.tickets.ticket import Ticket, level_tickets
    from ticketlab.tickets.written import read_level, written_level

# Imported on first use, so that the choices do not import JAX.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "masks": [
            "Mask",
            "density",
            "full_mask",
            "kept",
            "layer_densities",
            "mask_of",
            "over_parameters",
            "prunable_layers",
            "prunable_weights",
            "weights_of",
        ],
        "criterion": ["Criterion", "Seen", "chosen", "stages"],
        "criteria": [
            "LargeBoth",
            "LargeFinal",
            "LargeInitial",
            "MagnitudeIncrease",
            "Movement",
            "Random",
            "SmallFinal",
            "WeightCriterion",
        ],
        "dynamic": ["Dynamic", "Gradual", "Regrowth", "Sparse", "regrown", "trained_sparse"],
        "motion": ["Motion", "bits", "cosine", "motion"],
        "multigraph": ["Edges", "edges_of", "shuffled_edges", "summed"],
        "responses": ["Change", "change", "responses"],
        "saliency": ["Grasp", "Snip", "SynFlow"],
        "actions": [
            "Acted",
            "Constant",
            "Frozen",
            "FrozenIfGrown",
            "FrozenIfShrunk",
            "MaskOne",
            "MaskZero",
            "Reinitialise",
            "Reshuffle",
            "Rewind",
            "Zero",
            "acted",
            "laid",
        ],
        "ranking": ["Counts", "Global", "LayerWise", "Pruning", "best", "highest", "highest_overall"],
        "random_masks": ["erdos_renyi_counts", "random_mask", "shuffled"],
        "overlap": ["intersection", "jaccard", "transported", "union"],
        "reach": ["effective_density", "effective_mask"],
        "pruned": ["Residue", "require_pruned", "residue"],
        "magnitude": [
            "DENSE",
            "TICKET",
            "Arm",
            "Companions",
            "Level",
            "Search",
            "first_level",
            "next_level",
            "trained",
        ],
        "largest": ["largest"],
        "learned": ["ScoredMask", "counts_at", "require_frozen"],
        "learned_edges": ["LearnedEdges"],
        "supermask": ["Supermask"],
        "edge_popup": ["EdgePopup"],
        "biprop": ["Binarised", "Biprop"],
        "narrow": ["embedded", "nearest_size", "units_kept"],
        "contributions": [
            "Contributions",
            "all_subsets",
            "first_order_contributions",
            "sampled_contributions",
            "shapley_densities",
        ],
        "control_names": ["Control"],
        "controls": ["CONTROLS", "controls"],
        "ticket": ["Ticket", "level_tickets"],
        "written": ["read_level", "written_level"],
        "barriers": ["Lines", "barrier", "lines", "peak"],
        "instability": [
            "Copies",
            "beside_the_dense",
            "copy_pairs",
            "first_copies",
            "read_copies",
            "trained_copies",
            "written_copies",
        ],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # masks
    "Mask",
    "prunable_layers",
    "prunable_weights",
    "weights_of",
    "full_mask",
    "mask_of",
    "over_parameters",
    "kept",
    "density",
    "layer_densities",
    # rules for which weights to keep
    "Pruning",
    "LayerWise",
    "Global",
    "Counts",
    "best",
    "highest",
    "highest_overall",
    # criteria: by weights before and after training, and by gradients before it
    "Criterion",
    "Seen",
    "chosen",
    "stages",
    "WeightCriterion",
    "LargeFinal",
    "SmallFinal",
    "LargeInitial",
    "MagnitudeIncrease",
    "Movement",
    "LargeBoth",
    "Random",
    "Snip",
    "Grasp",
    "SynFlow",
    # contributions of weights to subnetworks
    "sampled_contributions",
    "Contributions",
    "first_order_contributions",
    "all_subsets",
    "shapley_densities",
    # actions on kept and on removed weights
    "MaskOne",
    "Rewind",
    "Reinitialise",
    "Reshuffle",
    "Constant",
    "MaskZero",
    "Zero",
    "Frozen",
    "FrozenIfGrown",
    "FrozenIfShrunk",
    "Acted",
    "acted",
    "laid",
    # random masks
    "shuffled",
    "random_mask",
    "erdos_renyi_counts",
    # comparing masks
    "union",
    "intersection",
    "jaccard",
    "transported",
    "effective_mask",
    "effective_density",
    # iterative magnitude pruning
    "Search",
    "Level",
    "Arm",
    "Companions",
    "DENSE",
    "TICKET",
    "first_level",
    "trained",
    "next_level",
    "written_level",
    "read_level",
    "Ticket",
    "level_tickets",
    # masks learned over frozen weights
    "ScoredMask",
    "Supermask",
    "EdgePopup",
    "LearnedEdges",
    "Biprop",
    "Binarised",
    "largest",
    "counts_at",
    "require_frozen",
    # controls
    "Control",
    "CONTROLS",
    "controls",
    "nearest_size",
    "units_kept",
    "embedded",
    # masks that change during training
    "Dynamic",
    "Regrowth",
    "Gradual",
    "Sparse",
    "trained_sparse",
    "regrown",
    # effects of masks: on responses, in bits, in distance and direction
    "Change",
    "responses",
    "change",
    "Motion",
    "motion",
    "cosine",
    "bits",
    # the multigraph, whose masks write any weights
    "Edges",
    "edges_of",
    "summed",
    "shuffled_edges",
    # lines between two networks
    "Lines",
    "lines",
    "barrier",
    "peak",
    # instability: copies that differ only in data order
    "Copies",
    "first_copies",
    "trained_copies",
    "copy_pairs",
    "beside_the_dense",
    "written_copies",
    "read_copies",
    # the proof
    "Residue",
    "residue",
    "require_pruned",
]
