"""Which function? The laws over functions that training and random networks give, drawn, counted and compared.

Reading order: `label_strings`, `counting`, `sampler`, `collecting`; the samplers `training_runs`, `random_networks`,
`gaussian_bounces`, `weight_slices`; and what two tables of counts say, `coverage`, `total_variation`, `power_relation`, `coarse`,
`error_matched`.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.functions.coarse import (
        Marginals,
        energy_distance,
        error_spectrum,
        marginals,
        mean_errors,
        same_labels,
        spectrum_distance,
    )
    from ticketlab.functions.collecting import Collected, Keeping, KeptFile, collect
    from ticketlab.functions.counting import STREAMS, Counts, Tally, aligned
    from ticketlab.functions.coverage import UnseenMass, repeat_probability, unseen_mass
    from ticketlab.functions.error_matched import matched_lower_bound, matched_probability, rank_within_errors
    from ticketlab.functions.gaussian_bounces import GaussianBounces
    from ticketlab.functions.label_strings import differences, distances, packed, text, unpacked
    from ticketlab.functions.power_relation import Agreement, LogLogFit, agreement, loglog_fit
    from ticketlab.functions.random_networks import RandomNetworks, expected_acceptances
    from ticketlab.functions.sampler import Drawn, Sampler, State
    from ticketlab.functions.tangent_solutions import TangentSolutions, tangent_outputs
    from ticketlab.functions.total_variation import (
        Bound,
        Corrected,
        corrected_total_variation,
        lower_bound,
        plug_in,
        upper_bound,
    )
    from ticketlab.functions.training_runs import TrainingRuns, binary_targets
    from ticketlab.functions.variance_split import VarianceSplit, variance_split
    from ticketlab.functions.weight_slices import WeightSlices

# Imported on first use, because they import JAX and SciPy.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "power_relation": ["Agreement", "LogLogFit", "agreement", "loglog_fit"],
        "coarse": [
            "Marginals",
            "energy_distance",
            "error_spectrum",
            "marginals",
            "mean_errors",
            "same_labels",
            "spectrum_distance",
        ],
        "collecting": ["Collected", "Keeping", "KeptFile", "collect"],
        "counting": ["STREAMS", "Counts", "Tally", "aligned"],
        "coverage": ["UnseenMass", "repeat_probability", "unseen_mass"],
        "error_matched": ["matched_lower_bound", "matched_probability", "rank_within_errors"],
        "gaussian_bounces": ["GaussianBounces"],
        "label_strings": ["differences", "distances", "packed", "text", "unpacked"],
        "random_networks": ["RandomNetworks", "expected_acceptances"],
        "sampler": ["Drawn", "Sampler", "State"],
        "tangent_solutions": ["TangentSolutions", "tangent_outputs"],
        "total_variation": [
            "Bound",
            "Corrected",
            "corrected_total_variation",
            "lower_bound",
            "plug_in",
            "upper_bound",
        ],
        "training_runs": ["TrainingRuns", "binary_targets"],
        "variance_split": ["VarianceSplit", "variance_split"],
        "weight_slices": ["WeightSlices"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # functions and how often they were drawn
    "packed",
    "unpacked",
    "text",
    "differences",
    "distances",
    "Counts",
    "Tally",
    "aligned",
    "STREAMS",
    # samplers
    "Sampler",
    "State",
    "Drawn",
    "TrainingRuns",
    "binary_targets",
    "RandomNetworks",
    "expected_acceptances",
    "GaussianBounces",
    "WeightSlices",
    "TangentSolutions",
    "tangent_outputs",
    "collect",
    "Collected",
    "Keeping",
    "KeptFile",
    # two laws compared
    "unseen_mass",
    "UnseenMass",
    "repeat_probability",
    "plug_in",
    "lower_bound",
    "corrected_total_variation",
    "upper_bound",
    "Bound",
    "Corrected",
    "loglog_fit",
    "LogLogFit",
    "agreement",
    "Agreement",
    "marginals",
    "same_labels",
    "Marginals",
    "error_spectrum",
    "mean_errors",
    "spectrum_distance",
    "energy_distance",
    "matched_probability",
    "matched_lower_bound",
    "rank_within_errors",
    # one law by its sources of chance
    "variance_split",
    "VarianceSplit",
]
