"""The pages of `untrained-subnetwork` and `multi-prize`: tickets whose weights were never trained.

How tickets change with density and with width, next to random masks and the dense network; kinds of networks side by side; what
was memorised; and how masks are learned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ticketlab.claims.published import CONV, FULLY, Paper, published_table
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import Axis, axis_at, linear_axis
from ticketlab.figures.curves import Level, curve, mean_curve, plots
from ticketlab.figures.figure import Figure
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, rate_table
from ticketlab.figures.rows import Row, bars, row_panels, series
from ticketlab.figures.spread import Spread, score, seeds, spread
from ticketlab.figures.text_tables import TextTable, count, scored, share, summary, total
from ticketlab.figures.wording import estimate, fixed, listed, percent, quantity

__all__ = ["present_multi_prize", "present_untrained_subnetwork"]

TICKET, CHANCE = (
    Mark("learned mask", LIGHT.blue, "circle"),
    Mark("random mask of equal counts", LIGHT.ink, "x"),
)
DENSE = Mark("dense network, weights trained", LIGHT.vermilion, "square")
TRAIN = Mark("on the labels it learnt from", LIGHT.orange, "diamond")
TEST = Mark("on test data, true labels", LIGHT.blue)
FROZEN, MOVED = (
    Mark("weights frozen, mask learned", LIGHT.blue),
    Mark("weights trained", LIGHT.vermilion, "square"),
)
DECISIVE = Mark("where the question is decided", LIGHT.soft, dash="dot", line=True)
ZERO = Mark("as accurate as the dense network", LIGHT.vermilion, dash="dash", line=True)
LABELS = {
    "ticket": "ticket: learned mask, frozen weights",
    "random": "random mask of equal counts",
    "mask": "learned mask of full precision",
    "random mask": "random mask, full precision",
    "binarised": "binary weights, trained",
    "dense": "weights trained",
    "permuted": "learned mask, permuted labels",
    "permuted dense": "weights trained, permuted labels",
    "multigraph": "learned mask of the multigraph",
    "density": "learned mask of another density",
    "random density": "random mask of that density",
    "distribution": "learned mask, other distribution",
    "random distribution": "random mask, other distribution",
}
PRIZES = {
    "ticket": ("ticket: learned mask over signs", FROZEN),
    "mask": ("learned mask, full-precision weights", FROZEN),
    "binarised": ("trained binary weights", MOVED),
    "dense": ("trained full-precision weights", MOVED),
}
DISTRIBUTIONS = {"normal": "normal", "uniform": "uniform", "signed-constant": "± one constant"}
CURVES = {
    "ticket": Mark(LABELS["ticket"], LIGHT.blue, line=True),
    "mask": Mark(LABELS["mask"], LIGHT.green, dash="dot", line=True),
    "permuted": Mark(LABELS["permuted"], LIGHT.ink, dash="dot", line=True),
    "binarised": Mark(LABELS["binarised"], LIGHT.orange, dash="dashdot", line=True),
    "dense": Mark(LABELS["dense"], LIGHT.vermilion, dash="dash", line=True),
    "multigraph": Mark(LABELS["multigraph"], LIGHT.orange, dash="dashdot", line=True),
}


def present_untrained_subnetwork(record: Record) -> Presentation:
    papers = (
        ("learned supermask", "95.3 %", FULLY, "Zhou et al. 2019"),
        ("learned supermask, ± one constant, rescaled", "98.0 %", FULLY, "Zhou et al. 2019"),
        ("edge-popup, a tenth kept", "65 %", CONV, "Ramanujan et al. 2020"),
    )
    return _present(record, papers, densities, widths, kinds, memory)


def present_multi_prize(record: Record) -> Presentation:
    papers = (("biprop, a tenth kept", "70 %", CONV, "Diffenderfer & Kailkhura 2021"),)
    return _present(record, papers, prizes, memory)


def _present(
    record: Record, papers: Sequence[Paper], *of_arms: Callable[[Table], Figure | None]
) -> Presentation:
    def published(arms: Table) -> TextTable | None:
        """The ticket of the first setting, next to every paper's."""
        mine = arms.where(arm="ticket")
        if not len(mine):
            return None
        first = mine.where(setting=mine["setting"][0])
        own = f"{scored('test_score')(first)} % at {share('density')(first)} kept"
        return published_table(record, [(paper, own) for paper in papers])

    points = Asked("ticket minus the other", ("ticket worse", "ticket better"))
    rates = partial(rate_table, by={"setting": "setting", "arms": "arms"})
    return Presentation(
        asked={v.key: points for v in record.questions if v.unit.startswith("points")},
        figures=made(record, *of_arms, training),
        published=made(record, published),
        summaries=made(record, arm_table, rates),
        certificate_tables=made(record, check_table),
    )


# --- against density and width ---


