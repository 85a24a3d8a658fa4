"""The page of the claim `linear-mode`: barrier and accuracy of every arm against the step k, and the one against the other.

Copies of a network are trained from the same step k, each with another order of the data. The error barrier between two copies
is the highest test error on the straight line between them, less the mean of their own.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.published import LENET, published_table
from ticketlab.claims.winning_ticket.page import MARKS as MASKS
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import Axis, linear_axis, logarithmic_axis
from ticketlab.figures.certificates import check_table
from ticketlab.figures.curves import Curve, Level, Plot, mean_curve, plots
from ticketlab.figures.figure import Figure, alone
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made
from ticketlab.figures.spread import Spread, seeds, spread
from ticketlab.figures.text_tables import Cell, TextTable, of_spread, summary, total
from ticketlab.figures.wording import estimate, listed, measure, percent, plural, quantity, signed

__all__ = ["MARKS", "present"]

MARKS = {
    "ticket": MASKS["ticket"],
    "dense": Mark("dense network", LIGHT.soft, "diamond", "dash"),
    **{name: MASKS[name] for name in ("random", "shuffled", "reinitialised", "both")},
}
STABLE = Mark("the barrier below which a network is stable", LIGHT.vermilion, dash="dash", line=True)
AS_GOOD = Mark("what still counts as accurate", LIGHT.vermilion, dash="dot", line=True)
CHECKS = (
    "Pruned parameters of all copies, and how many of them, and of the optimiser's moments of them, were not exactly zero at "
    "the end of training."
)
FLOOR = 0.05  # points; smaller barriers are drawn there
APART = 0.07  # between the arms at one k, in steps of the axis
WIDE = 5  # between the highest and the lowest error, from which on the axis is logarithmic


def present(record: Record) -> Presentation:
    stable, margin = (
        100 * record.plan.get(name, usual) for name, usual in (("stable", 0.02), ("margin", 0.01))
    )
    barrier = Asked("error barrier between copies")
    scores = Asked("ticket minus the other", ("ticket worse", "ticket better"))
    return Presentation(
        asked={v.key: barrier if "error" in v.unit else scores for v in record.questions},
        figures=made(record, by_step, relation, accuracy, paths, stable=stable, margin=margin),
        published=made(record, published),
        summaries=made(record, arm_table, time_table),
        certificate_tables=made(record, partial(check_table, CHECKS, by={"rewind_step": "from step"})),
    )


def arms_in(table: Table) -> list[str]:
    """The arms that a table has, in the order of the page."""
    return [arm for arm in MARKS if arm in table["arm"]]


def steps_in(table: Table) -> list[int]:
    """The rewind steps, in order."""
    return sorted(set(table["rewind_step"].tolist()))


def by_seed(rows: Table, column: str, factor: float = 100.0, high: float = 100.0) -> Spread:
    """Of each seed the mean over its pairs or copies, and how these lie; a barrier or a score is between 0 and 100."""
    means = [factor * float(of[column].mean()) for _, of in rows.along("seed")]
    low = 0.0 if all(m >= 0 for m in means) else -high
    return spread(np.array(means), low, high)


Known = dict[str, list[Spread]]
"""The measurements of each arm, step by step."""


def _known(table: Table, column: str) -> Known:
    return {
        arm: [by_seed(table.where(rewind_step=k, arm=arm), column) for k in steps_in(table)]
        for arm in arms_in(table)
    }


def by_step(barriers: Table, stable: float) -> Figure:
    """The error barrier between copies against k, a series an arm."""
    ks, known = steps_in(barriers), _known(barriers, "test_error")
    ends = [max(e, FLOOR) for each in known.values() for s in each for e in (s.mean, *(s.interval or ()))]
    y = logarithmic_axis("error barrier, points", [FLOOR, stable, *ends])
    where = [
        f"{MARKS[arm].label} {_where([k for k, s in zip(ks, each, strict=True) if s.mean < stable], ks)}"
        for arm, each in known.items()
    ]
    return Figure(
        "barriers",
        f"Mean barriers below {quantity(stable)} points: {listed(where)}",
        "Highest test error on the line between two copies less the mean of its ends, against the step k from which the copies "
        f"were trained: means over {seeds(barriers)} with 95 % intervals. Below the line at {quantity(stable)} points a network "
        f"is stable. Barriers below {quantity(FLOOR)} points are drawn there.",
        alone(_against_k(known, ks, y, (Level(STABLE, y=stable),), FLOOR)),
    )


def accuracy(copies: Table, margin: float) -> Figure:
    """Test score of the copies against k, a series an arm."""
    ks, known = steps_in(copies), _known(copies, "test_score")
    y = linear_axis(
        "test score, %", [e for each in known.values() for s in each for e in (s.mean, *(s.interval or ()))]
    )
    said = [
        f"{signed(mine.mean - dense.mean, 2)} at k = {k}"
        for k, mine, dense in zip(ks, known["ticket"], known.get("dense", []), strict=False)
    ]
    title = f"The ticket's test score less the dense network's, in points: {listed(said)}"
    return Figure(
        "accuracy",
        title if said else "Test score of the copies",
        "Test score of the copies at the last step, against the step k from which they were trained: means over "
        f"{seeds(copies)} with 95 % intervals. A ticket counts as accurate down to {quantity(margin)} "
        f"{'point' if margin == 1 else 'points'} below the dense network.",
        alone(_against_k(known, ks, y)),
    )


def _against_k(
    known: Known, ks: list[int], y: Axis, levels: tuple[Level, ...] = (), floor: float = -np.inf
) -> Plot:
    """Means joined by lines with bars for their intervals; every k as far from the next."""
    x = Axis("rewind step k", -0.4, len(ks) - 0.6, tuple((i, quantity(k)) for i, k in enumerate(ks)))
    drawn = []
    for i, (arm, each) in enumerate(known.items()):
        shift = APART * (i - (len(known) - 1) / 2)
        ends = [s.interval and (max(s.interval[0], floor), max(s.interval[1], floor)) for s in each]
        places, means = [j + shift for j in range(len(ks))], [max(s.mean, floor) for s in each]
        drawn.append(Curve(MARKS[arm], places, means, ends, signed=True))
    return Plot(x, y, tuple(drawn), levels, 300)


def relation(copies: Table, barriers: Table, stable: float, margin: float) -> Figure | None:
    """How far each subnetwork is from the dense accuracy, against its barrier: a sign an arm and step."""
    arms = [arm for arm in arms_in(barriers) if arm != "dense"]
    if "dense" not in arms_in(copies):
        return None

    def gap(k: int, arm: str) -> float:
        mine, dense = (by_seed(copies.where(rewind_step=k, arm=a), "test_score").mean for a in (arm, "dense"))
        return mine - dense

    ks = steps_in(barriers)
    heights = {
        (arm, k): by_seed(barriers.where(rewind_step=k, arm=arm), "test_error").mean
        for arm in arms
        for k in ks
    }
    gaps = {key: gap(key[1], key[0]) for key in heights}
    x = logarithmic_axis("error barrier, points", [FLOOR, stable, *(max(h, FLOOR) for h in heights.values())])
    y = linear_axis("test score less the dense network's, points", [*gaps.values(), -margin])
    drawn = [
        Curve(
            MARKS[arm],
            [max(heights[arm, k], FLOOR) for k in ks],
            [gaps[arm, k] for k in ks],
            signed=True,
            texts=[f"k = {k}" for k in ks],
        )
        for arm in arms
    ]
    both = [key for key in heights if heights[key] >= stable and gaps[key] > -margin]
    of, limit = plural(len(heights), "subnetwork"), f"a barrier above {quantity(stable)} points"
    named = listed([f"{MARKS[arm].label}, k = {k}" for arm, k in both])
    found = (
        f"{len(both)} {'is' if len(both) == 1 else 'are'} as accurate as the dense network, on the mean, with {limit}: {named}"
        if both
        else f"none is as accurate as the dense network with {limit}"
    )
    return Figure(
        "relation",
        f"Of {of} {found}",
        "Each sign is an arm at one k: its mean barrier, and its mean test score less that of the dense network from the same k; "
        f"lines join the steps k = {listed([str(k) for k in ks])} in this order. "
        f"The claim says that the upper right corner is empty of tickets. Lines are at {quantity(stable)} points of barrier and "
        f"{quantity(margin)} below the dense network; barriers below {quantity(FLOOR)} points are drawn there.",
        alone(Plot(x, y, tuple(drawn), (Level(STABLE, x=stable), Level(AS_GOOD, y=-margin)), 320)),
    )


def _where(chosen: list[int], every: list[int]) -> str:
    if not chosen:
        return "at no k"
    return "at every k" if chosen == every else f"at k = {listed([quantity(k) for k in chosen])}"


def paths(lines: Table) -> Figure:
    """Mean test error over seeds and pairs at every α: a panel a rewind step, a curve an arm."""
    curves = {
        f"k = {k}": tuple(
            mean_curve(MARKS[arm], of, "alpha", "test_error", 100)
            for arm in arms_in(lines)
            if len(of := lines.where(rewind_step=k, arm=arm))
        )
        for k in steps_in(lines)
    }

    def axis(errors: list[float]) -> Axis:
        wide = min(errors) > 0 and max(errors) > WIDE * min(errors)
        return (logarithmic_axis if wide else linear_axis)("test error, %", errors)

    return Figure(
        "paths",
        "Test error on the lines between copies",
        f"From one copy (α = 0) to another (α = 1): means over {seeds(lines)} and all pairs of copies, at each α. The mean of "
        "curves that are highest at different α is lower than the mean of their highest points. The verdict is about the mean of "
        "each seed's lines, the table of barriers about single lines.",
        plots(curves, linear_axis("α", [0.0, 1.0]), axis, height=260),
    )


def published(record: Record, barriers: Table) -> TextTable | None:
    """From which step on networks are stable, in Frankle et al. (2020) and here."""
    papers = {
        "dense": ("barrier of the dense network", "stable, below 2 points, at k = 0"),
        "ticket": ("barrier of tickets", "stable at k = 0; ResNet-20: from k = 500"),
    }
    rows = []
    for arm, paper in papers.items():
        each = [(k, by_seed(of, "test_error")) for k, of in barriers.where(arm=arm).along("rewind_step")]
        said = [f"{estimate(s.mean, s.interval)} points at k = {k}" for k, s in each]
        rows += [((*paper, LENET, "Frankle et al. 2020"), "; ".join(said))] if said else []
    return published_table(record, rows)


def arm_table(copies: Table, barriers: Table, networks: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by rewind step and arm."""

    def of(table: Table, column: str, factor: float = 100.0, high: float = 100.0) -> Cell:
        return of_spread(lambda rows: by_seed(_same(table, rows), column, factor, high))

    def _same(table: Table, rows: Table) -> Table:
        return table.where(rewind_step=rows["rewind_step"][0], arm=rows["arm"][0])

    return summary(
        f"Every arm at every step: means over {seeds(copies)}, with 95 % intervals. Barriers of error are in points, those of "
        "loss in nats; the distance between two copies is relative to the mean of their norms.",
        copies,
        {"arm": "arm"},
        {
            "kept": lambda rows: percent(float(np.mean(_same(networks, rows)["density"]))),
            "test, %": of(copies, "test_score"),
            "training, %": of(copies, "train_score"),
            "barrier of test error": of(barriers, "test_error"),
            "of training error": of(barriers, "train_error"),
            "of test loss": of(barriers, "test_loss", 1.0, np.inf),
            "of training loss": of(barriers, "train_loss", 1.0, np.inf),
            "distance": of(barriers, "distance", 1.0, np.inf),
        },
        group=("rewind_step",),
        heading=lambda k: f"from step {k}",
        titles={arm: mark.label for arm, mark in MARKS.items()},
        name="copies-summary",
    )


def time_table(timings: Table) -> TextTable:
    """Seconds, by rewind step and what was done."""
    return summary(
        "What took how long: steps times networks, and seconds. Measured times differ from run to run; what is first compiles.",
        timings,
        {"rewind_step": "from step", "what": "what"},
        {
            "network-steps": total("network_steps"),
            "seconds": lambda rows: measure(float(np.sum(rows["seconds"]))),
        },
        name="seconds",
    )
