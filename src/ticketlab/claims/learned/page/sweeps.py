"""How tickets change with density and with width, beside random masks and the dense network; and how they are learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ticketlab.claims.learned.page.arms import CHANCE, DENSE, LABELS, TICKET
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import axis, linear_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.lines import line, with_intervals
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.spread import spread
from ticketlab.figures.wording import estimate, fixed, plural, quantity

__all__ = ["densities", "training", "widths"]

DECISIVE = Mark("where the question is decided", LIGHT.rule, line=True)
CURVES = {
    "ticket": Mark(LABELS["ticket"], LIGHT.blue, line=True),
    "mask": Mark(LABELS["mask"], LIGHT.green, dash="dot", line=True),
    "permuted": Mark(LABELS["permuted"], LIGHT.ink, dash="dot", line=True),
    "binarised": Mark(LABELS["binarised"], LIGHT.orange, dash="dashdot", line=True),
    "dense": Mark(LABELS["dense"], LIGHT.vermilion, dash="dash", line=True),
}


def densities(arms: Table) -> Figure | None:
    """Test score against the density that was asked for."""
    whole = arms.where(size=1.0)
    own = _own(whole)
    if own is None or not len(whole.where(arm="density")):
        return None
    asked = sorted({*whole.where(arm="density")["asked"].tolist(), own["asked"]})

    def at(density: float, arm: str, other: str) -> np.ndarray:
        return _scores(whole.where(arm=arm if density == own["asked"] else other, asked=density))

    dense = _scores(whole.where(arm="dense"))
    sweep = _Sweep(
        at=[100 * d for d in asked],
        mine=[at(d, "ticket", "density") for d in asked],
        chance=[at(d, "random", "random density") for d in asked],
        dense=[dense] * len(asked),
        decided=100 * own["asked"],
        unit=" %",
    )
    means = [float(np.mean(m)) for m in sweep.mine]
    title = (
        f"With {_percent(asked[0])} to {_percent(asked[-1])} of the weights kept tickets score {fixed(min(means), 1)} to "
        f"{fixed(max(means), 1)} %; the dense network, trained, {fixed(float(np.mean(dense)), 1)} %"
    )
    texts = [quantity(float(f"{v:.3g}")) for v in sweep.at]
    return sweep.figure("densities", title, "the density", "weights kept, %", texts)


def widths(arms: Table) -> Figure | None:
    """Test score against width."""
    sizes = sorted(set(arms["size"].tolist()))
    if len(sizes) < 2 or not len(arms.where(arm="ticket")):
        return None
    mine, chance, dense = (
        [_scores(arms.where(arm=arm, size=s)) for s in sizes] for arm in ("ticket", "random", "dense")
    )
    ends = [[fixed(float(np.mean(each[i])), 1) for i in (0, -1)] for each in (mine, dense)]
    title = (
        f"From {_factor(sizes[0])} to {_factor(sizes[-1])} times the width the ticket goes from {ends[0][0]} to {ends[0][1]} %, "
        f"the dense network from {ends[1][0]} to {ends[1][1]} %"
    )
    name = "width, as a factor on the network's"
    sweep = _Sweep(sizes, mine, chance, dense, 1.0, "")
    return sweep.figure("widths", title, "the width", name, [_factor(s) for s in sizes])


@dataclass(frozen=True)
class _Sweep:
    """Scores of every seed, in per cent, at each of several densities or widths.

    Arguments:
        at: the densities, or widths.
        mine, chance, dense: of tickets, random masks and the dense network.
        decided: where the question is decided.
        unit: of `at`.
    """

    at: list[float]
    mine: list[np.ndarray]
    chance: list[np.ndarray]
    dense: list[np.ndarray]
    decided: float
    unit: str

    def figure(self, key: str, title: str, against: str, name: str, texts: list[str]) -> Figure:
        """Two panels: all three on a scale from zero, and how far the ticket is from the dense network."""
        ends = np.log10([0.85 * self.at[0], 1.18 * self.at[-1]]).tolist()
        x = axis(name, type="log", range=ends, tickvals=self.at, ticktext=texts)
        parts = [
            ([spread(v) for v in of], mark)
            for of, mark in ((self.mine, TICKET), (self.chance, CHANCE), (self.dense, DENSE))
        ]
        gaps = [spread(a - b) for a, b in zip(self.mine, self.dense, strict=True)]
        levels = linear_axis("test score, %", [s.mean for of, _ in parts for s in of], include=0.0)
        apart = linear_axis("points", [v for s in gaps for v in (s.mean, *(s.interval or ()), 0.0)])
        scores = [
            f"{mark.label} at {t}{self.unit}: {estimate(s.mean, s.interval)} %."
            for of, mark in parts
            for t, s in zip(texts, of, strict=True)
        ]
        distances = [
            f"At {t}{self.unit}: {estimate(s.mean, s.interval, sign=True)} points."
            for t, s in zip(texts, gaps, strict=True)
        ]
        drawn = [with_intervals(self.at, of, mark, self.unit) for of, mark in parts]
        seeds = plural(len(self.mine[0]), "seed")
        return Figure(
            key,
            title,
            f"Test score against {against}: means over {seeds} with 95 % intervals; at the right the ticket's score less the "
            "dense network's, seed by seed. The upright line is where the question is decided, which was fixed before the runs.",
            (
                Panel(
                    "test score",
                    self._chart(x, levels, drawn),
                    tuple(scores),
                ),
                Panel(
                    "learned mask less dense network",
                    self._chart(x, apart, [with_intervals(self.at, gaps, TICKET, self.unit)], zero=True),
                    tuple(distances),
                ),
            ),
            (TICKET, CHANCE, DENSE, DECISIVE),
        )

    def _chart(self, x: dict[str, Any], y: dict[str, Any], traces: list[Any], zero: bool = False) -> Any:
        upright = {"type": "line", "x0": self.decided, "x1": self.decided, "yref": "paper", "y0": 0, "y1": 1}
        level = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0}
        shapes = [{**upright, "line": {"color": LIGHT.rule, "width": 2}, "layer": "below"}]
        shapes += [{**level, "line": {"color": LIGHT.soft, "width": 1}, "layer": "below"}] if zero else []
        return chart(traces, x=x, y=y, height=280, shapes=shapes)


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


def _scores(rows: Table) -> np.ndarray:
    """In per cent, a number a seed, in the order of the seeds."""
    return 100 * np.asarray(rows["test_score"], float)


def _own(arms: Table) -> dict[str, Any] | None:
    """A row of the ticket that decides."""
    rows = arms.where(arm="ticket").rows()
    return rows[0] if rows else None


def _percent(density: float) -> str:
    return f"{quantity(float(f'{100 * density:.3g}'))} %"


def _factor(size: float) -> str:
    """A width as a fraction where it is one: "1/8"."""
    return f"1/{round(1 / size)}" if size < 1 and abs(1 / size - round(1 / size)) < 1e-9 else f"{size:g}"
