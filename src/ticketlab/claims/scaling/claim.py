"""The claim that architectures other than the transformer also keep improving with size.

A cell is one architecture at one size, and one seed of it. The questions and their rules are in `formula`; `cell` trains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ticketlab.claims import plan_checks
from ticketlab.claims.literature import ALAIN_BENGIO_2016, YANG_2022
from ticketlab.claims.scaling import formula, sides
from ticketlab.claims.scaling.families import OTHERS, YARDSTICK, Answers, Kind, sees_later_steps
from ticketlab.claims.study import Cell, Study, seed_numbers
from ticketlab.errors import UserError
from ticketlab.evidence.arm import Arm
from ticketlab.evidence.source import Source
from ticketlab.evidence.tables import Table
from ticketlab.laws.agenda import Agenda
from ticketlab.laws.rules import Levels
from ticketlab.laws.verdict import Verdict
from ticketlab.tasks.sources import SourceCode, TaskSource

__all__ = ["Scaling", "ScalingPlan"]

WORK = {"MLP": 0.2, "CNN": 0.7, "GRU": 1.0, "LSTM": 1.0, "transformer": 1.3}
STARTING = 20_000  # parameters whose training costs as much as what does not depend on size
HALF, CHECK = 1.15, 1.7  # times the work: step sizes tried for half of the steps, and for all


@dataclass(frozen=True)
class ScalingPlan:
    """Which architectures keep improving with size?

    Arguments:
        task: with classes and one answer; tokens, sequences of numbers, or images. Or with an answer at every step
            (answers=every), for architectures that see no later steps.
        architectures: the transformer, with which the others are compared, and at least one other.
        sizes: numbers of parameters, increasing, from the smallest network on; at least 5.
        seeds: how many draws of split, parameters and order; a verdict needs at least 2.
        first_seed: the number of the first seed; others train other networks for the same question.
        step_sizes: of Adam, tried at every size, increasing; at least 3.
        batch: examples in a step.
        steps: at every size.
    """

    task: TaskSource = SourceCode(
        steps=8, examples=850_000, symbols=32, train=720_000, validation=4000, test=12_000
    )
    architectures: tuple[Kind, ...] = (*OTHERS, YARDSTICK)
    sizes: tuple[int, ...] = (900, 2300, 5900, 15_000, 38_000, 98_000, 290_000)
    seeds: int = field(default=3, metadata={"cells": False})
    first_seed: int = field(default=0, metadata={"cells": False})
    step_sizes: tuple[float, ...] = (0.016, 0.032, 0.064)
    batch: int = 128
    steps: int = 8000

    def __post_init__(self) -> None:
        plan_checks.some_seeds(self.seeds, self.first_seed)
        plan_checks.each_once(self, "architectures", some=True)
        plan_checks.different(self, "step_sizes")
        plan_checks.at_least(self, 1, "batch")
        plan_checks.at_least(self, 200, "steps")
        if YARDSTICK not in self.architectures or len(self.architectures) < 2:
            raise UserError(f"architectures {self.architectures}", "the transformer and at least one other")
        if len(self.sizes) < 5 or list(self.sizes) != sorted(set(self.sizes)) or self.sizes[0] < 1:
            raise UserError(f"sizes {self.sizes}", "at least 5 numbers of parameters, increasing")
        if len(self.step_sizes) < 3 or list(self.step_sizes) != sorted(self.step_sizes):
            raise UserError(f"step_sizes {self.step_sizes}", "at least 3, increasing")

        if self.answers == "every":
            whole = [k for k in self.architectures if sees_later_steps(k, hasattr(self.task, "symbols"))]
            if whole:
                raise UserError(
                    f"{', '.join(whole)} for a task with an answer at every step",
                    "architectures that see no later steps",
                    "Leave these out.",
                )

    @property
    def answers(self) -> Answers:
        """At which steps the task asks."""
        found: Answers = getattr(self.task, "answers", "last")
        return found

    @property
    def has_second_task(self) -> bool:
        """Whether its inputs are tokens of which the next is asked for, so that the one after it can be asked for too."""
        return hasattr(self.task, "symbols") and self.answers == "last"

    @property
    def others(self) -> tuple[Kind, ...]:
        """The architectures that the claim is about."""
        return tuple(kind for kind in self.architectures if kind != YARDSTICK)

    @classmethod
    def presets(cls) -> dict[str, ScalingPlan]:
        quick = cls(
            task=SourceCode(steps=8, examples=90_000, symbols=32, train=64_000, validation=2000, test=4000),
            architectures=("MLP", YARDSTICK),
            sizes=(900, 1800, 4000, 10_000, 25_000),
            steps=600,
        )
        return {"quick": quick}


class Scaling(Study):
    claim = "scaling"
    statement = "Architectures other than the transformer also keep improving with size."
    question = (
        "Train MLPs, convolutional networks, GRUs, LSTMs and transformers of many sizes on one task. Whose loss keeps falling, "
        "how fast, and does it still fall at the largest size?"
    )
    method = (
        "Every architecture grows in width alone. Its size is the total number of parameters, with tables and read-out: at small "
        "sizes exponents depend on what is counted [Pearce & Song 2024].",
        "All are trained alike: by Adam, with one schedule, batch and number of steps, from a seed's split and data order. Step "
        "sizes are tried at every size, for a third of the steps, or half of them at the two largest sizes, and more step sizes "
        "where the best one is the smallest or the largest. They are on the scale of maximal update [Yang et al. 2022], so that "
        "those of all widths lie close together. At the middle size half and twice the step size are tried for all steps too.",
        "The loss is that on test data at the step that validation prefers. The step size rises, then falls along half a cosine, "
        "and every training takes all its steps. At the two largest sizes half of the steps tell whether more would "
        "change the exponent. At no size may fewer steps lead to a smaller validation loss, by more than 1 % in the mean over "
        "seeds.",
        "Losses at equal computation are another thing, with an exponent of their own. For them every size is trained for a "
        "third (or half), a ninth and a 27th of the steps too, each time with a decay of its own: on the way of a longer "
        "training the loss is that of a step size that has not fallen yet. Operations are those of all products, counted in the "
        "program, three times those of a forward pass. For a computation the best size is chosen on validation data, and used "
        "only if a smaller and a larger one are worse [Hoffmann et al. 2022].",
        "Two more things are asked where the task has them. Of a text, a ridge read-out of the trained features predicts the "
        "token after the next, compared with the same read-out before training [Alain & Bengio 2016]. Of a task with an answer "
        "at every step, the loss late in a sequence is compared with that early in it [Kaplan et al. 2020]; in linear regression "
        "in context it has a known floor [Garg et al. 2022].",
        "E + A·P^(−α) is fitted by variable projection, with relative residuals and the spread between seeds. What a seed adds "
        "to all sizes is taken out first. Forms without an end are compared with forms that have one. A law fitted without "
        "the largest sizes is asked to predict the largest.",
        "One number a seed, with Student's interval.",
        "Published exponents of size for text are 0.076 without a floor [Kaplan et al. 2020] and 0.34 with one "
        "[Hoffmann et al. 2022]. LSTMs and transformers were found to scale alike [Sharma & Kaplan 2020].",
    )
    arms = (
        Arm(
            "MLP",
            "Two hidden layers on the whole input; tokens enter by a table [Bengio et al. 2003].",
            "The claim.",
        ),
        Arm("CNN", "Causal convolutions, or convolutions of images.", "The claim."),
        Arm("GRU", "Two recurrent layers.", "The claim."),
        Arm("LSTM", "Two recurrent layers.", "The claim."),
        Arm("transformer", "Two blocks.", "The yardstick."),
        Arm(
            "permuted targets",
            "The same networks and inputs, with targets of other examples.",
            "What size buys by chance.",
        ),
    )
    redraws = "A seed draws the split, the parameters, the data order and the permutation."
    sources = (
        Source(
            "Pearce & Song 2024",
            "T. Pearce, J. Song. Reconciling Kaplan and Chinchilla Scaling Laws.",
            "https://arxiv.org/abs/2406.12907",
        ),
        YANG_2022,
        Source(
            "Kaplan et al. 2020",
            "J. Kaplan et al. Scaling Laws for Neural Language Models.",
            "https://arxiv.org/abs/2001.08361",
        ),
        Source(
            "Hoffmann et al. 2022",
            "J. Hoffmann et al. Training Compute-Optimal Large Language Models.",
            "https://arxiv.org/abs/2203.15556",
        ),
        Source(
            "Sharma & Kaplan 2020",
            "U. Sharma, J. Kaplan. A Neural Scaling Law from the Dimension of the Data Manifold.",
            "https://arxiv.org/abs/2004.10802",
        ),
        ALAIN_BENGIO_2016,
        Source(
            "Garg et al. 2022",
            "S. Garg, D. Tsipras, P. Liang, G. Valiant. What Can Transformers Learn In-Context?",
            "https://arxiv.org/abs/2208.01066",
        ),
        Source(
            "Bengio et al. 2003",
            "Y. Bengio, R. Ducharme, P. Vincent, C. Jauvin. A neural probabilistic language model. JMLR 3.",
        ),
    )
    needs = ("runs", "lengths")
    plan_type = ScalingPlan

    def asked(self, plan: ScalingPlan) -> Agenda:
        more = sides.side_questions(plan.others, plan.has_second_task, plan.answers == "every")
        return Agenda(formula.RULE, formula.formula(plan.others), more)

    def cells(self, plan: ScalingPlan) -> tuple[Cell, ...]:
        middle, last = len(plan.sizes) // 2, len(plan.sizes) - 1
        return tuple(
            Cell(
                f"{kind.lower()}-{size}",
                {"kind": kind, "place": place},
                WORK[kind]
                * (size + STARTING)
                * (HALF if place >= last - 1 else CHECK if place == middle else 1),
                f"{kind} of {size:,} parameters".replace(",", " "),
                seed_numbers(plan),
            )
            for place, size in enumerate(plan.sizes)
            for kind in plan.architectures
        )

    def brief(self, plan: ScalingPlan, cell: Cell, tables: Mapping[str, Table]) -> str:
        row = next(iter(tables["runs"].rows()))
        return f"test loss {row['loss']:.3f}, {row['guess']:.3f} from frequencies alone"

    def verdicts(self, plan: ScalingPlan, tables: Mapping[str, Table], levels: Levels) -> Sequence[Verdict]:
        places = {kind: set(tables["runs"].where(kind=kind)["place"].tolist()) for kind in plan.architectures}
        complete = [kind for kind, trained in places.items() if len(trained) == len(plan.sizes)]
        more = (plan.has_second_task, plan.answers == "every")
        return sides.verdicts(plan.others, complete, tables, levels, *more)
