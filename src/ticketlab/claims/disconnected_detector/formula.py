"""What `disconnected-detector` asks, in two halves, of a mask over frozen random weights that does the task.

**Cut off.** For each class the best hidden unit of the masked network is chosen on one half of the test examples and scored on
the other. The same unit is scored in the whole network. Its gain is the difference of the two AUCs. A best unit gains by being
chosen, under any mask; so the gain has to exceed that under random masks of equal counts, and that under masks learned from
permuted labels. Under the mask their AUC has to be that of a reliable detector; in the whole network the same units must be
hardly better than its average unit.

**No reason.** The gradient singles out the mask's weights if −w·∂L/∂w at the whole random network tells kept from removed ones,

    A = P(−w ∂L/∂w of a kept weight > that of a removed one) + ½ P(equal),

by more than chance, which is ½. The claim is that A is at most 0.05 above ½ in the layer where it is largest, so that one layer
to which the gradient points is not hidden by the others.

How large could A be? If a task has many tickets, nothing tells the weights of one of them from the rest. So there is a ceiling:
the same A for the sizes of scores that a second search learned, from other scores and another data order. Where neither that nor
the gradient reaches 0.05 above ½ in any layer, the second half is undecided: it could not have failed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, three
from ticketlab.claims.headroom import share
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import ALPHA, USUAL, Above, Below, Levels, Rule
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "LABELS",
    "RANDOM",
    "RELIABLE",
    "RULE",
    "SECOND",
    "TICKET",
    "WHOLE",
    "formula",
    "side_questions",
    "verdicts",
]

TICKET, RANDOM, LABELS = "ticket", "random mask", "mask from permuted labels"
SECOND = "second search"  # from other scores and another data order, on the same labels
WHOLE = "whole network"  # without any mask, in pictures
CUT_OFF, DETECTS, BEFORE, GRADIENT = "cut off", "detects", "before", "gradient"
RELIABLE = 0.95  # the AUC of a reliable detector, as in `detector-neuron`
SIZE = 0.05  # of an AUC: the least that matters
DOES = 0.5  # of the headroom above guessing: the ticket does the task
AUC = Scale("points of AUC", 100.0, bounds=(-100.0, 100.0))


def formula() -> Formula:
    """The claim: both halves."""
    apart = All(
        (_gains(RANDOM), _gains(LABELS), _detects(), _before()),
        key="apart",
        title="units detect only once the rest is cut off",
    )
    return Gated((_task(),), All((apart, Gated((_ceiling(),), _singled_out(TICKET)))), key="claim")


def side_questions(ceiling: bool = True) -> tuple[Formula, ...]:
    """What the gradient says beyond chance and beyond permuted labels, as a share of the ceiling, and of the learned scores.

    Arguments:
        ceiling: whether there was a second search; an older run has none.
    """
    asked: tuple[Formula, ...] = (
        _beyond_chance(),
        _beyond_labels(),
        *([Gated((_ceiling(),), _of_ceiling())] if ceiling else []),
        _singled_out(LABELS),
        _scores(),
    )
    return tuple(Gated((_task(),), question) for question in asked)


def verdicts(tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its questions, and the side questions."""
    whole = answer(formula(), tables, levels)
    return verdicts_of(
        claim_verdict(whole, RULE, SAYS),
        whole,
        side_questions("ceiling" in columns(tables["weights"])),
        tables,
        levels,
    )


# --- units ---


def _mean(tables: Tables, table: str, source: str, column: str) -> np.ndarray:
    """The mean of a column over classes or layers, by seed."""
    rows: Table = tables[table].where(source=source)
    _, seed = np.unique(rows["seed"], return_inverse=True)
    return np.bincount(seed, weights=rows[column]) / np.bincount(seed)


def _gain(tables: Tables, source: str) -> np.ndarray:
    return _mean(tables, "units", source, "auc") - _mean(tables, "units", source, "whole")


def _points(values: np.ndarray) -> str:
    return f"{float(np.mean(values)):.3f}".replace("-", "−")


