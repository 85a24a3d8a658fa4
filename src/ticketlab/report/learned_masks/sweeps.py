"""How tickets change with density and with width, beside random masks and the dense network; and how they are learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ticketlab.report.axes import axis, linear_axis
from ticketlab.report.figure import Figure, Panel, chart
from ticketlab.report.learned_masks.arms import CHANCE, DENSE, LABELS, TICKET
from ticketlab.report.lines import line, with_intervals
from ticketlab.report.palette import LIGHT, Mark
from ticketlab.report.spread import Spread, spread
from ticketlab.report.wording import estimate, fixed, plural, quantity
from ticketlab.studies.evidence import Table

__all__ = ["densities", "training", "widths"]

LINE = Mark(DENSE.label, DENSE.colour, dash="dash", line=True)
DECISIVE = Mark("where the question is decided", LIGHT.rule, line=True)
CURVES = {
    "ticket": Mark(LABELS["ticket"], LIGHT.blue),
    "mask": Mark(LABELS["mask"], LIGHT.green, dash="dot"),
    "permuted": Mark(LABELS["permuted"], LIGHT.ink, dash="dot"),
    "binarised": Mark(LABELS["binarised"], LIGHT.orange, dash="dashdot"),
    "dense": Mark(LABELS["dense"], LIGHT.vermilion, dash="dash"),
}


def densities(arms: Table) -> Figure | None:
    """Test score against the density that was asked for."""
    whole = arms.where(size=1.0)
    own = _own(whole)
    if own is None or not len(whole.where(arm="density")):
        return None
    asked = sorted({*whole.where(arm="density")["asked"].tolist(), own["asked"]})

    def at(density: float, arm: str, other: str) -> Spread:
        return spread(
            100 * whole.where(arm=arm if density == own["asked"] else other, asked=density)["test_score"]
        )

    mine, chance = (
        [at(d, *pair) for d in asked] for pair in (("ticket", "density"), ("random", "random density"))
    )
    dense = spread(100 * whole.where(arm="dense")["test_score"])
    ticks = [100 * d for d in asked]
    x = axis(
        "weights kept, %", type="log", range=np.log10([0.85 * ticks[0], 1.15 * ticks[-1]]).tolist(),
        tickvals=ticks, ticktext=[quantity(float(f"{t:.3g}")) for t in ticks],
    )  # fmt: skip
    best = int(np.argmax([s.mean for s in mine]))
    title = (
        f"The best ticket keeps {_percent(asked[best])} of the weights and scores {fixed(mine[best].mean, 1)} %; the dense "
        f"network, trained, {fixed(dense.mean, 1)} %"
    )
    return _sweep(
        "densities",
        title,
        "the density",
        ticks,
        x,
        mine,
        chance,
        [dense] * len(asked),
        100 * own["asked"],
        " %",
        whole,
    )


def widths(arms: Table) -> Figure | None:
    """Test score against width."""
    sizes = sorted(set(arms["size"].tolist()))
    if len(sizes) < 2 or not len(arms.where(arm="ticket")):
        return None
    mine, chance, dense = (
        [spread(100 * arms.where(arm=arm, size=s)["test_score"]) for s in sizes]
        for arm in ("ticket", "random", "dense")
    )
    x = axis(
        "width, as a factor on the network's", type="log", range=np.log10([0.85 * sizes[0], 1.18 * sizes[-1]]).tolist(),
        tickvals=sizes, ticktext=[_factor(s) for s in sizes],
    )  # fmt: skip
    title = (
        f"From {_factor(sizes[0])} to {_factor(sizes[-1])} times the width the ticket goes from {fixed(mine[0].mean, 1)} to "
        f"{fixed(mine[-1].mean, 1)} %, the dense network from {fixed(dense[0].mean, 1)} to {fixed(dense[-1].mean, 1)} %"
    )
    return _sweep("widths", title, "the width", sizes, x, mine, chance, dense, 1.0, "", arms)


def _sweep(
    key: str,
    title: str,
    against: str,
    at: Sequence[float],
    x: dict[str, object],
    mine: list[Spread],
    chance: list[Spread],
    dense: list[Spread],
    decided: float,
    unit: str,
    arms: Table,
) -> Figure:
    """Two panels: all three on a scale from zero, and the ticket beside the dense network."""
    rule = {"type": "line", "x0": decided, "x1": decided, "yref": "paper", "y0": 0, "y1": 1}
    shapes = [{**rule, "line": {"color": LIGHT.rule, "width": 2}, "layer": "below"}]
    seeds = plural(len(set(arms["seed"].tolist())), "seed")
    panels = []
    for name, parts in (
        ("all", ((mine, TICKET), (chance, CHANCE), (dense, DENSE))),
        ("without the random mask", ((mine, TICKET), (dense, DENSE))),
    ):
        ends = [v for spreads, _ in parts for s in spreads for v in (s.mean, *(s.interval or ()))]
        y = linear_axis("test score, %", ends, include=0.0 if name == "all" else None)
        traces = [with_intervals(at, spreads, mark, unit) for spreads, mark in parts]
        words = tuple(
            f"{mark.label} at {quantity(float(f'{v:.3g}'))}{unit}: {estimate(s.mean, s.interval)} %."
            for spreads, mark in parts
            for v, s in zip(at, spreads, strict=True)
        )
        panels.append(Panel(name, chart(traces, x=x, y=y, height=280, shapes=shapes), words))
    caption = (
        f"Test score against {against}: means over {seeds} with 95 % intervals. The upright line is where the question is "
        "decided, which was fixed before the runs."
    )
    return Figure(key, title, caption, tuple(panels), (TICKET, CHANCE, DENSE, DECISIVE))


def training(curves: Table) -> Figure | None:
    """Validation score by step, of the setting that decides: a search may take longer than training."""
    setting = curves["setting"][0]
    of = curves.where(setting=setting)
    shown = [arm for arm in CURVES if len(of.where(arm=arm))]
    traces, words = [], []
    for arm in shown:
        rows = of.where(arm=arm)
        steps = np.array(sorted(set(rows["step"].tolist())))
        mean = np.array([100 * float(np.mean(rows.where(step=int(s))["validation_score"])) for s in steps])
        traces.append(line(steps, mean, CURVES[arm], CURVES[arm].label, width=2))
        words.append(
            f"{CURVES[arm].label}: {fixed(mean[len(mean) // 2], 1)} % half way, {fixed(mean[-1], 1)} % at the end."
        )
    x = linear_axis("step", of["step"].tolist(), include=0.0)
    y = linear_axis("validation score, %", (100 * of["validation_score"]).tolist(), include=0.0)
    return Figure(
        "training",
        "How masks and weights are learned",
        f"Validation score on the true labels by step, means over seeds ({setting}). Nothing was chosen by it.",
        (Panel("", chart(traces, x=x, y=y, height=300), tuple(words)),),
        tuple(CURVES[arm] for arm in shown),
    )


def _own(arms: Table) -> dict[str, float] | None:
    """A row of the ticket that decides."""
    rows = arms.where(arm="ticket").rows()
    return rows[0] if rows else None


def _percent(density: float) -> str:
    return f"{quantity(float(f'{100 * density:.3g}'))} %"


def _factor(size: float) -> str:
    """A width as a fraction where it is one: "1/8"."""
    return f"1/{round(1 / size)}" if size < 1 and abs(1 / size - round(1 / size)) < 1e-9 else f"{size:g}"
