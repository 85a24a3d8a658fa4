"""Untrained networks under masks of every criterion: against density, and beside what they are when trained."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from ticketlab.claims.masking_is_training.formula import CONTROL, PREREGISTERED
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import axis, linear_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.lines import short
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.spread import Spread, spread
from ticketlab.figures.wording import estimate, measure, plural, quantity

__all__ = [
    "CONTROL",
    "TITLES",
    "at_decisive",
    "by_criterion",
    "by_density",
    "criteria_in",
    "percent",
    "title_of",
]

TITLES = {
    "large-final": "large final, |w_f|",
    "magnitude-increase": "magnitude increase, |w_f| − |w_i|",
    "movement": "movement, |w_f − w_i|",
    "large-both": "large initial and final",
    "large-initial": "large initial, |w_i|",
    "random": "random",
    "small-final": "small final, −|w_f| (reversed)",
    "snip": "SNIP",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    CONTROL: "random, with the chosen mask's layer counts",
}
SAME = "-same-sign"
FAMILIES = (
    "large-final",
    "magnitude-increase",
    "movement",
    "large-both",
    "large-initial",
    "random",
    "small-final",
)
FREE, SIGNED = Mark("any sign", LIGHT.vermilion, "square", "dash"), Mark("same sign", LIGHT.blue, "circle")
REFERENCE = Mark("random mask with the chosen mask's layer counts", LIGHT.ink, "x", "dot")
AT_START = {
    "snip": Mark("SNIP", LIGHT.green, "triangle-up"),
    "grasp": Mark("GraSP", LIGHT.orange, "diamond", "dash"),
    "synflow": Mark("SynFlow", LIGHT.purple, "cross", "dot"),
}
DECISIVE = Mark("the density at which the question is decided", LIGHT.rule, line=True)
UNTRAINED = Mark("untrained", LIGHT.blue, "circle")
TRAINED = Mark("trained", LIGHT.vermilion, "square")
DENSE = Mark("dense network, trained", LIGHT.soft, dash="dash", line=True)


def title_of(criterion: str) -> str:
    """A criterion in words."""
    if criterion.endswith(SAME):
        return f"{TITLES[criterion.removesuffix(SAME)]}, same sign"
    return TITLES[criterion]


def criteria_in(table: Table) -> list[str]:
    """The criteria that a table has, in the order of the page, the control last."""
    present = set(table["criterion"].tolist())
    order = [c for family in FAMILIES for c in (family + SAME, family)] + [*AT_START, CONTROL]
    return [c for c in order if c in present]


def at_decisive(table: Table) -> Table:
    return table.where(decisive=True)


def percent(fraction: float) -> str:
    """ "21.5 %"."""
    return f"{quantity(float(f'{100 * fraction:.3g}'))} %"


def by_density(arms: Table) -> Figure:
    """Untrained test score against density: a panel a family of criteria, each beside the random mask."""
    plain = arms.where(one="rewind", zero="zero")
    x, y = (
        _density_axis(plain),
        linear_axis("test score untrained, %", (100 * plain["test_score"]).tolist(), include=0.0),
    )
    present = set(plain["criterion"].tolist())
    groups = {TITLES[f]: {f + SAME: SIGNED, f: FREE} for f in FAMILIES}
    groups["pruning at initialisation"] = dict(AT_START)
    panels, used = [], dict.fromkeys((SIGNED, FREE), False)
    for name, marks in groups.items():
        shown = {c: mark for c, mark in marks.items() if c in present}
        if not shown:
            continue
        used |= dict.fromkeys(shown.values(), True)
        traces, words = [], []
        for criterion, mark in {**shown, CONTROL: REFERENCE}.items():
            each = _by_level(plain.where(criterion=criterion))
            traces.append(_with_intervals(each, mark))
            words.append(
                f"{mark.label}: "
                + "; ".join(f"{percent(d)} of the weights, {_said(s)} %" for d, s in each)
                + "."
            )
        panels.append(Panel(name, _marked(traces, x, y, plain), tuple(words)))
    at = at_decisive(plain)
    mine, other = (
        100 * float(np.mean(at.where(criterion=c)["test_score"])) for c in (PREREGISTERED, CONTROL)
    )
    return Figure(
        "density",
        f"Untrained, with {percent(float(np.mean(at['density'])))} of its weights where they were drawn and the others zero, "
        f"the network scores {measure(mine)} % under the chosen mask and {measure(other)} % under a random one",
        f"Test score of untrained networks against density, means over {_seeds(arms)} with 95 % intervals, rewound and with "
        "zeros. The random mask is one a seed here; the verdict takes the mean over many. The upright line is the density at "
        "which the question is decided, for large final with the same sign; both were fixed before the runs.",
        tuple(panels),
        (*(mark for mark, drawn in used.items() if drawn), REFERENCE, DECISIVE),
    )


def by_criterion(arms: Table, dense: Table) -> Figure:
    """Every criterion at the density that decides: untrained and trained, with the dense network as a line."""
    plain = at_decisive(arms).where(one="rewind", zero="zero")
    best = spread(100 * dense["test_score"])
    rows, words = [], []
    for criterion in criteria_in(plain):
        of = plain.where(criterion=criterion)
        two = [spread(100 * of[c]) for c in ("test_score", "trained_score")]
        series = [
            Series(mark, (), s.mean, s.interval)
            for mark, s in zip((UNTRAINED, TRAINED), two, strict=True)
            if s.values
        ]
        note = " → ".join(measure(s.mean) for s in two if s.values)
        rows.append(Row(title_of(criterion), tuple(series), note))
        trained = f", trained {_said(two[1])} %" if two[1].values else ""
        words.append(f"{title_of(criterion)}: untrained {_said(two[0])} %{trained}.")
    x = axis("test score, %", range=[0.0, 102.0])
    ranked = sorted(criteria_in(plain), key=lambda c: -float(np.mean(plain.where(criterion=c)["test_score"])))
    return Figure(
        "criteria",
        f"Untrained the highest score is that of {title_of(ranked[0])}, the lowest that of {title_of(ranked[-1])}",
        f"At {percent(float(np.mean(plain['density'])))} of the weights, rewound and with zeros: test score untrained and at the "
        f"early stop of training, means over {_seeds(arms)} with 95 % intervals. The broken line is the dense network.",
        (Panel("", row_chart(rows, x=x, limits={best.mean: DENSE}), tuple(words)),),
        (UNTRAINED, TRAINED, DENSE),
    )


def _by_level(rows: Table) -> list[tuple[float, Spread]]:
    parts = [rows.where(level=n) for n in sorted(set(rows["level"].tolist()))]
    return [(float(np.mean(p["density"])), spread(100 * p["test_score"])) for p in parts]


def _with_intervals(each: list[tuple[float, Spread]], mark: Mark) -> go.Scatter:
    half = [0.0 if s.interval is None else (s.interval[1] - s.interval[0]) / 2 for _, s in each]
    return go.Scatter(
        x=[short(100 * d) for d, _ in each],
        y=[short(s.mean) for _, s in each],
        error_y={"array": [short(h) for h in half], "color": mark.colour, "thickness": 1.2, "width": 3},
        mode="lines+markers",
        line={"color": mark.colour, "width": 1.5, "dash": mark.dash},
        marker={"symbol": mark.symbol, "size": 7, "color": mark.colour},
        hovertemplate=f"{mark.label}: %{{y:.4g}} at %{{x:.3g}} %<extra></extra>",
    )


def _marked(traces: list[go.Scatter], x: dict[str, object], y: dict[str, object], arms: Table) -> go.Figure:
    at = 100 * float(np.mean(at_decisive(arms)["density"]))
    place = {"x0": at, "x1": at, "yref": "paper", "y0": 0, "y1": 1}
    rule = {"type": "line", **place, "line": {"color": LIGHT.rule, "width": 2}, "layer": "below"}
    return chart(traces, x=x, y=y, height=230, shapes=[rule])


def _density_axis(arms: Table) -> dict[str, object]:
    """Logarithmic and reversed: weights go from left to right."""
    low, high = (100 * float(end) for end in (arms["density"].min(), arms["density"].max()))
    ticks = [t for t in (100, 50, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1) if low / 1.1 <= t <= high * 1.1]
    ends = np.log10([high * 1.15, low / 1.15]).tolist()
    return axis(
        "weights kept, %", type="log", range=ends, tickvals=ticks, ticktext=[quantity(t) for t in ticks]
    )


def _said(s: Spread) -> str:
    return estimate(s.mean, s.interval)


def _seeds(table: Table) -> str:
    return plural(len(set(table["seed"].tolist())), "seed")
