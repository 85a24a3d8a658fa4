"""The page of the claim `winning-ticket`: what happens as weights go, and where the weights are that stay.

Accuracy and early stop are drawn against density, a panel a control, each with the ticket and the dense network. An upright
line marks the density at which the question is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ticketlab.claims.published import LENET, Paper, published_table
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import Axis, axis_at, linear_axis, logarithmic_axis
from ticketlab.figures.certificates import check_table
from ticketlab.figures.curves import Curve, Level, curve, mean_curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, rate_table
from ticketlab.figures.rows import bars
from ticketlab.figures.spread import Spread, positive, score, seeds, spread
from ticketlab.figures.text_tables import TextTable, count, distance, scored, share, summary
from ticketlab.figures.wording import MISSING, estimate, listed, percent, quantity, signed

__all__ = ["MARKS", "present"]

MARKS = {
    "ticket": Mark("ticket", LIGHT.blue, "circle"),
    "reinitialised": Mark("its mask over new weights", LIGHT.vermilion, "square", "dash"),
    "shuffled": Mark("its weights under a shuffled mask", LIGHT.green, "triangle-up", "dot"),
    "both": Mark("new weights under a shuffled mask", LIGHT.orange, "diamond", "dash"),
    "equal-size": Mark("dense, of equal size", LIGHT.purple, "cross", "dot"),
    "random": Mark("random mask (Erdős–Rényi)", LIGHT.ink, "x", "dot"),
}
DYNAMIC = {
    "rigl": Mark("RigL: the mask follows gradients", LIGHT.vermilion, "circle"),
    "set": Mark("SET: the mask changes at random", LIGHT.green, "square"),
    "gradual": Mark("gradual pruning from dense", LIGHT.orange, "triangle-up"),
}
DENSE = Mark("dense network", LIGHT.soft, dash="dash", line=True)
DECISIVE = Mark("the density at which the question is decided", LIGHT.soft, dash="dot", line=True)
CHECKS = (
    "Pruned parameters of all networks that were trained together, and how many of them, and of the optimiser's moments of "
    "them, were not exactly zero: at the end of training, and at the early stop."
)
LOOKS = tuple((mark.colour, mark.symbol) for mark in MARKS.values())
TICKS = (100, 70, 50, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1)


def present(record: Record) -> Presentation:
    steps = Asked("ticket against the other, steps to the early stop", ("ticket sooner", "ticket later"))
    scores = Asked("ticket minus the other", ("ticket worse", "ticket better"))
    return Presentation(
        asked={v.key: steps if "steps" in v.unit else scores for v in record.questions},
        figures=made(record, accuracy, early_stop, dynamic, training, by_layer),
        published=made(record, published),
        summaries=made(record, level_table, partial(rate_table, by={"level": "level"})),
        certificate_tables=made(record, partial(check_table, CHECKS, by={"level": "level", "arms": "arms"})),
    )


def controls_in(table: Table) -> list[str]:
    """The ticket's controls that a table has, in the order of the page."""
    return [arm for arm in MARKS if arm in table["arm"] and arm != "ticket"]


def compared(table: Table) -> dict[str, list[str]]:
    """What is drawn together: the ticket with each of its controls, by the control's name."""
    controls = {MARKS[arm].label: ["ticket", arm] for arm in controls_in(table)}
    return controls or {"": ["ticket"]}


def accuracy(levels: Table) -> Figure | None:
    """Test score at the early stop against density."""
    if "ticket" not in levels["arm"]:
        return None
    mine = decisive(levels, "ticket")
    gaps = {
        arm: 100 * (mine["test_score"] - decisive(levels, arm)["test_score"]).mean()
        for arm in controls_in(levels)
    }
    from_dense = 100 * (mine["test_score"] - levels.where(arm="dense")["test_score"]).mean()
    said = listed([f"{MARKS[arm].label} {signed(gap, 2)}" for arm, gap in gaps.items()])
    return _against_density(
        "accuracy",
        f"At {_kept(levels)} of the weights the ticket's test score is {signed(from_dense, 2)} points from the dense network's"
        + (f", and from its controls': {said}" if said else ""),
        levels,
        score,
        "test score, %",
        "Test score at the early stop against the density of the mask, from dense at the left to sparse at the right",
    )


