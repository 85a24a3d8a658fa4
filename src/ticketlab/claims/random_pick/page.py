"""The page of the claim `random-pick`: the two laws function by function, by rank, by errors, and the most frequent functions."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.stats import spearmanr

from ticketlab.claims.asking import columns
from ticketlab.claims.random_pick import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import linear_axis, logarithmic_axis
from ticketlab.figures.curves import Curve, mean_curve, plots, points
from ticketlab.figures.figure import Figure
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.text_tables import TextTable, interval, mean, summary
from ticketlab.figures.wording import fixed, measure

__all__ = ["present"]

BAYES = Mark(formula.BAYES, LIGHT.ink, dash="dash")
MARKS = {
    "sgd": Mark(formula.TITLES["sgd"], LIGHT.blue),
    "logistic": Mark(formula.TITLES["logistic"], LIGHT.vermilion, "square"),
    "adam": Mark(formula.TITLES["adam"], LIGHT.green, "triangle-up"),
    "full-batch": Mark(formula.TITLES["full-batch"], LIGHT.purple, "diamond"),
    "momentum": Mark(formula.TITLES["momentum"], LIGHT.orange, "cross"),
    "single": Mark(formula.TITLES["single"], LIGHT.ramp[5], "x"),
}
EQUAL = Mark("equal probabilities", LIGHT.soft, dash="dot", line=True)
MATCHED = Mark("mean of all functions with equally many errors", LIGHT.soft, "x")
PROBABILITY = partial(logarithmic_axis, "probability")
BARS, FUNCTIONS, OFTEN = 20, 5, 10


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, scatter, ranks, matched, complexities, error_spectra, single_labels),
        summaries=made(
            record,
            distance_table,
            agreement_table,
            control_table,
            shuffled_table,
            function_table,
            seconds_table,
        ),
    )


def _arms(table: Table) -> list[str]:
    return [arm for arm in MARKS if arm in set(table["training"].tolist())]


def _first_seed(table: Table) -> Table:
    found: Table = table.where(seed=int(np.min(table["seed"])))
    return found


def scatter(functions: Table, laws: Table) -> Figure | None:
    """P_SGD against P_B, function by function, for the first seed; None where functions do not repeat."""
    rows = _first_seed(functions)
    if not (laws["decades"] > 0).all():
        return None
    x, y = (
        logarithmic_axis(title, _drawn(rows))
        for title in ("P among random networks that fit", "P in training")
    )
    ends = [x.low, x.high]
    panels = {}
    for arm in _arms(rows):
        of = rows.where(training=arm)
        both = (of["bayes_count"] > 0) & (of["trained_count"] > 0)
        drawn = _points(MARKS[arm], of.taken(np.flatnonzero(both)))
        panels[MARKS[arm].label] = (Curve(EQUAL, ends, ends), drawn)
    slopes = [float(np.mean(laws.where(training=arm)["slope"])) for arm in _arms(rows)]
    title = f"The slope of log P in training is {_extent(slopes)} on log P among random networks that fit"
    caption = (
        "A sign is one function: the labels on the held-out examples, for the first seed. The most frequent functions of either "
        f"sampler that both drew; bars are two standard errors of the {BARS} most frequent. The slope, a mean over seeds, comes "
        "from all functions, also those that one sampler did not draw."
    )
    return Figure("scatter", title, caption, plots(panels, x, y, height=320))


def _points(mark: Mark, of: Table) -> Curve:
    y = of["trained"]
    error = 2 * y / np.sqrt(of["trained_count"])
    often = set(np.argsort(-y)[:BARS].tolist())
    bars = [
        (max(float(v - e), float(v) / 10), float(v + e)) if i in often else None
        for i, (v, e) in enumerate(zip(y, error, strict=True))
    ]
    texts = [f"{e} errors" for e in of["errors"]]
    return Curve(mark, of["bayes"].tolist(), y.tolist(), bars, joined=False, signed=True, texts=texts)


def _drawn(rows: Table) -> list[float]:
    both = np.concatenate([rows["trained"], rows["bayes"]])
    return both[both > 0].tolist()


def ranks(functions: Table) -> Figure:
    """The probabilities of the most frequent functions, by rank, for the first seed."""
    rows = _first_seed(functions)
    arms = _arms(rows)
    laws = {BAYES: rows.where(training=arms[0])["bayes"]}
    laws |= {MARKS[arm]: rows.where(training=arm)["trained"] for arm in arms}
    drawn = []
    for mark, values in laws.items():
        p = np.sort(values[values > 0])[::-1]
        drawn.append(Curve(mark, np.arange(1.0, len(p) + 1).tolist(), p.tolist(), strong=mark is BAYES))
    x = logarithmic_axis("rank of the function", [v for c in drawn for v in c.x])
    top = {mark.label: float(np.max(values)) for mark, values in laws.items()}
    title = f"The most frequent function has a probability from {measure(min(top.values()))} to {measure(max(top.values()))}"
    caption = "Each law has its own ranks. The most frequent functions of either sampler, for the first seed."
    return Figure("ranks", title, caption, plots({"": drawn}, x, PROBABILITY, height=320))


def matched(functions: Table) -> Figure | None:
    """The probability of frequent functions next to the mean of all functions with equally many errors."""
    rows = _first_seed(functions)
    of = rows.where(training=_arms(rows)[0])
    of = of.taken(np.flatnonzero((of["bayes_count"] >= OFTEN) & (of["matched"] > 0)))
    if not len(of):
        return None
    errors = (of["errors"] + 1).astype(float).tolist()
    drawn = (
        Curve(MATCHED, errors, of["matched"].tolist(), joined=False, signed=True),
        Curve(BAYES, errors, of["bayes"].tolist(), joined=False, signed=True),
    )
    x = logarithmic_axis("errors + 1", errors)
    gap = float(np.mean(np.log10(of["bayes"] / of["matched"])))
    title = f"Frequent functions are {fixed(gap, 1)} decades more probable than functions with equally many errors"
    caption = (
        f"Random networks that fit, for the first seed; functions drawn at least {OFTEN} times. Crosses are the mean over all "
        "functions with equally many errors, drawn or not. If errors alone decided, both would agree."
    )
    return Figure("matched", title, caption, plots({"": drawn}, x, PROBABILITY, height=320))


def complexities(functions: Table) -> Figure | None:
    """The probability of the most frequent functions against their complexity, for the first seed."""
    rows = _first_seed(functions)
    if np.isnan(rows["complexity"]).any():
        return None
    arm = _arms(rows)[0]
    of = rows.where(training=arm)
    drawn = []
    for mark, column in ((BAYES, "bayes"), (MARKS[arm], "trained")):
        seen = of[column] > 0
        drawn.append(points(mark, of.taken(np.flatnonzero(seen)), "complexity", column))
    x = linear_axis("Lempel–Ziv complexity of the held-out labels, bits", of["complexity"].tolist())
    ranks = [float(spearmanr(c.x, c.y).statistic) for c in drawn]
    title = f"Complexity and probability: rank correlation {fixed(ranks[0], 2)} at random, {fixed(ranks[1], 2)} trained"
    caption = (
        "The most frequent functions of either sampler, for the first seed and the first way of training. Held-out labels are "
        "read in the order of the truth table."
    )
    return Figure("complexities", title, caption, plots({"": drawn}, x, PROBABILITY, height=320))


def single_labels(labels: Table) -> Figure:
    """P(label = 1) of each held-out example in training and among random networks, for the first seed."""
    rows = _first_seed(labels)
    x = linear_axis("P(label = 1) among random networks that fit", [0.0, 1.0])
    y = linear_axis("P(label = 1) in training", [0.0, 1.0])
    line = Curve(EQUAL, [0.0, 1.0], [0.0, 1.0])
    panels, gaps = {}, []
    for arm in _arms(rows):
        of = rows.where(training=arm)
        texts = [f"example {i}, label {v}" for i, v in zip(of["example"], of["label"], strict=True)]
        panels[MARKS[arm].label] = (line, points(MARKS[arm], of, "bayes_one", "trained_one", texts=texts))
        gaps.append(float(np.sqrt(np.mean((of["bayes_one"] - of["trained_one"]) ** 2))))
    title = f"The probabilities of single labels differ by {_extent(gaps)} (root mean square)"
    caption = "A sign is one held-out example, for the first seed. This is known even where no function is drawn twice."
    return Figure("labels", title, caption, plots(panels, x, y, height=320))


def error_spectra(spectra: Table) -> Figure:
    """The distribution of errors in each law, means over seeds."""
    seeds = len(set(spectra["seed"].tolist()))
    drawn = []
    for source, mark in {"bayes": BAYES, **MARKS}.items():
        of = spectra.where(source=source)
        if len(of):
            sums = mean_curve(mark, of, "errors", "probability", strong=source == "bayes")
            counts = [
                len(rows) / seeds for _, rows in of.along("errors")
            ]  # a seed without a row has probability 0
            p = [value * share for value, share in zip(sums.y, counts, strict=True)]
            drawn.append(Curve(mark, [e + 1 for e in sums.x], p, strong=source == "bayes"))
    x = logarithmic_axis("errors on held-out examples + 1", [v for c in drawn for v in c.x])
    means = {c.mark.label: sum((e - 1) * p for e, p in zip(c.x, c.y, strict=True)) for c in drawn}
    title = (
        f"Training makes {_extent([v for k, v in means.items() if k != BAYES.label])} errors on average, random networks that "
        f"fit {fixed(means[BAYES.label], 2)}"
    )
    return Figure("spectra", title, "Means over seeds.", plots({"": drawn}, x, PROBABILITY, height=320))


def _extent(values: list[float]) -> str:
    low, high = fixed(min(values), 2), fixed(max(values), 2)
    return low if low == high else f"{low} to {high}"


BY = {"training": "training"}


def distance_table(laws: Table) -> TextTable:
    cells = {
        "TV, from below": interval("tv_low"),
        "TV, corrected": interval("tv_corrected"),
        "TV, plug-in": interval("tv_high"),
        "TV by chance": mean("tv_within"),
        "unseen, training": mean("unseen"),
        "unseen, random": mean("bayes_unseen"),
        "energy distance": mean("energy"),
    }
    if "tv_low_width" in columns(laws):
        cells["TV from the trained width, from below"] = interval("tv_low_width")
    caption = (
        "Total variation between training and random networks that fit, and the mass of functions that were not drawn: means "
        "over seeds ± 95 %. Random networks have infinite width, but for the last column. By chance: between streams of one "
        "sampler, with an eighth of the draws each."
    )
    return summary(caption, laws, BY, cells, titles=formula.TITLES, name="distances")


def agreement_table(laws: Table) -> TextTable:
    cells = {
        "slope": interval("slope"),
        "scatter, decades": mean("scatter"),
        "correlation": interval("correlation"),
        "with noise": mean("plain_correlation"),
        "its ceiling": mean("ceiling"),
        "rank": mean("rank"),
        "its ceiling, rank": mean("rank_ceiling"),
        "rank, equal errors": mean("rank_within"),
        "its ceiling, equal errors": mean("rank_within_ceiling"),
        "labels, rms": mean("label_rms"),
        "error, %": interval("error", 100.0),
        "error, random, %": interval("bayes_error", 100.0),
    }
    caption = "How the two laws agree: means over seeds ± 95 %. Ceilings are between halves of the draws of random networks."
    return summary(caption, laws, BY, cells, titles=formula.TITLES, name="agreement")


def control_table(controls: Table) -> TextTable:
    cells = {
        "halves: TV, from below": interval("halves_low"),
        "halves: slope": mean("halves_slope"),
        "halves: correlation": mean("halves_correlation"),
        "error-matched law: TV, from below": interval("matched_low"),
        "trained width: TV, corrected": interval("width_tv"),
        "trained width: error, %": interval("width_error", 100.0),
        "trained width: effective draws": mean("width_effective"),
        "trained width: R-hat": mean("width_r_hat"),
    }
    caption = (
        "Random networks of infinite width that fit, next to themselves, to a law with the same errors in which functions with "
        "equally many errors are equally probable, and to random networks of the trained width: means over seeds ± 95 %."
    )
    law = controls.adding(law=np.full(len(controls), formula.BAYES))
    return summary(caption, law, {"law": "law"}, cells, name="controls")


def shuffled_table(shuffled: Table) -> TextTable:
    cells = {
        "runs that fit": mean("fitted"),
        "error, %": mean("error", 100.0),
        "error, random, %": mean("bayes_error", 100.0),
        "random labels, %": mean(formula.random_labels(shuffled), 100.0),
        "same function twice": mean("repeat"),
        "same function twice, random": mean("bayes_repeat"),
    }
    caption = "Shuffled labels: means over the permutations of each seed."
    return summary(caption, shuffled, {"seed": "seed"}, cells, name="shuffled")


def function_table(functions: Table) -> TextTable:
    """The most frequent functions of the first way of training, for the first seed."""
    rows = _first_seed(functions)
    of = rows.where(training=_arms(rows)[0])
    order = np.argsort(-of["trained"], kind="stable")[:FUNCTIONS]
    body = tuple(
        (
            str(of["function"][i]),
            str(int(of["errors"][i])),
            "" if np.isnan(of["complexity"][i]) else f"{of['complexity'][i]:g}",
            measure(float(of["trained"][i])),
            measure(float(of["bayes"][i])),
            f"{float(of['matched'][i]):.1e}".replace("-", "−"),
        )
        for i in order
    )
    head = ("labels", "errors", "complexity", "P in training", "P, random networks", "P, equally many errors")
    caption = (
        f"The most frequent functions of training ({formula.TITLES[_arms(rows)[0]]}), for the first seed."
    )
    return TextTable(caption, head, body, 1, name="functions")
