"""What is read from the tables of `same-ticket`: how a mask's share grows, and how alike the ticket's motions are."""

from __future__ import annotations

import numpy as np

from ticketlab.laws.formulae import Tables

__all__ = [
    "ALONE", "CHANCE_MASK", "END", "PERMUTED", "REST", "START", "TEACHER", "TICKET", "TRAINED", "TWIN", "UNTRAINED", "cosines",
    "growth", "growths", "index", "span",
]  # fmt: skip

TRAINED, TWIN, PERMUTED, ALONE = "trained", "twin", "permuted labels", "alone"
TEACHER = "teacher's labels"
UNTRAINED = "untrained"
TICKET, REST, CHANCE_MASK = "ticket", "rest", "chance mask"
START, END = "start", "end"  # the looks between which a network is judged


def growths(tables: Tables, labels: str, kind: str = "norm", mask: str = TICKET) -> np.ndarray:
    """g by seed: by how much the share of a mask has grown from the start to the end, in logarithms. On permuted labels the end
    is the look at which the weights have moved as far as on true ones.

    Motion and gradient have no share at θ₀, so that g is log r(T) for them.

    Arguments:
        labels: "true" or "permuted".
        kind: "norm", "motion" or "gradient".
        mask: by its name; the ticket by default.
    """
    rows = tables["shares"].where(labels=labels, kind=kind, mask=mask)
    rows = rows.taken(np.isin(rows["at"], (START, END)))
    return np.array(
        [growth(of["step"], of["share"], of["stratified"], kind) for of in rows.by_seed().by("seed").values()]
    )


def growth(step: np.ndarray, shares: np.ndarray, chance: np.ndarray, kind: str = "norm") -> float:
    """g of one seed, from the first step to the last."""
    ratio = np.log(shares.astype(float)) - np.log(chance.astype(float))
    first, last = int(np.argmin(step)), int(np.argmax(step))
    return float(ratio[last] - (ratio[first] if kind == "norm" else 0.0))


def index(tables: Tables, which: str) -> np.ndarray:
    """S = (c − c₀)/(c_twin − c₀), by seed: how much the ticket moves elsewhere as it does in the trained network.

    c is the cosine of the two motions of its weights from θ₀, and c₀ that of permuted labels, or 0 where this is larger. Weights
    themselves would be alike because of θ₀, which they share. A ticket that is not trained does not move, so c = 0 and S ≤ 0.
    """
    return np.asarray((cosines(tables, which) - _null(tables)) / np.maximum(span(tables), 1e-9))


def cosines(tables: Tables, which: str) -> np.ndarray:
    found: np.ndarray = tables["weights"].by_seed().where(of=which)["cosine"].astype(float)
    return found


def _null(tables: Tables) -> np.ndarray:
    """c₀, by seed."""
    return np.maximum(cosines(tables, PERMUTED), 0.0)


def span(tables: Tables) -> np.ndarray:
    """c_twin − c₀, by seed."""
    return cosines(tables, TWIN) - _null(tables)