def _gains(control: str) -> Question:
    def reading(tables: Tables) -> str:
        auc, whole = (_points(_mean(tables, "units", TICKET, column)) for column in ("auc", "whole"))
        other = _points(_gain(tables, control))
        return (
            f"The ticket's best units have a held-out AUC of {auc}, and of {whole} in the whole network. Under a {control} the "
            f"best units gain {other}"
        )

    return _question(
        CUT_OFF,
        f"the best units gain more than under a {control}",
        lambda tables: of_seeds(_gain(tables, TICKET) - _gain(tables, control)),
        Above(SIZE),
        f"the gain in AUC of the best units by the ticket's mask, minus that by a {control},",
        reading,
        three("cutting off the rest makes them detect", "that is no more", "whether that is more"),
        control,
    )


def _detects() -> Question:
    return _question(
        DETECTS,
        "under the mask the best units detect",
        lambda tables: of_seeds(_mean(tables, "units", TICKET, "auc")),
        Above(RELIABLE),
        "the held-out AUC of the ticket's best units, a mean over classes,",
        lambda tables: (
            f"The ticket's best units have a held-out AUC of {_points(_mean(tables, 'units', TICKET, 'auc'))}"
        ),
        three("they detect", "they are no reliable detectors", "whether they are reliable detectors"),
        TICKET,
        Scale("points of AUC", 100.0, bounds=(0.0, 100.0)),
    )


def _before() -> Question:
    def reading(tables: Tables) -> str:
        whole, average = (_points(_mean(tables, "units", TICKET, column)) for column in ("whole", "average"))
        return f"In the whole network the ticket's best units have an AUC of {whole}, and its average unit has {average}"

    return _question(
        BEFORE,
        "in the whole network the same units are hardly better than average",
        lambda tables: of_seeds(
            _mean(tables, "units", TICKET, "whole") - _mean(tables, "units", TICKET, "average")
        ),
        Below(SIZE),
        "the AUC of the ticket's best units in the whole network, minus that of its average unit,",
        reading,
        three("they did not detect before", "they were better before", "whether they were better before"),
        TICKET,
    )


# --- weights ---


def _singled_out(source: str) -> Question:
    def reading(tables: Tables) -> str:
        layer, rows = _clearest(tables, source)
        auc, common, chance = (_points(rows[c]) for c in ("auc", "common", "density"))
        return (
            f"−w·∂L/∂w at the whole network tells the weights of the {source} from the others with an AUC of {auc} in {layer}, "
            f"where it is largest. Of equally many weights with the highest values a share of {common} is in the {source}, where "
            f"chance gives {chance}"
        )

    return _question(
        GRADIENT,
        f"the gradient hardly singles out the weights of the {source}",
        lambda tables: of_seeds(_clearest(tables, source)[1]["auc"] - 0.5),
        Below(SIZE),
        f"the AUC of −w·∂L/∂w for the weights of the {source} in the layer where it is largest, minus ½,",
        reading,
        three(
            "it hardly singles them out",
            "the gradient singles them out",
            "whether the gradient singles them out",
        ),
        source,
    )


def _of_ceiling() -> Question:
    def reading(tables: Tables) -> str:
        own, most = (_points(_mean(tables, "weights", TICKET, column)) for column in ("auc", "ceiling"))
        return (
            f"The gradient tells the ticket's weights from the others with an AUC of {own}, and the scores of a {SECOND} with "
            f"{most}, means over layers"
        )

    return _question(
        "ceiling",
        f"the gradient says less than half of what a {SECOND} says",
        lambda tables: of_seeds(
            _mean(tables, "weights", TICKET, "auc") - (_mean(tables, "weights", TICKET, "ceiling") + 0.5) / 2
        ),
        Below(0.0),
        f"the AUC of −w·∂L/∂w for the ticket's weights, minus the middle between ½ and the AUC of a {SECOND},",
        reading,
        three("that is less than half", "that is half or more", "whether that is less than half"),
        TICKET,
    )


def _clearest(tables: Tables, source: str) -> tuple[str, Table]:
    """The layer with the largest mean AUC over seeds, with its rows."""
    rows: Table = tables["weights"].where(source=source)
    layers = {str(layer): of.by_seed() for (layer,), of in rows.by("layer").items()}
    return max(layers.items(), key=lambda item: float(np.mean(item[1]["auc"])))


def _beyond_chance() -> Question:
    return _question(
        "chance",
        "the gradient singles out the ticket's weights beyond chance, by however little",
        lambda tables: of_seeds(_mean(tables, "weights", TICKET, "auc") - 0.5),
        Above(0.0),
        "the AUC of −w·∂L/∂w for the ticket's weights, minus ½,",
        lambda tables: f"The AUC is {_points(_mean(tables, 'weights', TICKET, 'auc'))}",
        three("that is more than chance", "that is less than chance", "whether that is more than chance"),
        TICKET,
    )