def early_stop(levels: Table) -> Figure | None:
    """The step of the lowest validation loss against density, likewise."""
    if "ticket" not in levels["arm"]:
        return None
    stops = {arm: stop(decisive(levels, arm)).mean for arm in ("ticket", *controls_in(levels))}
    dense = stop(levels.where(arm="dense")).mean
    others = [f"{MARKS[arm].label} {at:.0f}" for arm, at in stops.items() if arm != "ticket"]
    return _against_density(
        "early-stop",
        f"At {_kept(levels)} of the weights the ticket's early stop is at step {stops['ticket']:.0f}, the dense network's at "
        f"{dense:.0f}" + (f", its controls' at: {listed(others)}" if others else ""),
        levels,
        stop,
        "step of the early stop",
        "The step at which the validation loss was lowest, against density. An early stop at the last step means that training "
        "was too short to see it, and one at the first look that looks are too far apart",
    )


def stop(rows: Table) -> Spread:
    return positive(rows, "early_stop_step")


def _against_density(
    key: str, title: str, levels: Table, measured: Callable[[Table], Spread], what: str, caption: str
) -> Figure:
    dense = measured(levels.where(arm="dense"))
    lines = (Level(DENSE, y=dense.mean), Level(DECISIVE, x=100 * _density(levels)))
    drawn = {
        name: [along_density(MARKS[arm], levels.where(arm=arm), measured) for arm in arms]
        for name, arms in compared(levels).items()
    }
    return Figure(
        key,
        title,
        f"{caption}: means over {seeds(levels)} with 95 % intervals. The dense network's is "
        f"{estimate(dense.mean, dense.interval)}. The upright line is the density at which the question is decided, which was "
        "fixed before the runs.",
        plots(drawn, density_axis(levels), partial(linear_axis, what), lines, 260),
    )


def along_density(mark: Mark, rows: Table, measured: Callable[[Table], Spread]) -> Curve:
    """Means over seeds with their intervals, against the density in per cent."""
    levels = [of for _, of in rows.along("level")]
    return curve(
        mark, [100 * float(np.mean(of["density"])) for of in levels], [measured(of) for of in levels]
    )


def dynamic(levels: Table) -> Figure | None:
    """Masks that change while the network learns, with the ticket and the random mask, at the one density that decides."""
    arms = [arm for arm in DYNAMIC if arm in levels["arm"]]
    if not arms or "ticket" not in levels["arm"]:
        return None
    marks = {arm: m for arm, m in {**MARKS, **DYNAMIC}.items() if arm in ("ticket", "random", *arms)}
    found = {arm: score(of, "final_test_score") for arm in marks if len(of := decisive(levels, arm))}
    said = [f"{DYNAMIC[arm].label} {estimate(found[arm].mean, None)} %" for arm in arms]
    return Figure(
        "dynamic",
        f"Masks that change while the network learns, at {_kept(levels)} of the weights: {listed(said)}",
        "Test score after the last step, when every mask has its final density: means with 95 % intervals, seeds as open signs. "
        "These networks search while they train, and the verdict does not turn on them.",
        bars(
            "test score at the end, %",
            {"": {marks[a].label: {marks[a]: s} for a, s in found.items()}},
            unit=" %",
        ),
    )


def training(curves: Table) -> Figure:
    """Validation loss by step at the level at which the question is decided, and of the dense network."""
    means = {
        arm: mean_curve(mark, of, "step", "validation_loss")
        for arm, mark in {"dense": DENSE, **MARKS}.items()
        if len(of := curves.where(arm=arm))
    }
    drawn = {
        name: [means[arm] for arm in ("dense", *arms) if arm in means]
        for name, arms in compared(curves).items()
    }
    x = linear_axis("step", curves["step"].tolist(), include=0.0)
    return Figure(
        "training",
        "How the ticket, its controls and the dense network learn",
        "Validation loss by step, means over seeds, at the density at which the question is decided.",
        plots(drawn, x, partial(logarithmic_axis, "validation loss"), height=230),
    )


