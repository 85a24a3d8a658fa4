"""The page of the claim `masking-is-training`: untrained networks under masks of every criterion, and what masks do to weights.

A criterion says which weights are kept, from where they were drawn (w_i) and where training took them (w_f). An action says what
becomes of kept and of removed weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ticketlab.claims.masking_is_training.formula import CONTROL, PREREGISTERED
from ticketlab.claims.published import FULLY, published_table
from ticketlab.claims.winning_ticket.page import along_density, density_axis
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis
from ticketlab.figures.certificates import check_table
from ticketlab.figures.curves import Level, plots
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, in_order, made, rate_table
from ticketlab.figures.rows import Row, bars, row_panels, series
from ticketlab.figures.spread import Spread, positive, score, seeds, spread
from ticketlab.figures.text_tables import TextTable, count, distance, interval, scored, share, summary
from ticketlab.figures.wording import (
    MISSING,
    estimate,
    listed,
    measure,
    percent,
    plural,
    plus_minus,
    quantity,
)

__all__ = ["CRITERIA", "ONES", "ZEROS", "present"]

SAME = "-same-sign"
FAMILIES = {
    "large-final": "large final, |w_f|",
    "magnitude-increase": "magnitude increase, |w_f| − |w_i|",
    "movement": "movement, |w_f − w_i|",
    "large-both": "large initial and final",
    "large-initial": "large initial, |w_i|",
    "random": "random",
    "small-final": "small final, −|w_f| (reversed)",
}
CRITERIA = {  # in the order of the page, the control last
    **{key: name for c, n in FAMILIES.items() for key, name in ((c + SAME, f"{n}, same sign"), (c, n))},
    "snip": "SNIP",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    CONTROL: "random, with the chosen mask's layer counts",
}
FREE, SIGNED = Mark("any sign", LIGHT.vermilion, "square", "dash"), Mark("same sign", LIGHT.blue, "circle")
REFERENCE = Mark("random mask with the chosen mask's layer counts", LIGHT.ink, "x", "dot")
AT_START = {
    "snip": Mark("SNIP", LIGHT.green, "triangle-up"),
    "grasp": Mark("GraSP", LIGHT.orange, "diamond", "dash"),
    "synflow": Mark("SynFlow", LIGHT.purple, "cross", "dot"),
}
DECISIVE = Mark("the density at which the question is decided", LIGHT.soft, dash="dot", line=True)
UNTRAINED, TRAINED = Mark("untrained", LIGHT.blue, "circle"), Mark("trained", LIGHT.vermilion, "square")
DENSE = Mark("dense network, trained", LIGHT.soft, dash="dash", line=True)
MINE, OTHER = Mark("chosen mask and its rivals", LIGHT.blue, "circle"), Mark("random mask", LIGHT.ink, "x")
PER_CENT: dict[str, Any] = {
    "dots": False,
    "also": [0.0, 100.0],
    "include": 0.0,
}  # rows of means on a whole scale
NOTHING = Mark("no common direction", LIGHT.soft, line=True)
ONES = {
    "rewind": "rewound",
    "rewind-random-sign": "rewound, random signs",
    "reinitialise": "drawn anew",
    "reinitialise-same-sign": "drawn anew, same signs",
    "reshuffle": "shuffled",
    "reshuffle-same-sign": "shuffled, same signs",
    "constant": "± constant, random signs",
    "constant-same-sign": "± constant, same signs",
}
ZEROS = {
    "zero": Mark("removed weights are zero", LIGHT.blue, "circle"),
    "frozen": Mark("frozen where they were drawn", LIGHT.vermilion, "square"),
    "frozen-if-grown": Mark("zero if they shrank, else frozen", LIGHT.green, "triangle-up"),
    "frozen-if-shrunk": Mark("zero if they grew, else frozen", LIGHT.orange, "diamond"),
}


MASK_FIRST = Asked("chosen mask minus the other", ("chosen mask worse", "chosen mask better"))
CHOICES = Asked("the first choice of weights minus the second", ("the first worse", "the first better"))
ASKED = {
    **dict.fromkeys(("guessing", "random", "labels"), MASK_FIRST),
    **dict.fromkeys(("shrunk", "grown"), CHOICES),
    "multigraph": Asked("multigraph minus chosen mask", ("multigraph worse", "multigraph better")),
    "memorised": Asked("mask minus random masks", ("random masks fit more", "the mask fits more")),
    "responses": Asked("chosen mask minus random mask", ("changes units less", "changes units more")),
}


CHECKS = (
    "Removed parameters of all trained networks, zero or frozen, and how many of them, and of the optimiser's moments of them, "
    "were not exactly zero in what training moves: at the end, and at the early stop."
)


def present(record: Record) -> Presentation:
    return Presentation(
        asked=ASKED,
        figures=made(record, by_density, by_criterion, actions, units, direction),
        published=made(record, published),
        summaries=made(
            record,
            mask_table,
            action_table,
            multigraph_table,
            partial(rate_table, by={"training": "training"}),
        ),
        certificate_tables=made(record, partial(check_table, CHECKS, by={"training": "training"})),
    )


def _decisive(table: Table) -> Table:
    return table.where(decisive=True)


def _kept(table: Table) -> str:
    return percent(float(np.mean(_decisive(table)["density"])))


_criteria = partial(in_order, column="criterion", names=CRITERIA)


def by_density(arms: Table) -> Figure:
    """Untrained test score against density: a panel a family of criteria, each with the random mask."""
    plain = arms.where(one="rewind", zero="zero")
    groups = {name: {c + SAME: SIGNED, c: FREE} for c, name in FAMILIES.items()}
    groups["pruning at initialisation"] = dict(AT_START)
    drawn = {
        name: [
            along_density(mark, plain.where(criterion=c), score)
            for c, mark in {**marks, CONTROL: REFERENCE}.items()
            if c in plain["criterion"]
        ]
        for name, marks in groups.items()
        if set(marks) & set(plain["criterion"].tolist())
    }
    decided = Level(DECISIVE, x=100 * float(np.mean(_decisive(plain)["density"])))
    y = partial(linear_axis, "test score untrained, %", include=0.0)
    mine, other = (measure(score(_decisive(plain).where(criterion=c)).mean) for c in (PREREGISTERED, CONTROL))
    return Figure(
        "density",
        f"Untrained, with {_kept(plain)} of its weights where they were drawn and the others zero, "
        f"the network scores {mine} % under the chosen mask and {other} % under a random one",
        f"Test score of untrained networks against density, means over {seeds(arms)} with 95 % intervals, rewound and with "
        "zeros. The random mask is one a seed here; the verdict takes the mean over many. The upright line is the density at "
        "which the question is decided, for large final with the same sign; both were fixed before the runs.",
        plots(drawn, density_axis(plain), y, [decided], 230),
    )


def by_criterion(arms: Table, dense: Table) -> Figure:
    """Every criterion at the density that decides: untrained and trained, with the dense network as a line."""
    found = {
        c: {m: score(of, column) for m, column in ((UNTRAINED, "test_score"), (TRAINED, "trained_score"))}
        for c, of in _criteria(_decisive(arms).where(one="rewind", zero="zero")).items()
    }
    ranked = sorted(found, key=lambda c: -found[c][UNTRAINED].mean)
    return Figure(
        "criteria",
        f"Untrained the highest score is that of {CRITERIA[ranked[0]]}, the lowest that of {CRITERIA[ranked[-1]]}",
        f"At {_kept(arms)} of the weights, rewound and with zeros: test score untrained → at the "
        f"early stop of training, means over {seeds(arms)} with 95 % intervals. The broken line is the dense network.",
        bars(
            "test score, %",
            {"": {CRITERIA[c]: of for c, of in found.items()}},
            {"": {score(dense).mean: DENSE}},
            note=lambda _, of: " → ".join(measure(s.mean) for s in of),
            **PER_CENT,
        ),
    )


def actions(arms: Table, dense: Table) -> Figure | None:
    """A row a mask-1 action, a sign a mask-0 action; untrained, and trained where that was done; None for one combination."""
    at = _decisive(arms).where(criterion=PREREGISTERED)
    found = at.by("one", "zero")
    if len(found) < 2:
        return None
    panels: list[Panel] = []
    for column, name, limits in (
        ("test_score", "untrained", {}),
        ("trained_score", "trained", {score(dense).mean: DENSE}),
    ):
        rows = {
            label: {mark: score(found[one, z], column) for z, mark in ZEROS.items() if (one, z) in found}
            for one, label in ONES.items()
        }
        means = [s.mean for of in rows.values() for s in of.values() if s.values]
        if name == "untrained" or sum(any(s.values for s in of.values()) for of in rows.values()) > 1:
            low = 0.0 if name == "untrained" else max(0.0, min(means) - 2)
            panels += bars(
                f"test score {name}, %",
                {name: rows},
                {name: limits},
                note=lambda _, of: " · ".join(measure(s.mean) for s in of),
                dots=False,
                also=[low, 100.0],
                include=low,
            )
    kept, constant = (
        score(found[one, "zero"]).mean if (one, "zero") in found else np.nan
        for one in ("rewind", "constant-same-sign")
    )
    said = (
        ""
        if np.isnan(constant)
        else f", as ± one constant with the signs that they had {measure(constant)} %"
    )
    return Figure(
        "actions",
        f"With its kept weights rewound the untrained network scores {measure(kept)} %{said}",
        f"The chosen mask at {_kept(at)} of the weights with every action: means over {seeds(at)} with "
        "95 % intervals; the numbers are in the order of the key."
        + (" The two scales differ." if len(panels) > 1 else ""),
        tuple(panels),
    )


def _mark(criterion: str) -> Mark:
    return OTHER if criterion == CONTROL else MINE


def _both(found: Mapping[str, Spread]) -> tuple[str, ...]:
    """The means of the chosen mask and of the random one, in words."""
    return tuple(measure(found[c].mean) if c in found else MISSING for c in (PREREGISTERED, CONTROL))


def units(responses: Table) -> Figure:
    """Decorrelation of each layer's units, a panel a layer, a row a criterion."""
    at = _decisive(responses)
    panels, said = {}, []
    for (layer,), of in at.by("layer").items():
        found = {c: spread(rows["decorrelation"], 0.0, 2.0) for c, rows in _criteria(of).items()}
        change = {c: measure(positive(rows, "relative_change").mean) for c, rows in _criteria(of).items()}
        panels[layer] = [
            Row(CRITERIA[c], (series(_mark(c), s),), f"{estimate(s.mean, s.interval)}; change {change[c]}")
            for c, s in found.items()
        ]
        said.append(f"in {layer} {' and '.join(_both(found))}")
    return Figure(
        "responses",
        "How far units' responses decorrelate from what they were as drawn, under the chosen mask and under a random one: "
        f"{listed(said)}",
        f"1 − correlation of each unit's pre-activation on test data before and after masking, untrained, at {_kept(at)} of "
        f"the weights: means over units and {seeds(at)} with 95 % intervals, seeds as open signs. 0: the unit says what it "
        "said; 1: it says something else. The change is relative to the size of the response.",
        row_panels("decorrelation", panels, include=0.0),
    )