def _beyond_labels() -> Question:
    return _question(
        "task",
        f"the gradient singles out the ticket's weights more than those of a {LABELS}",
        lambda tables: of_seeds(
            _mean(tables, "weights", TICKET, "auc") - _mean(tables, "weights", LABELS, "auc")
        ),
        Above(0.0),
        f"the AUC of −w·∂L/∂w for the ticket's weights, minus that for those of a {LABELS},",
        lambda tables: (
            f"The AUC is {_points(_mean(tables, 'weights', TICKET, 'auc'))} for the ticket and "
            f"{_points(_mean(tables, 'weights', LABELS, 'auc'))} for a {LABELS}"
        ),
        three("it knows the task", "it knows nothing of the task", "whether it knows the task"),
        TICKET,
    )


def _scores() -> Question:
    return _question(
        "scores",
        "learned scores rise with the gradient",
        lambda tables: of_seeds(_mean(tables, "weights", TICKET, "rank_correlation")),
        Above(0.0),
        "the rank correlation of learned scores with −w·∂L/∂w at the whole network",
        lambda tables: (
            f"The rank correlation is {_points(_mean(tables, 'weights', TICKET, 'rank_correlation'))}"
        ),
        three("they rise with it", "they do not", "whether they do"),
        TICKET,
        Scale("rank correlation", bounds=(-1.0, 1.0)),
    )


def _question(
    key: str,
    title: str,
    effect: Callable[[Tables], Difference],
    rule: Rule,
    what: str,
    reading: Callable[[Tables], str],
    says: Mapping[Outcome, str],
    source: str,
    scale: Scale = AUC,
) -> Question:
    return Question(key, title, effect, rule, what, scale, reading, says, {"source": source})


# --- gates and the claim ---


def _task() -> Gate:
    def passed(tables: Tables) -> str | None:
        gain = share(tables["examples"], TICKET, "guess")
        if not gain.decidable or gain.lower(ALPHA) > DOES:
            return None
        return (
            f"The ticket does not do the task: of the headroom above guessing it gains {100 * gain.mean:.1f} %, and more than "
            f"{100 * DOES:g} % is required."
        )

    return Gate(
        "task",
        "the ticket does the task",
        passed,
        "More --steps of the search, or a wider network, would open the question.",
    )


def _ceiling() -> Gate:
    """A second search, or the gradient itself, tells the ticket's weights in some layer by more than the gradient may."""

    def passed(tables: Tables) -> str | None:
        rows: Table = tables["weights"].where(source=TICKET)
        if "ceiling" not in columns(rows):
            return "There was no second search, so how well the ticket's weights can be told at all is not known."
        best, own = (
            max((of_seeds(of.by_seed()[c] - 0.5) for of in rows.by("layer").values()), key=lambda of: of.mean)
            for c in ("ceiling", "auc")
        )
        if not best.decidable or max(best.lower(ALPHA), own.lower(ALPHA)) > SIZE:
            return None
        return (
            f"A {SECOND} tells the ticket's weights with an AUC of {0.5 + best.mean:.3f} in the layer where it does best, and a "
            f"lower bound above {0.5 + SIZE:g} is required. No gradient could be expected to tell them."
        )

    return Gate(
        "ceiling",
        "a second search tells the ticket's weights",
        passed,
        "More --steps of the search would open the question, or another --density.",
    )


RULE = (
    "The claim holds if both halves hold. First, the best units of the ticket gain more AUC by cutting off the rest than under "
    f"random masks and under masks from permuted labels, by {SIZE:g}, reach an AUC of {RELIABLE:g} under the mask, and are at "
    f"most {SIZE:g} better than the average unit of the whole network before. Second, −w·∂L/∂w at the whole network tells the "
    f"ticket's weights from the others with an AUC of at most {0.5 + SIZE:g} in every layer. It fails if one of these is false. "
    "Otherwise it is undecided. It is also undecided if the ticket does not do the task, or if a second search, too, tells the "
    f"ticket's weights with at most {0.5 + SIZE:g} in every layer: then nothing could. Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: "The ticket's units detect only once the rest is cut off, and the gradient hardly points to its weights.",
    Outcome.FAILS: "The two halves are not both true.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