def by_layer(layers: Table, levels: Table) -> Figure:
    """The density of each layer against the density of the whole: of the ticket, and of the random mask."""
    names = list(dict.fromkeys(layers["layer"].tolist()))
    marks = {n: Mark(n, *LOOKS[i % len(LOOKS)]) for i, n in enumerate(names)}
    first = levels.where(seed=int(levels["seed"].min()))
    whole = {(r["level"], r["arm"]): 100 * r["density"] for r in first.rows()}

    def density(arm: str, layer: str) -> Curve:
        each = layers.where(arm=arm, layer=layer).along("level")
        means = [100 * float(np.mean(of["density"])) for _, of in each]
        return Curve(marks[layer], [whole[level, arm] for level, _ in each], means, signed=True)

    drawn = {
        MARKS[arm].label: [density(arm, layer) for layer in names]
        for arm in ("ticket", "random")
        if arm in layers["arm"]
    }
    last = levels.where(arm="ticket", level=int(levels["level"].max()))
    kept, effective = (percent(float(np.mean(last[c]))) for c in ("density", "effective_density"))
    return Figure(
        "layers",
        f"At the last level {kept} of the weights are kept, and {effective} lie on a path from an input to an output",
        "The density of each layer against the density of the whole network, means over seeds.",
        plots(
            drawn,
            density_axis(levels),
            partial(linear_axis, "density of the layer, %", include=0.0),
            height=260,
        ),
    )


def published(record: Record, levels: Table) -> TextTable | None:
    """The numbers of Frankle & Carbin (2019), and ours at the density that decides."""
    dense = levels.where(arm="dense")
    mine, anew = (decisive(levels, arm) for arm in ("ticket", "reinitialised"))
    if not len(mine):
        return None

    def gap(other: Table) -> str:
        s = spread(100 * (mine["test_score"] - other["test_score"]), -100, 100)
        return f"{estimate(s.mean, s.interval, sign=True)} points at {_kept(levels)} kept"

    def sooner(other: Table) -> str:
        fewer = 100 * (1 - stop(mine).mean / stop(other).mean)
        return f"{quantity(abs(round(fewer)))} % {'fewer' if fewer >= 0 else 'more'} at {_kept(levels)} kept"

    def paper(what: str, number: str) -> Paper:
        return what, number, LENET, "Frankle & Carbin 2019"

    rows = [
        (paper("test score of the dense network", "just over 98 %"), f"{scored('test_score')(dense)} %"),
        (paper("ticket minus dense network", "more than +0.3 points at 13.5 % kept"), gap(dense)),
        (paper("steps to the early stop, ticket against dense", "38 % fewer at 21 % kept"), sooner(dense)),
    ]
    if len(anew):
        rows += [
            (paper("ticket minus its mask over new weights", "+0.5 points at 21 % kept"), gap(anew)),
            (paper("steps, against its mask over new weights", "60 % fewer at 21 % kept"), sooner(anew)),
        ]
    return published_table(record, rows)


def level_table(levels: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by level and arm."""
    decided = {int(n) for n in levels.where(decisive=True)["level"].tolist()}

    def effective(rows: Table) -> str:
        return share("effective_density")(rows) if np.isfinite(rows["effective_density"]).all() else MISSING

    return summary(
        f"Every level: means over {seeds(levels)}, with 95 % intervals. Test and validation scores are those at the early stop; "
        "effective is the share of the weights that lie on a path from an input to an output.",
        levels,
        {"arm": "arm"},
        {
            "kept": share("density"),
            "effective": effective,
            "parameters": count("parameters"),
            "test, %": scored("test_score"),
            "at the end, %": scored("final_test_score"),
            "validation, %": scored("validation_score"),
            "early stop": distance("early_stop_step"),
        },
        group=("level",),
        heading=lambda n: f"level {n}{', where the question is decided' if n in decided else ''}",
        titles={"dense": "dense", **{arm: m.label for arm, m in {**MARKS, **DYNAMIC}.items()}},
        name="levels-summary",
    )


def decisive(table: Table, arm: str) -> Table:
    return table.where(arm=arm, decisive=True)


def _density(levels: Table) -> float:
    return float(np.mean(decisive(levels, "ticket")["density"]))


def _kept(levels: Table) -> str:
    return percent(_density(levels))


def density_axis(levels: Table) -> Axis:
    """Every level is as far from the next, and weights go from left to right."""
    low, high = (100 * float(end) for end in (levels["density"].min(), levels["density"].max()))
    inside: Sequence[float] = [t for t in TICKS if low / 1.1 <= t <= high * 1.1]
    ticks = [t for t in inside if t not in (70, 30)] if len(inside) > 5 else inside
    axis = axis_at("weights kept, %", [low, high], reverse=True)
    return Axis(axis.title, axis.low, axis.high, tuple((t, f"{t:g}") for t in ticks), logarithmic=True)
