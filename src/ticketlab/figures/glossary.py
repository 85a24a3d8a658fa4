"""Words of the laboratory, explained on a page where they first appear."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from types import MappingProxyType

__all__ = ["TERMS", "Glossary"]

TERMS: Mapping[str, str] = MappingProxyType(
    {
        "f₀ kept": "the function includes the output f₀ of the random network, to which the linearised model adds",
        "f₀ centred": "the output f₀ of the random network is subtracted first, so that the function begins at zero",
        "seed": "one independent repetition, with its own random network and its own order of the data",
        "ticket": "a subnetwork: the weights that a mask keeps, at the values named; all others are zero",
        "mask": "says for each weight whether it is kept or removed",
        "random mask": "keeps equally many weights, chosen by chance",
        "rewind step": "the step k of training to which the kept weights are reset; 0 is the random start",
        "rewound": "put back to the values that they had when they were drawn",
        "barrier": "by how much the error rises on the straight line between two networks, above the mean of its ends",
        "early stop": "the step at which the validation loss is lowest",
        "dense network": "the network with all its weights",
        "headroom": "what lies between always guessing the most frequent class and 100 %",
        "Newton step": "the step to the minimum of the loss in the linearised model",
        "gradient step": "one step along the negative gradient, of the length that ends nearest to training",
        "flow": "gradient descent in infinitely small steps",
        "read-out layer": "the last layer, trained alone",
        "minimum-norm limit": "the solution as the ridge goes to zero",
        "ridge": "the weight λ of the penalty ½λ‖Δθ‖², which keeps the motion small",
        "NTK": "the parameterisation in which widening a network makes its tangent kernel constant",
        "μP": "the parameterisation in which features keep changing at any width",
        "permuted labels": "labels that were exchanged among the examples at random, so that nothing can be learnt from them",
        "side question": "does not count for the claim as a whole",
    }
)


class Glossary:
    """Which words a page has not explained yet."""

    def __init__(self, terms: Mapping[str, str] = TERMS) -> None:
        self._left = dict(terms)

    def explain(self, *texts: str) -> str:
        """The words that appear in these texts for the first time, with what they mean, as a paragraph; empty for none."""
        text = " ".join(texts)
        new = [term for term in self._left if re.search(rf"(?<!\w){re.escape(term)}s?(?!\w)", text)]
        if not new:
            return ""
        items = "; ".join(f"<dfn>{escape(term)}</dfn>: {escape(self._left.pop(term))}" for term in new)
        return f'<p class="terms">{items}.</p>'
