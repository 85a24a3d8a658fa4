"""The page of the claim `ladder`: all rungs on one axis of test error, each with its control; and where Δθ points."""

from __future__ import annotations

import numpy as np

from ticketlab.claims.ladder import formula
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.certificates import met, worst
from ticketlab.figures.figure import Figure
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.presentation import Presentation, choice, made, seconds_table
from ticketlab.figures.rows import Row, Series, bars, row_panels
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable, mean, names, scored, summary
from ticketlab.figures.wording import estimate, extent, power
from ticketlab.laws.difference import paired_difference

__all__ = ["present"]

RUNG = Mark("the rung", LIGHT.blue)
CONTROL = Mark("its control, equally many parameters on random projections", LIGHT.orange, "diamond")
ENOUGH = Mark("the margin above the trained network", LIGHT.soft, dash="dash", line=True)
TANGENT = Mark("tangent-space minimum and training", LIGHT.blue)
CEILING = Mark("two trainings from one θ₀", LIGHT.green, "triangle-up")
FLOOR = Mark("units permuted", LIGHT.soft, "x")
OF_LAYER = f"{formula.LAYER}: "
SMALLEST = 0.1  # per cent; smaller errors are drawn there


def present(record: Record) -> Presentation:
    return Presentation(
        figures=made(record, climbed, aligned),
        summaries=made(record, rung_table, seconds_table),
        certificate_tables=made(record, certificate_table),
    )


def climbed(record: Record, examples: Table, rungs: Table) -> Figure:
    """Test error of every rung and its control, on one axis."""
    order = _in_order(rungs)
    limit = 100 * (record.plan["margin"] + 1 - float(np.mean(examples[formula.TRAINED])))
    rows = [
        Row(
            _title(rung),
            tuple(_series(mark, examples, c) for mark, c in _columns(rung)),
            _numbers(examples, rung),
        )
        for rung in order
    ]
    return Figure(
        "rungs",
        _found(record),
        "Each row is a rung, with its control below. Signs are mean test errors, bars 95 % intervals for seeds and test "
        "examples; the numbers are the rung's error and the control's. A rung left of the dashed line is within the margin of "
        "the trained network. It owes that to the network if its control lies to the right of it. Errors below 0.1 % are drawn "
        "there. Below the trained network are other read-outs, and the kernels of infinite width with a Gaussian kernel as "
        "control.",
        row_panels("test error, % (logarithmic)", {"": rows}, {"": {limit: ENOUGH}}, logarithmic=True),
    )


def _found(record: Record) -> str:
    """At which rung usefulness appears, as the claim's verdict says, at the levels of its look."""
    first = record.whole.facets.get("appears") if record.whole else None
    if first is None:
        return "Test errors of all rungs and of their controls"
    if first == formula.NOWHERE:
        return "No rung was shown to err as little as the trained network and less than its control"
    return f"The first rung that is shown to be enough and better than its control: {formula.NAMES[first]}"


def _in_order(rungs: Table) -> list[str]:
    """The rungs from the bottom; single layers come in the place of the best one."""
    found = list(dict.fromkeys(rungs["rung"].tolist()))
    layers = [name for name in found if name.startswith(OF_LAYER)]
    order = [layers if rung == formula.LAYER else [rung] for rung in (*formula.RUNGS, *formula.OTHERS)]
    return [rung for of in order for rung in of if rung in found]


def _title(rung: str) -> str:
    if rung.startswith(OF_LAYER):
        return f"the tangent space of {rung.removeprefix(OF_LAYER)} alone"
    return formula.NAMES[rung]


def _columns(rung: str) -> tuple[tuple[Mark, str], ...]:
    return (RUNG, rung), (CONTROL, formula.control_of(rung))


def _series(mark: Mark, examples: Table, column: str) -> Series:
    mean, interval = _error(examples, column)
    low, high = interval or (mean, mean)
    return Series(
        mark, (), max(mean, SMALLEST), (max(low, SMALLEST), max(high, SMALLEST)) if interval else None
    )


def _error(examples: Table, column: str) -> tuple[float, tuple[float, float] | None]:
    """Mean error in per cent with its two-way clustered interval, cut at what an error can be."""
    of = paired_difference(1.0 - examples[column], examples["seed"], examples["id"])
    if not of.decidable:
        return 100 * of.mean, None
    low, high = of.interval()
    return 100 * of.mean, (100 * max(low, 0.0), 100 * min(high, 1.0))


def _numbers(examples: Table, rung: str) -> str:
    return " · ".join(estimate(*_error(examples, column)) for _, column in _columns(rung))


def aligned(alignment: Table) -> Figure:
    """Cosines of Δθ by layer."""
    columns = {TANGENT: "cosine", CEILING: "two_trainings", FLOOR: "permuted"}
    found = {
        str(layer): {mark: spread(of[column].astype(float), -1.0, 1.0) for mark, column in columns.items()}
        for (layer,), of in alignment.by("layer").items()
    }
    means = [of[TANGENT].mean for of in found.values()]
    return Figure(
        "alignment",
        f"The tangent-space minimum moves layers at a cosine of {min(means):.2f} to {max(means):.2f} with training",
        "For each layer, the cosine of Δθ of the whole tangent space's minimum (f₀ kept) and Δθ of training; that of two "
        "trainings with other data orders as the most that can be expected; and that with the layer's units in another order as "
        "what chance gives. Signs are means over seeds, bars 95 % intervals.",
        bars("cosine", {"": found}, also=[0.0, 1.0], dots=False),
    )


def rung_table(rungs: Table) -> TextTable:
    cells = {
        "test score": scored("test_score"),
        "control": scored("control_score"),
        "parameters": mean("parameters"),
        "the control's": mean("control_parameters"),
        "bits of choice": mean("bits"),
        "layer": names("layer"),
        "setting": choice,
    }
    caption = (
        "Every rung: means over seeds, ± 95 %. Bits of choice: log₂ of the number of subsets (units, layers, masks) among which "
        "the data chose, beyond the real numbers that were fitted."
    )
    order = [*_in_order(rungs), formula.LAYER]
    place = np.array([order.index(rung) for rung in rungs["rung"].tolist()])
    titled = rungs.adding(title=np.array([_title(rung) for rung in rungs["rung"].tolist()]))
    return summary(
        caption, titled.taken(np.argsort(place, kind="stable")), {"title": "rung"}, cells, name="rung-summary"
    )


def certificate_table(certificates: Table) -> TextTable:
    cells = {
        "met": met,
        "largest relative gap": lambda rows: power(worst(rows["duality_gap"])),
        "largest relative residual": lambda rows: power(worst(rows["relative_residual"])),
        "condition": lambda rows: extent(rows["condition"].tolist()),
    }
    titled = certificates.adding(title=np.array([_title(rung) for rung in certificates["rung"].tolist()]))
    caption = "Certificates of the tangent-space minima that validation chose, over seeds."
    return summary(caption, titled, {"title": "minimum"}, cells, name="certificate-summary")
