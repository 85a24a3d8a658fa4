"""The page of the claim `linear-regime`: how motion, drift and distance fall with width, and what that rests on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from ticketlab.claims.linear_regime.formula import Setting
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.axes import Axis, above_zero, axis_at, linear_axis, logarithmic_axis
from ticketlab.figures.certificates import proof
from ticketlab.figures.curves import Curve, Plot, mean_curve, plots, points, runs
from ticketlab.figures.figure import Figure, Panel, alone
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, in_order, made, seconds_table
from ticketlab.figures.rows import Rows
from ticketlab.figures.spread import seeds
from ticketlab.figures.text_tables import Cell, TextTable, count, distance, mean, ranged, summary
from ticketlab.figures.wording import estimate, extent, fixed, measure, power, quantity, signed

__all__ = ["present"]

TITLES = {"standard": "standard", "ntk": "NTK", "mup": "μP (the control)", "given": "start's own"}
HUES = {
    "standard": Mark(TITLES["standard"], LIGHT.blue, "circle"),
    "ntk": Mark(TITLES["ntk"], LIGHT.vermilion, "square", "dash"),
    "mup": Mark(TITLES["mup"], LIGHT.green, "triangle-up", "dot"),
    "given": Mark(TITLES["given"], LIGHT.blue, "circle"),
}
MEASURES = {
    "motion": ("motion of the parameters", "‖θ_T − θ₀‖ / ‖θ₀‖"),
    "drift": ("drift of the kernel", "1 − CKA(K₀, K_T)"),
    "distance": ("distance to the linear model", "RMS(f_T − F_T) / RMS(f_T − f₀)"),
    "features": ("change of the features", "‖h_T − h₀‖ / ‖h₀‖"),
}
REAL = Mark("the network", LIGHT.blue, line=True)
LINEAR = Mark("its linearisation", LIGHT.vermilion, dash="dash", line=True)
BOTH = ((REAL, "train_loss"), (LINEAR, "linear_train_loss"))
BEFORE = Mark("at the start", LIGHT.soft, "circle", "dash")
AFTER = Mark("at the end", LIGHT.purple, "diamond")


def present(record: Record) -> Presentation:
    falls = Asked("exponent of a fall as width to the power −α", ("grows with width", "falls with width"))
    parts = [_of(record, at) for at in _settings(record)]
    alone = len(parts) == 1
    return Presentation(
        asked={
            v.key: falls if "exponent" in v.unit else Asked("at the widest network") for v in record.questions
        },
        figures=tuple(f if alone else _named(f, at) for at, part in parts for f in part.figures),
        summaries=tuple(t if alone else _captioned(t, at) for at, part in parts for t in part.summaries),
        certificates=tuple(f if alone else _named(f, at) for at, part in parts for f in part.certificates),
    )


def _settings(record: Record) -> list[Setting]:
    """The losses and depths that were run, in the order of the tables."""
    tables = [t for t in record.evidence.tables.values() if {"loss", "depth"} <= {c.name for c in t.columns}]
    return list(dict.fromkeys(Setting(*key) for table in tables for key in table.by("loss", "depth")))


def _of(record: Record, at: Setting) -> tuple[Setting, Presentation]:
    """What is shown of one loss and depth."""
    tables = {name: t.where(**at.where()) for name, t in record.evidence.tables.items() if len(t)}
    own = replace(record, evidence=Evidence(tables))
    by = {"parameterisation": "parameterisation", "width": "width"}
    seconds = partial(seconds_table, by=by, more="; the first run of a width compiles", titles=TITLES)
    return at, Presentation(
        figures=made(own, measures, kernels, training, scores),
        summaries=made(own, fit_table, width_table, seconds),
        certificates=made(own, defects),
    )


def _named(figure: Figure, at: Setting) -> Figure:
    return replace(figure, key=f"{figure.key}-{at.loss}-{at.depth}", section=at.title)


def _captioned(table: TextTable, at: Setting) -> TextTable:
    return replace(table, name=f"{table.name}-{at.loss}-{at.depth}", section=at.title)


_each = partial(in_order, column="parameterisation", names=TITLES)


def _width_axis(widths: Table) -> Axis:
    return axis_at("width", sorted(set(widths["width"].tolist())))


def _widest(of: Table, column: str) -> float:
    """The mean over seeds at the widest."""
    return float(np.mean(of.along("width")[-1][1][column]))


def measures(widths: Table, fits: Table) -> Figure:
    """Every measure against width, seed by seed, with its power law."""
    x = _width_axis(widths)
    ends = np.array([widths["width"].min(), widths["width"].max()], float)
    panels, laws = [], []
    for column, (name, formula) in MEASURES.items():
        if not np.isfinite(widths[column]).any():
            continue
        drawn = []
        for p, of in _each(widths).items():
            for law in fits.where(parameterisation=p, measure=column).rows():
                values = law["level"] * ends ** (-law["exponent"])
                label = f"{TITLES[p]}: width to the power −{law['exponent']:.2f}"
                drawn.append(Curve(HUES[p], ends.tolist(), values.tolist(), label=label))
                laws.append(
                    f"{name}, {TITLES[p]}: {estimate(law['exponent'], (law['low'], law['high']), sign=True)}"
                )
            drawn.append(points(HUES[p], of, "width", column))
        panels.append(
            Panel(name, Plot(x, logarithmic_axis(formula, widths[column].tolist()), tuple(drawn), height=290))
        )
    return Figure(
        "measures",
        _finding(widths),
        f"One sign a seed ({seeds(widths)}), against the units of the widest hidden layer; lines are the fitted power laws, "
        f"width to the power −α. Exponents α: {'; '.join(laws) or 'none'}. Motion, drift and distance are what the verdict "
        "asks about. The change of the features has no law and enters no verdict: it says whether the control does what it is "
        "for.",
        tuple(panels),
    )


def _finding(widths: Table) -> str:
    """ "Distance to the linear model from width 64 to 1 024. NTK: 0.23 to 0.092; …"."""
    parts = []
    for p, of in _each(widths).items():
        means = [measure(float(np.mean(at["distance"]))) for _, at in of.along("width")]
        parts.append(f"{TITLES[p].removesuffix(' (the control)')}: {means[0]} to {means[-1]}")
    low, high = (quantity(int(end)) for end in (widths["width"].min(), widths["width"].max()))
    return f"Distance to the linear model from width {low} to {high}. {'; '.join(parts)}"


def training(curves: Table) -> Figure:
    """Training loss of the network and of its linearisation, at the narrowest and the widest."""
    ends = sorted({int(curves["width"].min()), int(curves["width"].max())})
    drawn, last = {}, []
    for p, of in _each(curves).items():
        for width in ends:
            at, name = of.where(width=width), f"{TITLES[p]}, width {quantity(width)}"
            each = zip(*(runs(mark, at, "step", c) for mark, c in BOTH), strict=True)
            drawn[name] = [c for pair in each for c in pair]
            last.append(f"{name} {' and '.join(power(_last(at, column)) for _, column in BOTH)}")
    x = linear_axis("step", curves["step"].tolist(), include=0.0)
    return Figure(
        "training",
        "The network and its linearisation in training, at the narrowest and at the widest",
        f"Training loss by step, over {seeds(curves)}. Where the two lines cannot be told apart, the network trains as its "
        "linearisation does. Mean losses at the last step of each seed, of the network and of its linearisation: "
        f"{'; '.join(last)}.",
        plots(drawn, x, partial(logarithmic_axis, "training loss"), height=230),
    )


def _last(curves: Table, column: str) -> float:
    """The mean over seeds, each at its own last step."""
    return float(np.mean([of[column][np.argmax(of["step"])] for of in curves.by("seed").values()]))


def scores(widths: Table) -> Figure:
    """Test scores of the networks and of their linearisations."""
    drawn: dict[str, list[Curve]] = {}
    gaps = []
    for p, of in _each(widths).items():
        drawn[TITLES[p]] = []
        for mark, column in ((REAL, "test_score"), (LINEAR, "linear_test_score")):
            mean = mean_curve(mark, of, "width", column, 100, label=f"{mark.label}, mean", strong=True)
            drawn[TITLES[p]] += [*runs(mark, of, "width", column, 100, thin=True), mean]
        gaps.append(100 * _widest(of, "linear_test_score") - 100 * _widest(of, "test_score"))
    return Figure(
        "scores",
        f"At the widest the linearisation's test score is {extent(gaps, lambda v: signed(v, 1))} points from the network's",
        f"Test score against width, of the network and of its linearisation trained the same way: means over {seeds(widths)} and "
        "single seeds.",
        plots(drawn, _width_axis(widths), partial(linear_axis, "test score, %"), height=250),
    )


def kernels(widths: Table) -> Figure:
    """What the kernels are like: alignment with the targets at the start and at the end, effective dimension."""
    x, height = _width_axis(widths), 250
    alignment, gains, worst = {}, [], []
    for p, of in _each(widths).items():
        alignment[f"{TITLES[p]}: alignment"] = [
            c
            for mark, column in ((BEFORE, "alignment_start"), (AFTER, "alignment_end"))
            for c in (mean_curve(mark, of, "width", column), points(mark, of, "width", column))
        ]
        gains.append(_widest(of, "alignment_end") - _widest(of, "alignment_start"))
        worst.append(float(np.max(of["effective_dimension_error"] / of["effective_dimension"])))
    dimension = [points(HUES[p], of, "width", "effective_dimension") for p, of in _each(widths).items()]
    panels = (
        *plots(alignment, x, partial(linear_axis, "alignment with the targets", include=0.0), height=height),
        *plots(
            {"effective dimension at the start": dimension},
            x,
            partial(logarithmic_axis, "effective dimension"),
            height=height,
        ),
    )
    return Figure(
        "kernels",
        f"At the widest, training changes the kernel's alignment with the targets by {extent(gains, lambda v: signed(v, 3))}",
        "Centred alignment of the tangent kernel with the targets, at the start and at the end of training, and the effective "
        "dimension tr K(K + λI)⁻¹ at the start, with λ a hundredth of the mean diagonal; its standard errors are up to "
        f"{measure(100 * max(worst))} %. A kernel that learns the task aligns with it.",
        panels,
    )


def defects(widths: Table) -> Figure:
    """How far the linearised path is from its own equation, computed without the matrix that it came from."""
    rows = tuple(proof(TITLES[p], {HUES[p]: of["defect"]}) for p, of in _each(widths).items())
    return Figure(
        "certificates",
        f"The linearised paths obey their own equation within {power(float(np.max(widths['defect'])))}",
        "The defect of every linearised path at its last step, relative to its residual at the start; computed in float64 by "
        "differentiating the network.",
        alone(Rows(rows, logarithmic_axis("defect", above_zero(widths["defect"])))),
    )


def fit_table(fits: Table) -> TextTable:
    """Exponents with their intervals, by parameterisation and measure."""

    def only(column: str) -> Cell:
        return lambda rows: power(float(rows[column][0]))

    return summary(
        "Fitted power laws, level × width to the power −α, with 95 % intervals of α over seeds. Misfit is the root mean square "
        "of the residuals in natural logarithms.",
        fits,
        {"parameterisation": "parameterisation", "measure": "measure"},
        {
            "α": lambda rows: estimate(rows["exponent"][0], (rows["low"][0], rows["high"][0])),
            "level": only("level"),
            "misfit": lambda rows: fixed(float(rows["misfit"][0]), 2),
        },
        titles=TITLES | {column: name for column, (name, _) in MEASURES.items()},
        name="fits-summary",
    )


def width_table(widths: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by parameterisation and width."""
    return summary(
        f"Every width: means over {seeds(widths)}, with 95 % intervals. Test and linear are the test scores of the network "
        "and of its linearisation.",
        widths,
        {"width": "width"},
        {
            "parameters": count("parameters"),
            **{column: distance(column) for column in MEASURES},
            "test, %": mean("test_score", 100),
            "linear, %": mean("linear_test_score", 100),
            "step size": ranged("step_size"),
        },
        group=("parameterisation",),
        heading=lambda p: TITLES[p],
        name="widths-summary",
    )
