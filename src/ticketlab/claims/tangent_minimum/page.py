"""The page of the claim `tangent-minimum`: each arm's error, whether both sides were tuned fairly, and proof of the minima.

An arm is one way to get a predictor. Errors are shown instead of scores, in per cent: the share of test examples that are
classified wrongly, or of the variance that is left unexplained. A candidate chosen at the edge of what was tried hints that a
wider search might have done better; both figures of tuning say how often that happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ticketlab.claims.tangent_minimum import formula
from ticketlab.claims.tangent_minimum.formula import DESCENT, LIMIT, LINEAR, MOVED, READ_OUT, TANGENT
from ticketlab.evidence.record import Record
from ticketlab.evidence.tables import Table
from ticketlab.figures.axes import SMALLEST, linear_axis, logarithmic_axis
from ticketlab.figures.certificates import all_met, met, proof, worst
from ticketlab.figures.curves import Curve, Level, Plot, each_seed, plots, points
from ticketlab.figures.figure import Figure, Panel
from ticketlab.figures.forest import Asked
from ticketlab.figures.palette import LIGHT, Mark, ramp
from ticketlab.figures.presentation import Presentation, by_setting, choice, made, seconds_table
from ticketlab.figures.rows import bars, row_panels
from ticketlab.figures.spread import Spread, error, score, seeds, spread
from ticketlab.figures.text_tables import Cell, TextTable, distance, mean, names, of_spread, ranged, summary
from ticketlab.figures.wording import extent, fixed, listed, measure, plural, power, quantity, setting, signed
from ticketlab.laws.verdict import Verdict

__all__ = ["present"]

ARMS = {
    DESCENT: Mark(DESCENT, LIGHT.ink, "circle"),
    TANGENT: Mark(TANGENT, LIGHT.blue, "diamond"),
    LIMIT: Mark(LIMIT, LIGHT.vermilion, "square"),
    MOVED: Mark(MOVED, LIGHT.green, "triangle-up"),
    READ_OUT: Mark(READ_OUT, LIGHT.orange, "cross"),
    LINEAR: Mark(LINEAR, LIGHT.purple, "x"),
}
REFERENCE = Mark(f"mean of {DESCENT}", LIGHT.soft, dash="dot", line=True)
TEST = Mark("test error", LIGHT.blue, line=True)
VALIDATION = Mark("validation error", LIGHT.orange, dash="dash", line=True)
CHOSEN = Mark("the ridge that validation chose", LIGHT.blue, "diamond")
LIMIT_LINE = Mark("test error of the minimum-norm limit", LIGHT.vermilion, dash="dot", line=True)
STOPPED = Mark("step that validation chose", LIGHT.vermilion, "circle")
TOLERANCE = Mark("tolerance on the gap", LIGHT.soft, dash="dash", line=True)
GAP, RESIDUAL = "relative duality gap", "relative residual"


def present(record: Record) -> Presentation:
    compared = {formula.SCORE: TANGENT, formula.READ_OUT_SCORE: READ_OUT, formula.MOVED_SCORE: MOVED}
    minus, sides = f"test score minus that of {DESCENT}", (f"{DESCENT} better", f"{DESCENT} worse")
    dots = partial(_by_seed, record.evidence.tables.get("arms"))
    return Presentation(
        asked={key: Asked(minus, sides, partial(dots, arm)) for key, arm in compared.items()},
        figures=made(record, test_error, ridge_path, learning_curves, motion, agreement),
        summaries=made(record, arm_table, partial(seconds_table, by={"loss": "loss", "arm": "arm"})),
        certificates=made(record, proofs),
        certificate_tables=made(record, certificate_table),
    )


def _by_seed(arms: Table | None, arm: str, v: Verdict) -> Sequence[float]:
    return differences(arms.where(**v.facets), arm) if arms and len(arms) else ()


def differences(arms: Table, arm: str = TANGENT) -> tuple[float, ...]:
    """By seed, 100 (score of the arm − score of gradient descent), where both are known."""
    one, descent = (
        dict(zip(rows["seed"].tolist(), rows["test_score"].tolist(), strict=True))
        for rows in (arms.where(arm=arm), arms.where(arm=DESCENT))
    )
    return tuple(100 * (one[seed] - descent[seed]) for seed in one if seed in descent)


# --- how good, how far, how alike ---


def _by_arm(arms: Table, of: Callable[[Table], Spread], but: str = "") -> dict[str, dict[str, Spread]]:
    """What is measured of each arm that has it, by setting."""
    found = {
        name: {arm: s for arm in ARMS if arm != but and (s := of(rows.where(arm=arm))).values}
        for name, rows in by_setting(arms).items()
    }
    return {name: of_arms for name, of_arms in found.items() if of_arms}


def _marked(found: dict[str, dict[str, Spread]]) -> dict[str, dict[str, dict[Mark, Spread]]]:
    return {name: {arm: {ARMS[arm]: s} for arm, s in of.items()} for name, of in found.items()}


def error_of(arms: Table) -> str:
    """What an error is a share of: examples for classes (which have agreement of predictions), variance for numbers."""
    return "examples" if np.isfinite(arms["agreement"]).any() else "variance"


def test_error(arms: Table) -> Figure:
    """Every arm's test error, seed by seed, with its mean and interval."""
    found = _by_arm(arms, error)
    best = [min(of, key=lambda arm: of[arm].mean) for of in found.values()]
    limits = {name: {of[DESCENT].mean: REFERENCE} for name, of in found.items() if DESCENT in of}
    wins = [f"{arm} in {quantity(best.count(arm))}" for arm in ARMS if arm in best]
    return Figure(
        "test-error",
        f"Lowest mean test error: {listed(wins)} of {plural(len(best), 'setting')}",
        f"Test error of every arm. Filled signs are means over {seeds(arms)}, bars their 95 % intervals, open signs "
        f"single seeds; the dotted line is the mean of {DESCENT}. The intervals ignore the pairing that the verdict uses, so two "
        "of them may overlap although the difference is clear.",
        bars(f"test error, % of {error_of(arms)}", _marked(found), limits, unit=" %", include=0.0),
    )


