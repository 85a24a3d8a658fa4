"""The tables of the study `masking-is-training`, from the rows that a seed leaves."""

from __future__ import annotations

from collections.abc import Mapping

from ticketlab.claims.rows import Rows
from ticketlab.evidence.tables import Table

__all__ = ["masking_tables"]


def masking_tables(rows: Rows) -> dict[str, Table]:
    """All tables, by name."""
    return {
        name: Table.from_rows(
            name,
            of,
            units=_UNITS.get(name),
            meanings={**_MEANINGS, **_OWN.get(name, {})},
            measured=name == "timings",
        )
        for name, of in rows.items()
    }


_UNITS: Mapping[str, Mapping[str, str]] = {"timings": {"seconds": "s", "rate": "1/s"}}
_MEANINGS: Mapping[str, str] = {
    "level": "rounds of the rule of pruning",
    "decisive": "whether the question is decided at this level",
    "density": "the fraction of the weights that is kept",
    "criterion": "by which the mask is chosen; random-equal-layers is the chosen mask shuffled within each layer",
    "one": "what becomes of the weights that are kept",
    "zero": "what becomes of those that are not",
    "trained_score": "at the step of the lowest validation loss, where the network was trained",
    "early_stop_step": "that step",
    "kept": "weights that are kept",
    "mask_bits": "log₂ of how many masks have as many weights in each layer",
    "flipped": "the share of the kept weights whose sign training changed",
    "shrank": "the share of the removed weights that training made smaller",
    "moved": "‖Δ‖/‖θ_i‖ over all weights",
    "motion_bits": "Σ ‖Δ‖²/(2 σ² ln 2) of the motion that putting weights to zero is, σ the layer's initial scatter",
    "aligned": "the cosine of that motion with the one of training",
    "decorrelation": "1 − correlation of a unit's response before and after masking, mean over the layer's units",
    "lower": "its lower quartile over units",
    "upper": "its upper quartile over units",
    "relative_change": "root mean square of the change of response over that of the response, mean over units",
    "removed": "removed parameters of all networks",
    "parameters_left": "of these, how many are not exactly zero in the state at the end",
    "best": "how many are not exactly zero at the early stop",
    "moments": "how many of the optimiser's moments of removed parameters are not exactly zero",
    "network_steps": "steps times networks",
    "as_good": "random masks with a test score at least that of the chosen one",
}
_OWN: Mapping[str, Mapping[str, str]] = {
    "arms": {"test_score": "of the untrained network"},
    "chance": {
        "test_score": "of the untrained network under a random mask with the chosen mask's layer counts"
    },
    "dense": {
        "test_score": "of the trained dense network, at the step of the lowest validation loss",
        "untrained_score": "of the network as it was drawn",
        "moved": "‖θ_f − θ_i‖/‖θ_i‖ over all weights",
        "bits": "Σ ‖Δ‖²/(2 σ² ln 2) of the motion of training",
    },
    "surprise": {"bits": "−log₂ of the share of masks as good as the chosen one, itself among them"},
    "multigraph": {
        "bits": "b: every parameter has 2b edges, of weight ±S·2^−k with k from 1 to b",
        "test_score": "under the mask that writes the trained weights to b bits",
        "random_score": "under a random mask with equally many edges for each array of parameters",
        "train_score": "on permuted training labels, under the mask that training on them gives",
    },
    "memorised": {"train_score": "on permuted training labels, untrained"},
    "examples": {
        "mask": "the score under the chosen mask, untrained; the other columns likewise",
        "random": "mean over random masks with as many weights in every layer",
        "guess": "always answering with the most frequent class",
        "permuted": "under the mask found on permuted labels",
        "shrunk": "with zero for those removed weights that training made smaller, and the others as they were drawn",
        "grown": "with zero for those removed weights that training made larger",
        "drawn": "the network as it was drawn",
        "shrunk_twin": "with zero for equally many removed weights in each layer, chosen at random; mean over draws",
        "grown_twin": "the same, for those that training made larger",
        "multigraph": "the multigraph under the mask that writes the trained weights",
        "shrunk_permuted": "with zero for those removed weights that training on permuted labels made smaller",
        "trained": "of the trained dense network, at the step of the lowest validation loss",
    },
}
