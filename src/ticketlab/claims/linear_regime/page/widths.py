"""How motion, drift and distance fall with width, or do not, and what that rests on: scores, training losses, defects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go

from ticketlab.claims.linear_regime.formula import EXPONENTS, SIZES
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import above_zero, axis, linear_axis, logarithmic_axis
from ticketlab.figures.figure import Figure, Panel, chart
from ticketlab.figures.forest import MARKS, SYMBOLS, forest
from ticketlab.figures.lines import line, signs
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.rows import Row, Series, row_chart
from ticketlab.figures.setting import seeds
from ticketlab.figures.spread import spread
from ticketlab.figures.wording import estimate, extent, fixed, measure, plural, power, quantity, signed
from ticketlab.laws.verdict import Verdict

__all__ = ["MEASURES", "TITLES", "defects", "kernels", "measures", "scores", "training", "verdict"]

TITLES = {"standard": "standard", "ntk": "NTK", "mup": "μP (the control)"}
HUES = {
    "standard": Mark("standard", LIGHT.blue, "circle", line=False),
    "ntk": Mark("NTK", LIGHT.vermilion, "square", "dash", line=False),
    "mup": Mark("μP (the control)", LIGHT.green, "triangle-up", "dot", line=False),
}
MEASURES = {
    "motion": ("motion of the parameters", "‖θ_T − θ₀‖ / ‖θ₀‖"),
    "drift": ("drift of the kernel", "1 − CKA(K₀, K_T)"),
    "distance": ("distance to the linear model", "RMS(f_T − F_T) / RMS(f_T − f₀)"),
    "features": ("change of the features", "‖h_T − h₀‖ / ‖h₀‖"),
}
LEAST = Mark("least exponent that counts as falling", LIGHT.soft, dash="dash", line=True)
REAL = Mark("the network", LIGHT.blue, line=True)
LINEAR = Mark("its linearisation", LIGHT.vermilion, dash="dash", line=True)
BEFORE = Mark("at the start", LIGHT.soft, "circle", "dash", line=True)
AFTER = Mark("at the end", LIGHT.purple, "diamond", line=True)
HEIGHT = 290


def names_in(table: Table) -> list[str]:
    """The parameterisations of a table in the order of the page."""
    present = set(table["parameterisation"].tolist())
    return [name for name in TITLES if name in present]


def measures(widths: Table, fits: Table) -> Figure:
    """Every measure against width, seed by seed, with its power law."""
    x = _width_axis(widths)
    panels = []
    for column, (name, formula) in MEASURES.items():
        values = widths[column]
        if not np.isfinite(values).any():
            continue
        y = logarithmic_axis(formula, values.tolist())
        traces: list[go.Scatter] = []
        words = []
        for p in names_in(widths):
            of, mark = widths.where(parameterisation=p), HUES[p]
            labels = [f"{TITLES[p]}, seed {s}" for s in of["seed"].tolist()]
            ends = np.array([widths["width"].min(), widths["width"].max()], float)
            law = fits.where(parameterisation=p, measure=column).rows()
            if law:
                drawn = law[0]["level"] * ends ** (-law[0]["exponent"])
                label = f"{TITLES[p]}: power −{law[0]['exponent']:.2f}"
                traces.append(line(ends, drawn, mark, label, width=2))
                low, high = law[0]["low"], law[0]["high"]
                words.append(
                    f"{TITLES[p]}: {name} falls as width to the power −α with α "
                    f"{estimate(law[0]['exponent'], (low, high), sign=True)}."
                )
            else:
                means = [float(np.mean(of[column][of["width"] == w])) for w in ends]
                words.append(
                    f"{TITLES[p]}: mean {name} {measure(means[0])} at the narrowest, {measure(means[1])} at the widest."
                )
            traces.append(signs(of["width"].astype(float), of[column], mark, labels))
        panels.append(Panel(name, chart(traces, x=x, y=y, height=HEIGHT), tuple(words)))
    return Figure(
        "measures",
        _finding(widths),
        f"One sign a seed ({seeds(widths)}), against the units of the widest hidden layer; lines are the fitted power laws. "
        "Motion, drift and distance are what the verdict asks about. The change of the features has no law and enters no "
        "verdict: it says whether the control does what it is for.",
        tuple(panels),
        tuple(HUES[p] for p in names_in(widths)),
    )


def _finding(widths: Table) -> str:
    """ "From width 64 to 1 024 the distance to the linear model goes from 0.23 to 0.092 (NTK) and …"."""
    ends = sorted(set(widths["width"].tolist()))
    parts = []
    for p in names_in(widths):
        of = widths.where(parameterisation=p)
        means = [float(np.mean(of["distance"][of["width"] == w])) for w in (ends[0], ends[-1])]
        parts.append(
            f"{HUES[p].label.removesuffix(' (the control)')}: {measure(means[0])} to {measure(means[1])}"
        )
    return f"Distance to the linear model from width {quantity(ends[0])} to {quantity(ends[-1])}. {'; '.join(parts)}"


def sizes(questions: Sequence[Verdict]) -> Figure | None:
    """The distance and the drift at the widest network, with their intervals."""
    found = forest([v for v in questions if v.key in SIZES], effect="at the widest network")
    return replace(found, key="sizes") if found else None


def verdict(questions: Sequence[Verdict], widths: Table | None, least: float | None) -> Figure | None:
    """Every exponent with its interval, against the least that counts as falling."""
    shown = [v for v in questions if v.key in EXPONENTS]
    if not shown:
        return None
    rows = [
        Row(
            v.question + ("" if v.headline else " (side question)"),
            (Series(MARKS[v.outcome], (), v.effect, _known(v.interval)),),
            f"{estimate(v.effect, v.interval, least=1)} {SYMBOLS[v.outcome]}",
        )
        for v in shown
    ]
    ends = [e for v in shown for e in (v.effect or 0.0, *(_known(v.interval) or ()))]
    x = linear_axis("exponent α of a fall as width to the power −α", [*ends, 0.0, least or 0.0])
    limits = {least: LEAST} if least is not None else {}
    words = tuple(f"{v.question}: α = {estimate(v.effect, v.interval, least=1)}; {v.outcome}." for v in shown)
    key = tuple(mark for outcome, mark in MARKS.items() if any(v.outcome is outcome for v in shown))
    holds = sum(v.outcome == "holds" for v in shown)
    return Figure(
        "verdict",
        f"{quantity(holds)} of {plural(len(shown), 'question')} hold",
        "Exponents of the fitted power laws with their 95 % intervals over seeds. To the right of the dashed line a measure "
        "falls with width. What should become linear must lie there, and the control to its left. The line was fixed before the "
        "runs.",
        (Panel("", row_chart(rows, x=x, limits=limits), words),),
        (*key, *([LEAST] if limits else [])),
    )


def _known(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return interval if interval and np.all(np.isfinite(interval)) else None


def training(curves: Table) -> Figure:
    """Training loss of the network and of its linearisation, at the narrowest and the widest."""
    widths = sorted(set(curves["width"].tolist()))
    ends = (widths[0], widths[-1])
    some = [i for i, w in enumerate(curves["width"].tolist()) if w in ends]
    losses = [curves[c][i] for i in some for c in ("train_loss", "linear_train_loss")]
    x = linear_axis("step", curves["step"].tolist(), include=0.0)
    y = logarithmic_axis("training loss", losses)
    panels = []
    for p in names_in(curves):
        for width in ends:
            of = curves.where(parameterisation=p, width=width)
            traces = []
            for seed in dict.fromkeys(of["seed"].tolist()):
                run = of.where(seed=seed)
                for mark, column in ((REAL, "train_loss"), (LINEAR, "linear_train_loss")):
                    label = f"{mark.label}, seed {seed}"
                    traces.append(line(run["step"], run[column], mark, label, width=1.5, opacity=0.75))
            last = of.where(step=int(of["step"].max()))
            real, linear = (power(float(last[c].mean())) for c in ("train_loss", "linear_train_loss"))
            name = f"{TITLES[p]}, width {quantity(width)}"
            words = f"{name}: mean training loss at the last step {real} of the network and {linear} of its linearisation."
            panels.append(Panel(name, chart(traces, x=x, y=y, height=230), (words,)))
    return Figure(
        "training",
        "The network and its linearisation in training, at the narrowest and at the widest",
        f"Training loss by step, over {seeds(curves)}; both sides take the same steps. Where the two lines cannot be told "
        "apart, the network trains as its linearisation does.",
        tuple(panels),
        (REAL, LINEAR),
    )


def scores(widths: Table) -> Figure:
    """Test scores of the networks and of their linearisations."""
    x = _width_axis(widths)
    values = np.concatenate([100 * widths["test_score"], 100 * widths["linear_test_score"]])
    y = linear_axis("test score, %", values.tolist())
    panels, gaps = [], []
    for p in names_in(widths):
        of = widths.where(parameterisation=p)
        traces = []
        each = np.array(sorted(set(of["width"].tolist())))
        for mark, column in ((REAL, "test_score"), (LINEAR, "linear_test_score")):
            for seed in dict.fromkeys(of["seed"].tolist()):
                run = of.where(seed=seed)
                traces.append(
                    line(
                        run["width"],
                        100 * run[column],
                        mark,
                        f"{mark.label}, seed {seed}",
                        width=1,
                        opacity=0.35,
                    )
                )
            means = np.array([100 * np.mean(of[column][of["width"] == w]) for w in each])
            traces.append(line(each, means, mark, f"{mark.label}, mean", width=2.5))
        widest = of.where(width=int(each[-1]))
        gap = spread(100 * (widest["linear_test_score"] - widest["test_score"])).mean
        gaps.append(gap)
        words = f"{TITLES[p]}: at the widest the linearisation scores {fixed(gap, 2)} points more than the network."
        panels.append(Panel(TITLES[p], chart(traces, x=x, y=y, height=250), (words,)))
    return Figure(
        "scores",
        f"At the widest the linearisation's test score is {extent(gaps, _points)} points from the network's",
        f"Test score against width, of the network and of its linearisation trained the same way: means over {seeds(widths)} and "
        "single seeds.",
        tuple(panels),
        (REAL, LINEAR),
    )


def _points(value: float) -> str:
    return signed(value, 1)


def kernels(widths: Table) -> Figure:
    """What the kernels are like: alignment with the targets at the start and at the end, effective dimension."""
    x = _width_axis(widths)
    both = np.concatenate([widths["alignment_start"], widths["alignment_end"]])
    y = linear_axis("alignment with the targets", both.tolist(), include=0.0)
    panels, gains = [], []
    for p in names_in(widths):
        of = widths.where(parameterisation=p)
        each = np.array(sorted(set(of["width"].tolist())))
        traces, ends = [], {}
        for mark, column in ((BEFORE, "alignment_start"), (AFTER, "alignment_end")):
            means = np.array([np.mean(of[column][of["width"] == w]) for w in each])
            labels = [f"{mark.label}, seed {s}" for s in of["seed"].tolist()]
            traces += [
                line(each, means, mark, f"{mark.label}, mean", width=2),
                signs(of["width"].astype(float), of[column], replace(mark, line=False), labels),
            ]
            ends[mark.label] = float(means[-1])
        gains.append(ends[AFTER.label] - ends[BEFORE.label])
        start, end = (fixed(ends[mark.label], 3) for mark in (BEFORE, AFTER))
        words = f"{TITLES[p]}: alignment at the widest {start} at the start and {end} at the end."
        panels.append(Panel(f"{TITLES[p]}: alignment", chart(traces, x=x, y=y, height=250), (words,)))
    dimension = logarithmic_axis("effective dimension", widths["effective_dimension"].tolist())
    traces, sentences = [], []
    for p in names_in(widths):
        of = widths.where(parameterisation=p)
        traces.append(
            signs(
                of["width"].astype(float), of["effective_dimension"], HUES[p], [TITLES[p]] * len(of["seed"])
            )
        )
        worst = float(np.max(of["effective_dimension_error"] / of["effective_dimension"]))
        sentences.append(
            f"{TITLES[p]}: effective dimension {extent(of['effective_dimension'], measure)}, standard errors up to "
            f"{measure(100 * worst)} %."
        )
    panels.append(
        Panel(
            "effective dimension at the start", chart(traces, x=x, y=dimension, height=250), tuple(sentences)
        )
    )
    return Figure(
        "kernels",
        f"At the widest, training changes the kernel's alignment with the targets by {extent(gains, lambda v: signed(v, 3))}",
        "Centred alignment of the tangent kernel with the targets, at the start and at the end of training, and the effective "
        "dimension tr K(K + λI)⁻¹ at the start, with λ a hundredth of the mean diagonal. A kernel that learns the task aligns "
        "with it.",
        tuple(panels),
        (BEFORE, AFTER, *(HUES[p] for p in names_in(widths))),
    )


def defects(widths: Table) -> Figure:
    """How far the linearised path is from its own equation, computed without the matrix that it came from."""
    x = logarithmic_axis("defect", above_zero(widths["defect"]))
    rows = [
        Row(
            TITLES[p],
            (Series(HUES[p], above_zero(widths.where(parameterisation=p)["defect"])),),
        )
        for p in names_in(widths)
    ]
    worst = power(float(np.max(widths["defect"])))
    return Figure(
        "certificates",
        f"The linearised paths obey their own equation within {worst}",
        "The defect of every linearised path at its last step, relative to its residual at the start; computed in float64 by "
        "differentiating the network.",
        (Panel("", row_chart(rows, x=x), (f"The largest defect is {worst}.",)),),
    )


def _width_axis(widths: Table) -> dict[str, object]:
    values = sorted(set(widths["width"].tolist()))
    edges = np.log10([values[0] / 1.15, values[-1] * 1.15]).tolist()
    texts = [quantity(v) for v in values]
    return axis("width", type="log", range=edges, tickvals=values, ticktext=texts)