def motion(arms: Table) -> Figure | None:
    """How far the parameters moved from θ₀."""
    found = _by_arm(arms, lambda rows: spread(100 * rows["relative_motion"], 0.0), but=MOVED)
    means = {arm: [of[arm].mean for of in found.values() if arm in of] for arm in (DESCENT, TANGENT)}
    if not all(means.values()):
        return None
    by_descent, by_tangent = (extent(m, measure) for m in means.values())
    return Figure(
        "motion",
        f"Gradient descent moves the parameters by {by_descent} % of ‖θ₀‖, the tangent minimum by {by_tangent} %",
        "Distance ‖Δθ‖ between the initial parameters θ₀ and those an arm ends at, relative to ‖θ₀‖: means with 95 % intervals, "
        "open signs single seeds. The smaller it is, the better a first-order expansion around θ₀ can describe the network.",
        bars("‖Δθ‖ / ‖θ₀‖, %", _marked(found), unit=" %", logarithmic=True),
    )


def agreement(arms: Table) -> Figure | None:
    """On what share of test examples each arm predicts the class that gradient descent predicts."""
    found = _by_arm(arms, lambda rows: score(rows, "agreement"), but=DESCENT)
    shares = [of[TANGENT].mean for of in found.values() if TANGENT in of]
    if not shares:
        return None
    return Figure(
        "agreement",
        f"The {TANGENT} predicts as {DESCENT} does on {extent(shares, measure)} % of test examples",
        f"Share of test examples on which an arm predicts the same class as {DESCENT}, right or wrong: means with 95 % "
        "intervals, open signs single seeds. Two arms of equal accuracy may still disagree on many examples.",
        bars(f"same prediction as {DESCENT}, % of test examples", _marked(found), unit=" %"),
    )


# --- tuning ---


def ridge_path(arms: Table, tuning: Table) -> Figure | None:
    """Validation and test error along the ridge path, with the chosen ridges and the minimum-norm limit."""
    digits = [
        float(f"{v:.6g}") for v in tuning["candidate"].tolist()
    ]  # one candidate, up to rounding, in all seeds
    errors = {part: 100.0 * (1.0 - tuning[f"{part}_score"]) for part in ("validation", "test")}
    tuning = tuning.adding(candidate=np.array(digits), **errors).where(arm=TANGENT)
    if not len(tuning):
        return None
    tested, paths = _by_arm(arms, error), by_setting(tuning)
    limits = {name: tested[name][LIMIT].mean for name in paths if LIMIT in tested.get(name, {})}
    gains = [tested[name][TANGENT].mean - limit for name, limit in limits.items() if TANGENT in tested[name]]
    curves = {
        name: [
            *each_seed(VALIDATION, path, "candidate", "validation"),
            *each_seed(TEST, path, "candidate", "test"),
            points(CHOSEN, path.where(chosen=True), "candidate", "test"),
        ]
        for name, path in paths.items()
    }
    return Figure(
        "ridge-path",
        f"Tuning the ridge {_change(gains)} against the minimum-norm limit"
        if gains
        else "Error along the ridge path",
        f"Error of the {TANGENT} against its ridge, relative to the mean diagonal of the tangent kernel. Thick lines are "
        f"means over {seeds(tuning)}, thin lines single seeds. Only validation error was used to choose. {_stand_in(arms)}"
        f"{_edge(tuning, TANGENT, 'ridge')}",
        plots(
            curves,
            logarithmic_axis("ridge, relative to mean diag K", tuning["candidate"].tolist()),
            partial(linear_axis, f"error, % of {error_of(arms)}", include=0.0),
            {name: [Level(LIMIT_LINE, y=limits[name])] if name in limits else [] for name in paths},
        ),
    )