def densities(arms: Table) -> Figure | None:
    """Test score against the density that was asked for."""
    whole = arms.where(size=1.0)
    if not len(whole.where(arm="ticket")) or not len(whole.where(arm="density")):
        return None
    own = whole.where(arm="ticket").rows()[0]["asked"]
    asked = sorted({*whole.where(arm="density")["asked"].tolist(), own})

    def at(density: float, arm: str, other: str) -> Table:
        return whole.where(arm=arm if density == own else other, asked=density)

    mine, chance = (
        [at(d, arm, other) for d in asked]
        for arm, other in (("ticket", "density"), ("random", "random density"))
    )
    dense = whole.where(arm="dense")
    means = [score(of).mean for of in mine]
    title = (
        f"With {percent(asked[0])} to {percent(asked[-1])} of the weights kept tickets score {fixed(min(means), 1)} to "
        f"{fixed(max(means), 1)} %; the dense network, trained, {fixed(score(dense).mean, 1)} %"
    )
    places = [100 * d for d in asked]
    return _sweep(
        "densities",
        title,
        "the density",
        axis_at("weights kept, %", places, [quantity(float(f"{v:.3g}")) for v in places]),
        places,
        (mine, chance, [dense] * len(asked)),
        100 * own,
    )


def widths(arms: Table) -> Figure | None:
    """Test score against width."""
    sizes = sorted(set(arms["size"].tolist()))
    if len(sizes) < 2 or not len(arms.where(arm="ticket")):
        return None
    mine, chance, dense = (
        [arms.where(arm=arm, size=s) for s in sizes] for arm in ("ticket", "random", "dense")
    )
    ends = [[fixed(score(each[i]).mean, 1) for i in (0, -1)] for each in (mine, dense)]
    title = (
        f"From {_factor(sizes[0])} to {_factor(sizes[-1])} times the width the ticket goes from {ends[0][0]} to {ends[0][1]} %, "
        f"the dense network from {ends[1][0]} to {ends[1][1]} %"
    )
    x = axis_at("width, as a factor on the network's", sizes, [_factor(s) for s in sizes])
    return _sweep("widths", title, "the width", x, sizes, (mine, chance, dense), 1.0)


def _sweep(
    key: str,
    title: str,
    against: str,
    x: Axis,
    places: Sequence[float],
    arms: tuple[Sequence[Table], ...],
    decided: float,
) -> Figure:
    """Ticket, random mask and dense network on a scale from zero, and how far the first is from the last, seed by seed."""
    mine, chance, dense = ([score(of) for of in each] for each in arms)
    gaps = [
        spread(100 * (a["test_score"] - b["test_score"]), -100, 100)
        for a, b in zip(arms[0], arms[2], strict=True)
    ]
    upright = Level(DECISIVE, x=decided)
    drawn = [curve(mark, places, of) for of, mark in ((mine, TICKET), (chance, CHANCE), (dense, DENSE))]
    apart, points = [curve(TICKET, places, gaps)], partial(linear_axis, "points")
    return Figure(
        key,
        title,
        f"Test score against {against}: means over {seeds(arms[0][0])} with 95 % intervals; in the second panel the "
        "ticket's score less "
        "the dense network's, seed by seed. The upright line is where the question is decided, which was fixed before the runs.",
        (
            *plots({"test score": drawn}, x, partial(linear_axis, "test score, %", include=0.0), [upright]),
            *plots({"learned mask less dense network": apart}, x, points, [upright, Level(ZERO, y=0.0)]),
        ),
    )


def _factor(size: float) -> str:
    """A width as a fraction where it is one: "1/8"."""
    return f"1/{round(1 / size)}" if size < 1 and abs(1 / size - round(1 / size)) < 1e-9 else f"{size:g}"


# --- kinds of networks ---


def kinds(arms: Table) -> Figure | None:
    """Test score by the distribution of the frozen weights."""
    whole = arms.where(size=1.0)

    def of(distribution: str, own: str, other: str) -> Spread:
        """The measurements of one distribution, which are the ticket's where it is the network's own."""
        rows = whole.where(distribution=distribution)
        return score(found if len(found := rows.where(arm=other)) else rows.where(arm=own))

    shown = [d for d in DISTRIBUTIONS if d in whole["distribution"]]
    if len(shown) < 2:
        return None
    found = {d: (of(d, "ticket", "distribution"), of(d, "random", "random distribution")) for d in shown}
    rows = [
        Row(DISTRIBUTIONS[d], (series(TICKET, mine),), unit=f" %, random mask {fixed(chance.mean, 1)} %")
        for d, (mine, chance) in found.items()
    ]
    said = listed([f"{fixed(mine.mean, 1)} % ({DISTRIBUTIONS[d]})" for d, (mine, _) in found.items()])
    return Figure(
        "distributions",
        f"Tickets over frozen weights of each distribution score {said}",
        "Test score by the distribution of the frozen weights, all of the same variance: filled signs are means, bars their 95 % "
        "intervals, open signs single seeds. Random masks are given in digits.",
        row_panels("test score, %", {"": rows}),
    )


