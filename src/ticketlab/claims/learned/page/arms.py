"""Kinds of networks side by side, a row each: distributions of the frozen weights, binary networks, and what was memorised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.spread import Spread, spread
from ticketlab.figures.wording import estimate, fixed, listed

__all__ = ["LABELS", "kinds", "memory", "prizes"]

TICKET, CHANCE = (
    Mark("learned mask", LIGHT.blue, "circle"),
    Mark("random mask of equal counts", LIGHT.ink, "x"),
)
DENSE = Mark("dense network, weights trained", LIGHT.vermilion, "square")
TRAIN, TEST = (
    Mark("on the labels it learnt from", LIGHT.orange, "diamond"),
    Mark("on test data, true labels", LIGHT.blue),
)
LABELS = {
    "ticket": "ticket: learned mask, frozen weights",
    "random": "random mask of equal counts",
    "mask": "learned mask of full precision",
    "random mask": "random mask, full precision",
    "binarised": "binary weights, trained",
    "dense": "weights trained",
    "permuted": "learned mask, permuted labels",
    "permuted dense": "weights trained, permuted labels",
    "density": "learned mask of another density",
    "random density": "random mask of that density",
    "distribution": "learned mask, other distribution",
    "random distribution": "random mask, other distribution",
}
TITLES = {
    "ticket": "ticket: learned mask over signs",
    "mask": "learned mask, full-precision weights",
    "binarised": "trained binary weights",
    "dense": "trained full-precision weights",
}
DISTRIBUTIONS = {"normal": "normal", "uniform": "uniform", "signed-constant": "± one constant"}


def kinds(arms: Table) -> Figure | None:
    """Test score by the distribution of the frozen weights."""
    whole = arms.where(size=1.0)
    shown = [d for d in DISTRIBUTIONS if len(whole.where(distribution=d))]
    if len(shown) < 2:
        return None
    each = {
        d: (_both(whole, d, "ticket", "distribution"), _both(whole, d, "random", "random distribution"))
        for d in shown
    }
    rows = [
        Row(
            DISTRIBUTIONS[d],
            (Series(TICKET, m.values, m.mean, m.interval),),
            f"{estimate(m.mean, m.interval)} %, random mask {fixed(c.mean, 1)} %",
        )
        for d, (m, c) in each.items()
    ]
    values = [v for m, _ in each.values() for v in (*m.values, *(m.interval or ()))]
    chart = row_chart(rows, x=linear_axis("test score, %", values))
    words = tuple(
        f"{DISTRIBUTIONS[d]}: learned mask {estimate(m.mean, m.interval)} %, random mask {estimate(c.mean, c.interval)} %."
        for d, (m, c) in each.items()
    )
    said = listed([f"{fixed(m.mean, 1)} % ({DISTRIBUTIONS[d]})" for d, (m, _) in each.items()])
    return Figure(
        "distributions",
        f"Tickets over frozen weights of each distribution score {said}",
        "Test score by the distribution of the frozen weights, all of the same variance: filled signs are means, bars their 95 % "
        "intervals, open signs single seeds. Random masks are given in digits.",
        (Panel("", chart, words),),
        (TICKET,),
    )


def prizes(arms: Table) -> Figure | None:
    """Test score of every arm: a panel for binary weights, and one for binary weights and activations."""
    names = [a for a in ("ticket", "mask", "binarised", "dense") if len(arms.where(arm=a))]
    if "ticket" not in names or "dense" not in names:
        return None
    settings = sorted(set(arms["setting"].tolist()))
    measured = {
        (s, a): spread(100 * arms.where(setting=s, arm=a)["test_score"]) for s in settings for a in names
    }
    x = linear_axis("test score, %", [v for m in measured.values() for v in (*m.values, *(m.interval or ()))])
    panels = []
    for s in settings:
        signs = "activations" in s
        rows = []
        for a in names:
            m, mark = measured[s, a], TICKET if a in ("ticket", "mask") else DENSE
            rows.append(
                Row(
                    TITLES[a],
                    (Series(mark, m.values, m.mean, m.interval),),
                    f"{estimate(m.mean, m.interval)} %",
                )
            )
        words = tuple(
            f"{TITLES[a]}: {estimate(measured[s, a].mean, measured[s, a].interval)} %." for a in names
        )
        chance = spread(100 * arms.where(setting=s, arm="random")["test_score"])
        said = f"Random mask of equal counts over the same signs: {estimate(chance.mean, chance.interval)} %."
        name = "sign activations" if signs else "the activation function that was chosen"
        panels.append(Panel(name, row_chart(rows, x=x), (*words, said)))
    full = next(measured[s, "dense"] for s in settings if "activations" not in s or len(settings) == 1)
    said = "; ".join(f"{s} {fixed(measured[s, 'ticket'].mean, 1)} %" for s in settings)
    return Figure(
        "prizes",
        f"Tickets whose weights were never trained score: {said}; the trained network of full precision {fixed(full.mean, 1)} %",
        "Test score: filled signs are means, bars their 95 % intervals, open signs single seeds.",
        tuple(panels),
        (
            Mark("weights frozen, mask learned", TICKET.colour, "circle"),
            Mark("weights trained", DENSE.colour, "square"),
        ),
    )


def memory(arms: Table) -> Figure | None:
    """What is learnt from true and from permuted labels: the score on the labels it learnt from, and on test data."""
    if not len(arms.where(arm="permuted")):
        return None
    setting = arms.where(arm="permuted")["setting"][0]
    whole = arms.where(setting=setting)
    shown = [a for a in ("ticket", "permuted", "dense", "permuted dense") if len(whole.where(arm=a))]
    of = {a: [spread(100 * whole.where(arm=a)[c]) for c in ("train_score", "test_score")] for a in shown}
    rows = [
        Row(
            LABELS[a],
            tuple(Series(mark, (), s.mean, s.interval) for mark, s in zip((TRAIN, TEST), of[a], strict=True)),
            f"{fixed(of[a][0].mean, 1)} %, {fixed(of[a][1].mean, 1)} %",
        )
        for a in shown
    ]
    words = tuple(
        f"{LABELS[a]}: {estimate(t.mean, t.interval)} % of the labels it learnt from, {estimate(s.mean, s.interval)} % on "
        "test data."
        for a, (t, s) in of.items()
    )
    fitted, found = of["permuted"]
    return Figure(
        "memory",
        f"Over permuted labels the search fits {fixed(fitted.mean, 1)} % of the training labels, and on true labels scores "
        f"{fixed(found.mean, 1)} %",
        "How much is memorised: scores on the training labels that were learnt from, and on test data with true labels; "
        "means over seeds with 95 % intervals.",
        (Panel("", row_chart(rows, x=linear_axis("score, %", _ends(of.values()), include=0.0)), words),),
        (TRAIN, TEST),
    )


def _ends(spreads: Iterable[Sequence[Spread]]) -> list[float]:
    return [v for pair in spreads for s in pair for v in (s.mean, *(s.interval or ()))]


def _both(arms: Table, distribution: str, own: str, other: str) -> Spread:
    """The measurements of one distribution, which stands with the ticket where it is the network's own."""
    of = arms.where(distribution=distribution)
    found = of.where(arm=other) if len(of.where(arm=other)) else of.where(arm=own)
    return spread(100 * np.asarray(found["test_score"], float))
