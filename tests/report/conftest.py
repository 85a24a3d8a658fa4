"""A synthetic record, made of random numbers: nothing in it was measured, and it says so in its own facts."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ticketlab.evidence.record import Record
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Evidence, Table
from ticketlab.figures.presentation import Presentation
from ticketlab.laws.verdict import Outcome, Verdict

sys.path.insert(0, str(Path(__file__).parents[1] / "toys"))

ARMS = {  # error and its spread over seeds, ‖Δθ‖/‖θ₀‖, agreement
    "gradient descent": (0.021, 0.004, 0.35, 1.0),
    "tangent minimum": (0.024, 0.004, 0.21, 0.981),
    "minimum-norm limit": (0.031, 0.005, 0.44, 0.972),
    "network at θ₀ + Δθ": (0.046, 0.011, 0.21, 0.958),
    "read-out layer": (0.037, 0.005, 0.12, 0.966),
    "linear model": (0.058, 0.006, float("nan"), 0.943),
}
SETTINGS = [(loss, offset) for loss in ("square", "cross-entropy") for offset in ("kept", "centred")]
RIDGES = 10.0 ** np.arange(-6, 2)
STEP_SIZES = (0.01, 0.03, 0.1, 0.3)
SEEDS = range(3)


def rows_of(make: Callable[..., Iterator[dict[str, Any]]]) -> list[dict[str, Any]]:
    random = np.random.default_rng(7)
    return [
        {"loss": loss, "offset": offset, "seed": seed, **row}
        for loss, offset in SETTINGS
        for seed in SEEDS
        for row in make(random, loss, offset)
    ]


def arm_rows(random: np.random.Generator, loss: str, offset: str) -> Iterator[dict[str, Any]]:
    luck = random.normal()
    for arm, (error, sd, motion, agreement) in ARMS.items():
        test = error * (1.25 if offset == "kept" else 1) + sd * (0.7 * luck + 0.5 * random.normal())
        yield {
            "arm": arm,
            "test_score": 1 - test,
            "validation_score": 1 - test - 0.004 * random.normal(),
            "train_score": 1 - 0.2 * test,
            "test_loss": 3 * test,
            "agreement": min(1.0, agreement + (0.004 * random.normal() if arm != "gradient descent" else 0)),
            "relative_motion": motion
            * float(np.exp(0.05 * random.normal()))
            * (3 if loss != "square" else 1),
            "setting": 0.1 if arm == "gradient descent" else 0.01,
            "setting_name": "step size" if arm == "gradient descent" else "ridge",
        }


def tuning_rows(random: np.random.Generator, loss: str, offset: str) -> Iterator[dict[str, Any]]:
    for arm, candidates in (("tangent minimum", RIDGES), ("gradient descent", np.array(STEP_SIZES))):
        best = np.log10(0.01 if arm == "tangent minimum" else 0.1)
        errors = (
            0.023 + 0.006 * (np.log10(candidates) - best) ** 2 + 0.001 * random.normal(size=len(candidates))
        )
        for candidate, error in zip(candidates, errors, strict=True):
            yield {
                "arm": arm,
                "candidate": float(candidate),
                "validation_score": 1 - error,
                "validation_loss": 3 * error,
                "test_score": 1 - error - 0.003 * abs(random.normal()),
                "test_loss": 3.1 * error,
                "train_loss": 0.01,
                "chosen": bool(error == errors.min()),
                "stop_step": 800,
                "outcome": "converged",
            }


def curve_rows(random: np.random.Generator, loss: str, offset: str) -> Iterator[dict[str, Any]]:
    for size in STEP_SIZES:
        rate = size * float(np.exp(0.2 * random.normal()))
        for step in (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
            error = 0.025 + 0.87 / (1 + rate * step)
            yield {
                "step_size": size,
                "step": step,
                "train_loss": 0.5 / (1 + rate * step) ** 1.6,
                "validation_score": 1 - error * float(np.exp(0.03 * random.normal())),
                "validation_loss": error,
            }


def certificate_rows(random: np.random.Generator, loss: str, offset: str) -> Iterator[dict[str, Any]]:
    for arm in list(ARMS)[1:3]:
        gap = float(10 ** random.normal(-10 if loss == "square" else -8, 0.4))
        yield {
            "arm": arm,
            "ridge": 0.01 if arm == "tangent minimum" else 0.0,
            "relative_residual": gap * 3,
            "duality_gap": gap,
            "primal": 1.0,
            "dual": 1.0 - gap,
            "condition": float(10 ** random.normal(4, 0.3)),
            "iterations": 1 if loss == "square" else 9,
            "precision": "float64",
            "rung": "dense dual",
            "met": True,
            "tolerance": 1e-4,
        }


def timing_rows(random: np.random.Generator, loss: str, offset: str) -> Iterator[dict[str, Any]]:
    for arm, seconds in (("gradient descent", 21.0), ("tangent minimum", 14.0)):
        yield {"arm": arm, "seconds": seconds * float(np.exp(0.1 * random.normal()))}


def example_rows(random: np.random.Generator, loss: str, offset: str) -> Iterator[dict[str, Any]]:
    for i in range(40):
        yield {"id": i, "label": i % 10, "gradient descent": 0.9, "tangent minimum": 0.8}


def verdicts(arms: Table, margin: float) -> tuple[Verdict, ...]:
    rule = (
        "The claim holds for a loss if the 95 % interval of the paired difference in test accuracy lies within "
        f"±{100 * margin:g} points, fails if it lies outside, and is undecided otherwise."
    )
    unit = "points of test accuracy"
    singles = []
    for (loss, offset), (effect, half, outcome) in zip(
        SETTINGS,
        (
            (-0.32, 0.41, Outcome.HOLDS),
            (-0.21, 0.38, Outcome.HOLDS),
            (-0.81, 0.55, Outcome.UNDECIDED),
            (-1.9, 0.6, Outcome.FAILS),
        ),
        strict=True,
    ):
        reading = {
            Outcome.HOLDS: "The two are equally good, within the margin.",
            Outcome.FAILS: "The tangent minimum is clearly worse than gradient descent.",
            Outcome.UNDECIDED: "The tangent minimum is worse by 0.3 to 1.4 points: more seeds or test examples would decide.",
        }[outcome]
        name = f"{loss} loss, f₀ {offset}"
        singles.append(
            Verdict(
                name,
                outcome,
                rule,
                effect,
                (effect - half, effect + half),
                unit,
                reading,
                offset == "kept",
                key="score",
                facets={"loss": loss, "offset": offset},
            )
        )
    reading = "Undecided: with the square loss the two are equally good, but with cross-entropy three seeds do not tell."
    return (Verdict("", Outcome.UNDECIDED, rule, None, None, unit, reading), *singles)


def synthetic_record(margin: float = 0.01) -> Record:
    """A record with every table that the study makes, all numbers invented."""
    tables = {
        "arms": Table.from_rows("arms", rows_of(arm_rows)),
        "tuning": Table.from_rows("tuning", rows_of(tuning_rows)),
        "curves": Table.from_rows("curves", rows_of(curve_rows)),
        "certificates": Table.from_rows("certificates", rows_of(certificate_rows)),
        "timings": Table.from_rows("timings", rows_of(timing_rows), units={"seconds": "s"}, measured=True),
        "examples": Table.from_rows("examples", rows_of(example_rows)),
    }
    return Record(
        claim="tangent-minimum",
        statement="The minimum-loss point in the tangent space is about as good as ordinary gradient descent.",
        question="Synthetic numbers: does the minimum of the linearised network predict as well as the trained network?",
        method=(
            "The network is expanded to first order around its random parameters θ₀, F(x) = f(x, θ₀) + Δθ · df/dθ(x, θ₀), "
            "and the loss is minimised exactly over Δθ with a ridge ½λ‖Δθ‖² [Jacot et al. 2018]. The same network is trained "
            "from the same θ₀ on the same data with the same loss by gradient descent.",
            "The ridge, and the step size and stopping time, are chosen on the same validation set [Lee et al. 2019]. Every "
            "seed draws the network, the split and the order of the data again; the difference is taken seed by seed.",
        ),
        sources=(
            Source(
                "Jacot et al. 2018",
                "Jacot, Gabriel, Hongler: Neural tangent kernel: convergence and generalization in neural networks. 2018.",
                "https://arxiv.org/abs/1806.07572",
            ),
            Source(
                "Lee et al. 2019",
                "Lee, Xiao, Schoenholz, Bahri, Novak, Sohl-Dickstein, Pennington: Wide neural networks of any depth evolve as "
                "linear models under gradient descent. NeurIPS 2019.",
                "https://arxiv.org/abs/1902.06720",
            ),
        ),
        plan={"margin": margin, "seeds": 3},
        plan_text='claim = "tangent-minimum"\nseeds = 3\nmargin = 0.01\n\n[network]\nwidths = [512, 512]\n',
        facts={
            "Data": "digits: 1 797 examples of 8 × 8 pixels in 10 classes; 1 078 to train, 359 to validate, 360 to test",
            "Network": "MLP 64–512–512–10, relu, standard parameterisation; 301 066 parameters",
            "Seeds": "3, each redrawing network, split and order",
            "Origin": "synthetic numbers, made for tests",
        },
        environment={"ticketlab": "0.1.0", "jax": "0.10.0", "python": "3.11.7", "device": "cpu, 2 cores"},
        commands=("ticketlab run tangent-minimum --seeds 3", "ticketlab run plan.toml"),
        evidence=Evidence(tables, verdicts(tables["arms"], margin)),
    )


@pytest.fixture(scope="session")
def record() -> Record:
    return synthetic_record()


@pytest.fixture
def check_words() -> Callable[[Presentation], None]:
    """A finding as every figure's title, without a full stop; sentences under it; and numbers in every panel."""

    def check(show: Presentation) -> None:
        for figure in (*show.figures, *show.certificates):
            assert figure.title
            assert not figure.title.endswith(".")
            assert figure.caption.endswith(".")
            assert all(list(p.chart.points()) for p in figure.panels)
            assert len({m.label for m in figure.marks}) == len(figure.marks)
        for table in (*show.summaries, *show.certificate_tables):
            assert table.caption.endswith(".")
            assert all(len(row) == len(table.head) for row in table.rows)

    return check