def _stand_in(arms: Table) -> str:
    """Says for which losses the smallest ridge replaces a limit that does not exist."""
    limits = arms.where(arm=LIMIT)
    without = dict.fromkeys(limits["loss"][limits["setting"] > 0].tolist())
    names = listed([f"{loss} loss" for loss in without])
    if not without:
        return ""
    return f"With {names} there is no minimum-norm limit on separable data: the smallest ridge replaces it. "


def learning_curves(arms: Table, tuning: Table, curves: Table) -> Figure:
    """Training loss and validation error of gradient descent at every step size, the chosen ones emphasised."""
    sizes = sorted(set(curves["step_size"].tolist()))
    marks = {
        size: Mark(f"step size {power(size)}", colour, line=True)
        for size, colour in zip(sizes, ramp(len(sizes)), strict=True)
    }
    drawn = curves.adding(error=100 * (1 - curves["validation_score"]))
    drawn = drawn.taken(drawn["step"] > 0)  # the axis is logarithmic
    x = logarithmic_axis("step", curves["step"].tolist())
    shown = {
        "train_loss": ("training loss", logarithmic_axis("training loss", drawn["train_loss"].tolist())),
        "error": (
            "validation error",
            linear_axis(f"validation error, % of {error_of(arms)}", drawn["error"].tolist(), include=0.0),
        ),
    }
    panels = []
    for key, of in drawn.by("loss", "offset").items():
        chosen = tuning.where(loss=key[0], offset=key[1], arm=DESCENT, chosen=True)
        for column, (what, axis) in shown.items():
            plot = Plot(x, axis, _runs(of, chosen, column, marks), height=270)
            panels.append(Panel(f"{setting(*key)}: {what}", plot))
    inside, total = inside_the_grid(tuning, DESCENT)
    return Figure(
        "learning-curves",
        f"The step size that validation chose lies inside what was tried in {quantity(inside)} of {plural(total, 'run')}",
        f"Learning curves of {DESCENT}, one line a step size and seed; the stronger the colour, the larger the step, "
        "which is relative to the inverse of the largest curvature of the loss at θ₀. Thick lines are the step sizes that "
        f"validation chose; the parameters at the marked step were used. {_diverged(tuning)}"
        f"{_still_improving(tuning, curves)}{_edge(tuning, DESCENT, 'step size')}",
        tuple(panels),
    )


def _runs(curves: Table, chosen: Table, column: str, marks: dict[float, Mark]) -> tuple[Curve, ...]:
    """A curve a run, those that validation chose drawn last, with a sign at the step whose parameters were used."""
    stops = {(row["seed"], row["candidate"]): float(row["stop_step"]) for row in chosen.rows()}
    light: list[Curve] = []
    strong: list[Curve] = []
    signs: list[Curve] = []
    for (seed, size), run in curves.by("seed", "step_size").items():
        steps, values = run["step"].astype(float), run[column]
        label, stop = f"step size {power(size)}, seed {seed}", stops.get((seed, size))
        line = (marks[size], steps.tolist(), values.tolist())
        if stop is None:
            light.append(Curve(*line, label=label, thin=True))
            continue
        strong.append(Curve(*line, label=label, strong=True))
        at = int(np.abs(steps - stop).argmin())
        place = [float(steps[at])], [float(values[at])]
        signs.append(Curve(STOPPED, *place, label=f"{label}, chosen step", joined=False, signed=True))
    return (*light, *strong, *signs)


def _still_improving(tuning: Table, curves: Table) -> str:
    """Says in how many of the chosen runs the best step was the last, which hints that training was too short."""
    last = []
    for row in tuning.where(arm=DESCENT, chosen=True).rows():
        run = curves.where(
            loss=row["loss"], offset=row["offset"], seed=row["seed"], step_size=row["candidate"]
        )
        last += [bool(row["stop_step"] >= run["step"].max())] if len(run) else []
    if not any(last):
        return ""
    runs = f"{quantity(sum(last))} of {plural(len(last), 'chosen run')}"
    return f"In {runs} the best step is the last, so longer training might help. "