def direction(masks: Table, dense: Table) -> Figure:
    """The cosine between what zeroing does to the weights and what training did."""
    at = _decisive(masks)
    found: dict[str, Spread] = {c: spread(of["aligned"], -1.0, 1.0) for c, of in _criteria(at).items()}
    rows = [
        Row(CRITERIA[c], (series(_mark(c), s),), plus_minus(s.mean, s.interval)) for c, s in found.items()
    ]
    mine, other = _both(found)
    return Figure(
        "direction",
        f"Zeroing by the chosen mask moves weights where training moves them with a cosine of {mine}, by a random "
        f"mask of {other}",
        f"Putting weights to zero is a motion in weight space. Its cosine with that of training, at "
        f"{_kept(at)} of the weights; training moved them by {measure(positive(dense, 'moved').mean)} of ‖θ_i‖. Means "
        "with 95 % intervals, seeds as open signs.",
        row_panels("cosine with the motion of training", {"": rows}, {"": {0.0: NOTHING}}, include=0.0),
    )


def published(record: Record, arms: Table) -> TextTable | None:
    """The best untrained networks of Zhou et al. (2019), and ours at the density that decides."""
    at = _decisive(arms).where(criterion=PREREGISTERED, zero="zero")
    best = {
        "constant-same-sign": (
            "untrained, ± one constant with the same signs",
            "86 %, at the best density",
            FULLY,
        ),
        "rewind": (
            "untrained, rewound",
            "41 %, with any weights, at the best density",
            "CIFAR-10, convolutional",
        ),
    }
    rows = [
        ((*paper, "Zhou et al. 2019"), f"{scored('test_score')(of)} %")
        for one, paper in best.items()
        if len(of := at.where(one=one))
    ]
    return published_table(record, rows)