def prizes(arms: Table) -> Figure | None:
    """Test score of every arm: a panel for binary weights, and one for binary weights and activations."""
    shown = [a for a in PRIZES if a in arms["arm"]]
    if "ticket" not in shown or "dense" not in shown:
        return None
    settings = sorted(set(arms["setting"].tolist()))
    found = {(s, a): score(arms.where(setting=s, arm=a)) for s in settings for a in shown}
    panels, chance = {}, []
    for s in settings:
        name = "sign activations" if "activations" in s else "the activation function that was chosen"
        panels[name] = {label: {mark: found[s, a]} for a, (label, mark) in PRIZES.items() if a in shown}
        drawn = score(arms.where(setting=s, arm="random"))
        chance.append(f"{s} {estimate(drawn.mean, drawn.interval)} %")
    full = next(found[s, "dense"] for s in settings if "activations" not in s or len(settings) == 1)
    said = "; ".join(f"{s} {fixed(found[s, 'ticket'].mean, 1)} %" for s in settings)
    return Figure(
        "prizes",
        f"Tickets whose weights were never trained score: {said}; the trained network of full precision {fixed(full.mean, 1)} %",
        "Test score: filled signs are means, bars their 95 % intervals, open signs single seeds. Random masks of equal counts "
        f"over the same signs score: {'; '.join(chance)}.",
        bars("test score, %", panels, unit=" %"),
    )


def memory(arms: Table) -> Figure | None:
    """What is learnt from true and from permuted labels: the score on the labels it learnt from, and on test data."""
    if not len(arms.where(arm="permuted")):
        return None
    whole = arms.where(setting=arms.where(arm="permuted")["setting"][0])
    found = {
        LABELS[a]: {TRAIN: score(of, "train_score"), TEST: score(of)}
        for a in ("ticket", "permuted", "dense", "permuted dense", "multigraph")
        if len(of := whole.where(arm=a))
    }
    fitted, true = found[LABELS["permuted"]].values()
    return Figure(
        "memory",
        f"Over permuted labels the search fits {fixed(fitted.mean, 1)} % of the training labels, and on true labels scores "
        f"{fixed(true.mean, 1)} %",
        "How much is memorised: scores on the training labels that were learnt from, and on test data with true labels; "
        "means over seeds with 95 % intervals.",
        bars(
            "score, %",
            {"": found},
            note=lambda _, of: ", ".join(f"{fixed(s.mean, 1)} %" for s in of),
            dots=False,
            include=0.0,
        ),
    )


def training(curves: Table) -> Figure | None:
    """Validation score by step, of the setting that decides: a search may take longer than training."""
    name = curves["setting"][0]
    of = curves.where(setting=name)
    drawn = [
        mean_curve(mark, rows, "step", "validation_score", 100)
        for arm, mark in CURVES.items()
        if len(rows := of.where(arm=arm))
    ]
    x = linear_axis("step", of["step"].tolist(), include=0.0)
    return Figure(
        "training",
        "How masks and weights are learned",
        f"Validation score on the true labels by step, means over seeds ({name}). Nothing was chosen by it.",
        plots({"": drawn}, x, partial(linear_axis, "validation score, %", include=0.0), height=300),
    )


# --- tables ---


def arm_table(arms: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by setting and arm."""
    weights = {s: quantity(int(of["weights"][0])) for (s,), of in arms.by("setting").items()}
    return summary(
        f"Every arm: means over {seeds(arms)}, with 95 % intervals, at the last step. Test scores are on true labels, training "
        "scores on the labels that were learnt from; drawn is the mean over ten masks, where masks are drawn.",
        arms,
        {"arm": "arm", "asked": "density", "distribution": "weights"},
        {
            "kept": share("density"),
            "weights kept": count("kept"),
            "test, %": scored("test_score"),
            "drawn, %": scored("sampled_test_score"),
            "training, %": scored("train_score"),
        },
        group=("setting",),
        heading=lambda s: f"{s}: {weights[s]} weights",
        titles=LABELS,
        name="arms-summary",
    )


def check_table(checks: Table) -> TextTable:
    """What the check of frozen weights compared."""
    return summary(
        "After every search each entry of the ticket's parameters was compared with what had been drawn: all were the same, "
        "times one number a layer, or exactly zero under the mask. A run in which one differs ends.",
        checks,
        {"arm": "arm", "setting": "setting"},
        {"tickets": lambda rows: quantity(len(rows)), "entries compared": total("compared")},
        titles=LABELS,
        name="checks-summary",
    )
