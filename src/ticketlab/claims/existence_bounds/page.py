"""The page of the claim `existence-bounds`: failure rates around their curve, growth, and what each construction costs."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.existence_bounds import formula
from ticketlab.claims.existence_bounds.growth import exponent, lean, slope
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import logarithmic_axis
from ticketlab.figures.curves import Curve, Plot, curve, mean_curve
from ticketlab.figures.figure import Figure, Panel, alone
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, made, seconds_table
from ticketlab.figures.rows import Row, Rows, series
from ticketlab.figures.spread import Spread, seeds, spread
from ticketlab.figures.text_tables import Cell, TextTable, count, distance, mean, of_spread, scored, summary
from ticketlab.figures.wording import MISSING, extent, fixed, listed, measure, power, quantity

__all__ = ["present"]

MEASURED = Mark("measured", LIGHT.blue)
CURVE = Mark("the curve, without a fitted constant", LIGHT.vermilion, dash="dash", line=True)
LAW = Mark("targets of other weights, the same law", LIGHT.green, "x")
SEARCHES = {
    formula.SUBSET: Mark("closest subset", LIGHT.blue),
    formula.PICK: Mark("one product", LIGHT.vermilion, "square", "dash"),
}
ATTACK = Mark("found by the attack", LIGHT.vermilion, "square")
CERTIFICATE = Mark("certified bound", LIGHT.blue)
BY = {"construction": "construction", "target": "target"}


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, failures, by_tolerance),
        summaries=made(
            record, construction_table, agreement_table, growth_table, rate_table, target_table, seconds_table
        ),
        certificates=made(record, gaps),
    )


def failures(rates: Table) -> Figure:
    """Failure rates by units drawn, one panel for each ε."""
    own = rates.where(target=formula.TARGETS[0])
    share = own.adding(rate=own["failed"] / own["weights"], said=own["expected"] / own["weights"])
    share = share.adding(other=own["law"] / own["weights"])
    drawn = sorted(set(own["drawn"].tolist()))
    x = logarithmic_axis("units drawn for each input", drawn)
    values = [v for column in ("rate", "said", "other") for v in share[column].tolist()]
    y = logarithmic_axis("share of weights that fail", [v for v in values if v >= 1e-5])
    panels, told = [], []
    for tolerance, of in reversed(share.along("tolerance")):
        measured = [spread(rows["rate"], 0.0, 1.0) for _, rows in of.along("drawn")]
        others = [spread(rows["other"], 0.0, 1.0) for _, rows in of.along("drawn")]
        drawing = (
            mean_curve(CURVE, of, "drawn", "said"),
            curve(MEASURED, drawn, [_shown(s) for s in measured], joined=False),
            curve(LAW, drawn, [_shown(s) for s in others], joined=False),
        )
        panels.append(Panel(f"ε = {tolerance:g}", Plot(x, y, drawing, height=250)))
        ratio = float(of["failed"].sum()) / max(float(of["expected"].sum()), 1e-12)
        told.append(f"{fixed(ratio, 2)} at ε = {tolerance:g}")
    return Figure(
        "rates",
        "How often no subset of the products is within ε of a weight",
        f"Means over {seeds(own)} with 95 % intervals, for weights of the trained target. About half of the units drawn are "
        "usable. The crosses try each pool with the target of another weight of its input, which has the same law. Failures as a "
        f"multiple of what the curve says: {listed(told)}.",
        tuple(panels),
    )


def _shown(s: Spread) -> Spread:
    """Without a value of 0, which has no place on a logarithmic axis."""
    if not s.values or s.mean <= 0:
        return Spread((), np.nan, None)
    low, high = s.interval or (s.mean, s.mean)
    return Spread(s.values, s.mean, (max(low, s.mean / 100), high))


def by_tolerance(growth: Table) -> Figure:
    """Products against 1/ε, for the two ways to write a weight."""
    rows = growth.taken(np.flatnonzero(np.isfinite(growth["products"])))
    rows = rows.adding(inverse=1 / rows["tolerance"])
    x = logarithmic_axis("1/ε", rows["inverse"].tolist())
    y = logarithmic_axis("products for each weight", rows["products"].tolist())
    drawn: list[Curve] = []
    for search, mark in SEARCHES.items():
        places = rows.where(search=search).along("inverse")
        found = [spread(of["products"], 0.0) for _, of in places]
        drawn.append(curve(mark, [float(place) for place, _ in places], found))
    subset, pick = (
        growth.where(search=search).by("seed").values() for search in (formula.SUBSET, formula.PICK)
    )
    slopes, powers = map(slope, subset), map(exponent, pick)
    leans = [extent(map(lean, of), measure) for of in (subset, pick)]
    left = fixed(100 * float(growth["left"][0]), 0)
    return Figure(
        "growth",
        f"Each halving of ε costs a subset sum {extent(slopes, measure)} products",
        f"Products that leave {left} % of the weights further than ε from their sum, for weights larger than the largest ε: "
        f"means over {seeds(growth)}, with 95 % intervals. With one product for each weight, their number grows as 1/ε to the "
        f"power {extent(powers, measure)}. Between a logarithm, 0, and a power of 1/ε, 1, with the same ends, the closest subset "
        f"lies at {leans[0]} and one product at {leans[1]}.",
        alone(Plot(x, y, tuple(drawn), height=320)),
    )


def gaps(constructions: Table) -> Figure:
    """What the attack found and what the certificate allows, by construction."""
    rows, ends = [], []
    for (name, target), of in constructions.by("construction", "target").items():
        both = tuple(
            series(mark, spread(of[column], 0.0))
            for mark, column in ((ATTACK, "attack"), (CERTIFICATE, "certificate"))
        )
        ends += [end for s in both for end in s.ends]
        note = " · ".join(measure(s.centre) for s in both if s.centre is not None)
        rows.append(Row(_named(name, target), both, note=note))
    worst = float(constructions["beyond"].max())
    return Figure(
        "certificates",
        f"No difference exceeds {fixed(100 * worst, 1)} % of the certificate for its input's norm",
        "The largest difference of the outputs, masked random network against its target, over all inputs up to the largest norm "
        f"of a test example: found by gradient ascent, and bounded from spectral norms. Means over {seeds(constructions)}.",
        alone(Rows(tuple(rows), logarithmic_axis("difference of outputs", ends))),
    )


def _named(construction: str, target: str) -> str:
    return construction if target == formula.TARGETS[0] else f"{construction}, {target}"


def construction_table(constructions: Table) -> TextTable:
    cells: dict[str, Cell] = {
        "size": distance("size"),
        "kept": distance("kept"),
        "bits of the mask": distance("bits"),
        "λ": _power("factor"),
        "failed at first, %": mean("failed", 100.0),
        "… inputs, %": mean("failed_inputs", 100.0),
        "attempts": lambda rows: quantity(int(rows["attempts"].max())),
    }
    needed = measure(float(constructions["bits_needed"][0]))
    caption = (
        "Size, weights kept and bits of the mask for each weight of the target; writing a weight to within ε needs "
        f"{needed} bits. Failures are those of the first attempt. Means over seeds."
    )
    return summary(caption, constructions, BY, cells, name="constructions")


def agreement_table(constructions: Table) -> TextTable:
    cells: dict[str, Cell] = {
        "same class, %": scored("agreement"),
        "relative difference": _power("relative"),
        "attack": distance("attack"),
        "certificate": distance("certificate"),
        "masked or whole": _power("whole"),
    }
    caption = (
        "The masked random network and its target: test examples with the same class, the largest difference there relative to "
        "the largest output, the largest difference in the ball, and what evaluating the whole network changes. Means over seeds."
    )
    return summary(caption, constructions, BY, cells, name="agreement")


def _power(column: str) -> Cell:
    return lambda rows: power(float(np.mean(rows[column])))


def growth_table(growth: Table) -> TextTable:
    def products(rows: Table) -> str:
        known = rows["products"][np.isfinite(rows["products"])]
        return of_spread(lambda r: spread(r["products"], 0.0))(rows) if len(known) else MISSING

    cells: dict[str, Cell] = {
        "products": products,
        "products / log₂ 1/ε": of_spread(lambda rows: spread(rows["constant"], 0.0)),
        "weights": count("weights"),
    }
    caption = "Products that a weight needs, and the constant that the theorem leaves open, estimated: means over seeds ± 95 %."
    ordered = growth.taken(np.lexsort((-growth["tolerance"], growth["search"] != formula.SUBSET)))
    return summary(caption, ordered, {"search": "search", "tolerance": "ε"}, cells, name="growth")


def rate_table(rates: Table) -> TextTable:
    own = rates.where(target=formula.TARGETS[0])
    own = own.taken(np.lexsort((own["drawn"], -own["tolerance"])))
    caption = (
        "Failure rates of the trained target's weights, in %: measured, by the curve, and with the targets of other weights. The "
        "last column is the difference of the first and the third, in standard errors over all seeds."
    )
    cells: dict[str, Cell] = {
        "measured": _rate("failed"),
        "curve": _rate("expected"),
        "same law": _rate("law"),
        "inputs with a failure": lambda rows: measure(
            100 * float(np.sum(rows["failed_inputs"])) / float(np.sum(rows["inputs"]))
        ),
        "standard errors": _errors,
    }
    return summary(caption, own, {"tolerance": "ε", "drawn": "units drawn"}, cells, name="rates")


def _rate(column: str) -> Cell:
    return lambda rows: measure(100 * float(np.sum(rows[column])) / float(np.sum(rows["weights"])))


def _errors(rows: Table) -> str:
    error = float(np.sqrt(np.sum(rows["spread"] ** 2)))
    if not error > 0:
        return MISSING
    return fixed(float(np.sum(rows["failed"] - rows["law"])) / error, 1)


def target_table(rates: Table) -> TextTable:
    def at(drawn: int) -> Cell:
        return lambda rows: _rate("failed")(rows.where(drawn=drawn))

    cells = {f"{drawn} units": at(drawn) for drawn in sorted(set(rates["drawn"].tolist()))}
    caption = "Failure rates in %, by units drawn, for the three targets."
    return summary(caption, rates, {"target": "target", "tolerance": "ε"}, cells, name="targets")