def multigraph_table(multigraph: Table) -> TextTable:
    return summary(
        "The multigraph, untrained: b pairs of edges for each parameter, and masks that write b binary digits. Test scores in % "
        "of the mask that writes the trained weights and of random masks; and the share of permuted training labels that a mask "
        "fits.",
        multigraph,
        {"bits": "b"},
        {
            "trained weights": scored("test_score"),
            "random masks": scored("random_score"),
            "permuted labels": scored("train_score"),
        },
        name="multigraph",
    )


def mask_table(masks: Table, dense: Table, surprise: Table) -> TextTable:
    """What every criterion chooses at the density that decides, against what training moves."""
    good, drawn = int(np.sum(surprise["as_good"])), quantity(int(surprise["random_masks"][0]))
    found = summary(
        f"Masks at {_kept(masks)} of the weights, and the motion of training: means over {plural(len(dense), 'seed')} with 95 "
        f"% intervals. Of {drawn} random masks a seed with equally many weights in every layer {quantity(good)} in all seeds "
        "scored as high untrained as the chosen one, so that by chance it would take "
        f"{'' if good else 'at least '}{measure(float(np.mean(surprise['bits'])))} bits on average to find one. Naming any "
        "mask of these counts takes the bits in the third column.",
        _decisive(masks),
        {"criterion": "mask"},
        {
            "kept": count("kept"),
            "bits of the mask": count("mask_bits"),
            "sign changed": share("flipped"),
            "removed shrank": share("shrank"),
            "distance": distance("moved"),
            "bits of the motion": count("motion_bits"),
            "cosine": interval("aligned", 1.0, -1.0, 1.0),
        },
        titles=CRITERIA,
        name="masks-summary",
    )
    trained = (
        "training of all weights",
        *(MISSING,) * 4,
        distance("moved")(dense),
        count("bits")(dense),
        measure(1.0),
    )
    return TextTable(found.caption, found.head, (trained, *found.rows), 1, name=found.name)


def action_table(arms: Table) -> TextTable:
    """Every combination at the density that decides: untrained, and trained where that was done."""
    at = _decisive(arms)

    def both(zero: str, rows: Table) -> str:
        two = [score(rows.where(zero=zero), c) for c in ("test_score", "trained_score")]
        return " → ".join(plus_minus(s.mean, s.interval) for s in two if s.values) or MISSING

    return summary(
        f"Every criterion with every action at {_kept(at)} of the weights: test score untrained → "
        f"trained, %, means over {seeds(at)} with 95 % intervals.",
        at,
        {"one": "kept weights"},
        {mark.label: partial(both, zero) for zero, mark in ZEROS.items() if zero in at["zero"]},
        group=("criterion",),
        heading=lambda c: CRITERIA[c],
        titles=ONES,
        name="actions-summary",
    )
