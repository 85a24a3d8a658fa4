"""Infinite width: the kernels of a network's own stages in the limit, and the posteriors that follow from them."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.infinite.binary_labels import (
        BinaryPosterior,
        Likelihood,
        expectation_propagation,
    )
    from ticketlab.infinite.kernel import Kernels, kernel_function, kernels, kernels_diagonal
    from ticketlab.infinite.orthants import OrthantProbability, orthant_probability
    from ticketlab.infinite.several_classes import LaplacePosterior, laplace
    from ticketlab.infinite.slices import (
        Slices,
        effective_draws,
        orthant_slices,
        probit_slices,
        split_r_hat,
    )
    from ticketlab.infinite.square_loss import Posterior, TrainedLaw, posterior, trained_law

# Imported on first use, because they import JAX and SciPy.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "binary_labels": ["BinaryPosterior", "Likelihood", "expectation_propagation"],
        "kernel": ["Kernels", "kernel_function", "kernels", "kernels_diagonal"],
        "several_classes": ["LaplacePosterior", "laplace"],
        "orthants": ["OrthantProbability", "orthant_probability"],
        "slices": ["Slices", "effective_draws", "orthant_slices", "probit_slices", "split_r_hat"],
        "square_loss": ["Posterior", "TrainedLaw", "posterior", "trained_law"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # kernels
    "kernels",
    "kernels_diagonal",
    "kernel_function",
    "Kernels",
    # square loss
    "posterior",
    "Posterior",
    "trained_law",
    "TrainedLaw",
    # classes
    "expectation_propagation",
    "BinaryPosterior",
    "Likelihood",
    "laplace",
    "LaplacePosterior",
    "orthant_slices",
    "probit_slices",
    "Slices",
    "orthant_probability",
    "OrthantProbability",
    "split_r_hat",
    "effective_draws",
]