def _diverged(tuning: Table) -> str:
    runs = tuning.where(arm=DESCENT)
    count = int((runs["outcome"] == "diverged").sum())
    return f"{plural(count, 'run')} of {quantity(len(runs))} diverged. " if count else ""


def inside_the_grid(tuning: Table, arm: str) -> tuple[int, int]:
    """How many chosen candidates had a smaller and a larger one next to them, and how many were chosen in all."""
    inside = total = 0
    for tried in tuning.where(arm=arm).by("loss", "offset", "seed").values():
        for chosen in tried.where(chosen=True)["candidate"].tolist():
            total += 1
            inside += bool(tried["candidate"].min() < chosen < tried["candidate"].max())
    return inside, total


def _edge(tuning: Table, arm: str, name: str) -> str:
    inside, total = inside_the_grid(tuning, arm)
    if inside == total:
        return f"The chosen {name} lies inside the range that was tried in all {plural(total, 'fit')}."
    return (
        f"In {quantity(total - inside)} of {plural(total, 'fit')} the chosen {name} is the smallest or the largest that was "
        "tried, so a wider search might do better."
    )


def _change(gains: list[float]) -> str:
    """ "lowers mean test error by 0.59 to 0.93 points"."""

    def points(value: float) -> str:
        return fixed(value, 2)

    if max(gains) < 0:
        return f"lowers mean test error by {extent([-g for g in gains], points)} points"
    if min(gains) > 0:
        return f"raises mean test error by {extent(gains, points)} points"
    return f"changes mean test error by {signed(min(gains), 2)} to {signed(max(gains), 2)} points"


# --- tables and certificates ---


def arm_table(arms: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by setting and arm."""

    def wrong(column: str) -> Cell:
        return of_spread(lambda rows: error(rows, column))

    return summary(
        f"Every arm: means over {seeds(arms)}, with 95 % intervals. Test, validation and training are the errors "
        f"there, as a share of {error_of(arms)}.",
        arms,
        {"arm": "arm"},
        {
            "test, %": wrong("test_score"),
            "validation, %": wrong("validation_score"),
            "training, %": wrong("train_score"),
            "test loss": distance("test_loss"),
            "agreement, %": mean("agreement", 100),
            "‖Δθ‖/‖θ₀‖, %": mean("relative_motion", 100),
            "chosen": choice,
        },
        group=("loss", "offset"),
        heading=setting,
        titles={arm: arm for arm in ARMS},
        name="arms-summary",
    )


def proofs(certificates: Table) -> Figure:
    """Relative duality gap, with its tolerance, and relative residual of every solve, by setting and arm."""
    tolerances = sorted(set(certificates["tolerance"].tolist()))
    solves = certificates.by("loss", "offset", "arm").items()
    panels: list[Panel] = []
    for column, name, limits in (("duality_gap", GAP, tolerances), ("relative_residual", RESIDUAL, [])):
        rows = [proof(f"{setting(*key)}: {arm}", {ARMS[arm]: of[column]}) for (*key, arm), of in solves]
        panels += row_panels(
            name, {name: rows}, {name: dict.fromkeys(limits, TOLERANCE)}, also=limits, logarithmic=True
        )
    return Figure(
        "certificates",
        all_met(certificates, "solution"),
        f"Every solve of every ridge and seed, computed again in {names('precision')(certificates)} with derivatives of the "
        "network itself. The relative duality gap (primal minus dual objective, over the primal) bounds how far the objective is "
        "above its minimum; for the minimum-norm limit the relative norm of the gradient replaces it. Values below "
        f"{power(SMALLEST)} are drawn there. The largest gap is {power(worst(certificates['duality_gap']))}; the tolerance is "
        f"{listed([power(t) for t in tolerances])}. The largest residual is {power(worst(certificates['relative_residual']))}.",
        tuple(panels),
    )


def certificate_table(certificates: Table) -> TextTable:
    """By setting and arm: how it was solved, and the worst of each measure over ridges and seeds."""

    def largest(column: str) -> Cell:
        return lambda rows: power(worst(rows[column]))

    return summary(
        f"Certificates, in {names('precision')(certificates)}: the worst value over ridges and seeds, by setting and arm.",
        certificates,
        {"arm": "arm"},
        {
            "rung": names("rung"),
            "relative ridge": ranged("ridge"),
            "iterations": largest("iterations"),
            "condition": largest("condition"),
            "duality gap": largest("duality_gap"),
            "residual": largest("relative_residual"),
            "met": met,
        },
        group=("loss", "offset"),
        heading=setting,
        titles={arm: arm for arm in ARMS},
        name="certificates-summary",
    )
