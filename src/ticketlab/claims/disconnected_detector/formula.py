"""What `disconnected-detector` asks, in two halves, of a mask over frozen random weights that does the task.

**Cut off.** For each class the best hidden unit of the masked network is chosen on one half of the test examples and scored on
the other. The same unit is scored in the whole network. Its gain is the difference of the two AUCs. A best unit gains by being
chosen, under any mask; so the gain has to exceed that under random masks of equal counts, and that under masks learned from
permuted labels. Under the mask their AUC has to be that of a reliable detector; in the whole network the same units must be no
reliable detectors, and hardly better than its average unit.

**No reason.** The gradient singles out the mask's weights if −w·∂L/∂w at the whole random network tells kept from removed ones,

    A = P(−w ∂L/∂w of a kept weight > that of a removed one) + ½ P(equal),

An A of 0.2 tells the weights as well as 0.8. So the claim is that in every layer A is within 0.05 of ½. Each layer is a question
of its own: a layer to which the gradient points is hidden neither by the others nor by one to which it points the other way.

How far from ½ could A be? If a task has many tickets, nothing tells the weights of one of them from the rest. So each layer has
a ceiling C: the same A for the sizes of scores that a second search learned, from other scores and another data order. The
gradient must say less than half of what they say: |A − ½| below (C − ½)/2. In a layer where neither C nor the gradient is more
than 0.05 from ½ nothing is decided: the claim could not have failed there.

|A − ½| is taken in one direction for all seeds, that of their mean. The absolute value of each seed would be above 0 by noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, three
from ticketlab.claims.headroom import LEAST, share
from ticketlab.claims.wording import percent
from ticketlab.evidence.tables import Table
from ticketlab.figures.wording import fixed
from ticketlab.laws.difference import Difference, of_seeds
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels, Rule, Within
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "EACH",
    "LABELS",
    "RANDOM",
    "RELIABLE",
    "RULE",
    "SECOND",
    "TICKET",
    "WHOLE",
    "formula",
    "layers_of",
    "side_questions",
    "verdicts",
]

TICKET, RANDOM, LABELS = "ticket", "random mask", "mask from permuted labels"
SECOND = "second search"  # from other scores and another data order, on the same labels
WHOLE = "whole network"  # without any mask, in pictures
CUT_OFF, DETECTS, NOT_YET, BEFORE = "cut off", "detects", "not yet", "before"
GRADIENT, CEILING = "gradient", "ceiling"
EACH = ("each layer",)  # before a run, which has the names of the layers
RELIABLE = 0.95  # the AUC of a reliable detector, as in `detector-neuron`
SIZE = 0.05  # of an AUC: the least that matters
DOES = 0.5  # of the headroom above guessing: the ticket does the task
AUC = Scale("points of AUC", 100.0, bounds=(-100.0, 100.0))
BARE = Scale("points of AUC", 100.0, bounds=(0.0, 100.0))


def formula(layers: Sequence[str] = EACH) -> Formula:
    """The claim: both halves.

    Arguments:
        layers: of the masks. Each has an equal share of the level at which the second half may fail.
    """
    apart = All(
        (_gains(RANDOM), Gated((_searched(),), _gains(LABELS)), _detects(), _not_yet(), _before()),
        key="apart",
        title="units detect only once the rest is cut off",
    )
    aside = All(
        tuple(map(_not_pointed_to, layers)), key="aside", title="the gradient does not point to the weights"
    )
    return Gated((_task(),), All((apart, aside)), key="claim")


def side_questions(layers: Sequence[str] = EACH) -> tuple[Formula, ...]:
    """What the gradient says beyond chance and beyond permuted labels, and of the learned scores."""
    asked: tuple[Formula, ...] = (
        _beyond_chance(),
        _beyond_labels(),
        All(tuple(_hardly(LABELS, layer) for layer in layers)),
        _scores(),
    )
    return tuple(Gated((_task(),), question) for question in asked)


def verdicts(tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its questions, and the side questions."""
    layers = layers_of(tables)
    whole = answer(formula(layers), tables, levels)
    return verdicts_of(claim_verdict(whole, RULE, SAYS), whole, side_questions(layers), tables, levels)


def layers_of(tables: Tables) -> tuple[str, ...]:
    """The layers of the masks, in order."""
    return tuple(dict.fromkeys(tables["weights"]["layer"].tolist()))


# --- units ---


def _mean(tables: Tables, table: str, source: str, column: str) -> np.ndarray:
    """The mean of a column over classes or layers, by seed."""
    rows: Table = tables[table].where(source=source)
    _, seed = np.unique(rows["seed"], return_inverse=True)
    return np.bincount(seed, weights=rows[column]) / np.bincount(seed)


def _gain(tables: Tables, source: str) -> np.ndarray:
    return _mean(tables, "units", source, "auc") - _mean(tables, "units", source, "whole")


def _points(values: np.ndarray) -> str:
    return fixed(float(np.mean(values)), 3)


def _gains(control: str) -> Question:
    def reading(tables: Tables) -> str:
        auc, whole = (_points(_mean(tables, "units", TICKET, column)) for column in ("auc", "whole"))
        other, fits = _points(_gain(tables, control)), ""
        if control == LABELS and "learnt" in tables:
            fits = f", which fits {percent(float(np.mean(tables['learnt'][LABELS])))} of these,"
        return (
            f"The ticket's best units have a held-out AUC of {auc}, and of {whole} in the whole network. Under a {control}{fits} "
            f"the best units gain {other}"
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
        BARE,
    )


def _not_yet() -> Question:
    return _question(
        NOT_YET,
        "in the whole network the same units are no reliable detectors",
        lambda tables: of_seeds(_mean(tables, "units", TICKET, "whole")),
        Below(RELIABLE),
        "the held-out AUC of the ticket's best units in the whole network, a mean over classes,",
        lambda tables: (
            f"In the whole network the ticket's best units have an AUC of {_points(_mean(tables, 'units', TICKET, 'whole'))}"
        ),
        three(
            "they were no reliable detectors",
            "they were reliable before",
            "whether they were reliable before",
        ),
        TICKET,
        BARE,
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


def _not_pointed_to(layer: str) -> Formula:
    """The gradient hardly tells the ticket's weights in a layer, where a second search does."""
    return Gated((_ceiling(layer),), All((_hardly(TICKET, layer), _less_than_half(layer))))


def _hardly(source: str, layer: str) -> Question:
    def reading(tables: Tables) -> str:
        rows = _weights(tables, source, layer)
        auc, common, chance = (_points(rows[c]) for c in ("auc", "common", "density"))
        return (
            f"In {layer} −w·∂L/∂w at the whole network tells the weights of the {source} from the others with an AUC of {auc}. "
            f"Of equally many weights with the highest values a share of {common} is in the {source}, where chance gives {chance}"
        )

    return _question(
        GRADIENT,
        f"{layer}: the gradient hardly singles out the weights of the {source}",
        lambda tables: of_seeds(_weights(tables, source, layer)["auc"] - 0.5),
        Within(SIZE),
        f"the AUC of −w·∂L/∂w for the weights of the {source} in {layer}, minus ½,",
        reading,
        three(
            "it hardly singles them out",
            "the gradient singles them out",
            "whether the gradient singles them out",
        ),
        source,
        layer=layer,
    )


def _less_than_half(layer: str) -> Question:
    def effect(tables: Tables) -> Difference:
        rows = _weights(tables, TICKET, layer)
        most = rows[CEILING] if CEILING in columns(rows) else np.full(len(rows), np.nan)
        return of_seeds(_from_half(rows) - (most - 0.5) / 2)

    def reading(tables: Tables) -> str:
        rows = _weights(tables, TICKET, layer)
        said = f"In {layer} the gradient tells the ticket's weights from the others with an AUC of {_points(rows['auc'])}"
        if CEILING not in columns(rows):
            return said
        return f"{said}, and the scores of a {SECOND} with {_points(rows[CEILING])}"

    return _question(
        CEILING,
        f"{layer}: the gradient says less than half of what a {SECOND} says",
        effect,
        Below(0.0),
        f"the distance from ½ of the AUC of −w·∂L/∂w for the ticket's weights in {layer}, minus half of that of a {SECOND},",
        reading,
        three("that is less than half", "that is half or more", "whether that is less than half"),
        TICKET,
        layer=layer,
    )


def _weights(tables: Tables, source: str, layer: str) -> Table:
    """The rows of a mask and a layer, by seed."""
    rows: Table = tables["weights"].where(source=source, layer=layer).by_seed()
    return rows


def _from_half(rows: Table) -> np.ndarray:
    """|A − ½| by seed, in the direction of the mean over seeds."""
    away = rows["auc"] - 0.5
    return away if np.mean(away) >= 0 else -away


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
    layer: str = "",
) -> Question:
    facets = {"source": source} | ({"layer": layer} if layer else {})
    return Question(key, title, effect, rule, what, scale, reading, says, facets)


# --- gates and the claim ---


def _task() -> Gate:
    return _gained(
        "task",
        "the ticket does the task",
        ("examples", TICKET),
        DOES,
        "The ticket does not do the task: of the headroom above guessing it gains {} (at least {}), and more than {} % is "
        "required.",
        "More --steps of the search, or a wider network, would open the question.",
    )


def _searched() -> Gate:
    """A search over permuted labels that has learnt nothing finds a random mask, which would be beaten twice."""
    return _gained(
        "searched",
        "the search over permuted labels fits some of them",
        ("learnt", LABELS),
        LEAST,
        "The search over permuted labels gains {} (at least {}) of what guessing leaves of them, and more than {} % is required: "
        "its mask may be hardly better than a random one.",
        "More --steps of the search, or fewer training examples, would open the question.",
    )


def _gained(key: str, title: str, of: tuple[str, str], least: float, reason: str, opens: str) -> Gate:
    """Does a mask gain more than a share of the headroom above guessing?

    Arguments:
        of: the table of its scores, and their column.
        reason: a sentence with a place for the gain, its lower bound and the limit.
    """
    table, column = of

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        if table not in tables:
            return "This older run does not say how well the search over permuted labels fits them."
        gain = share(tables[table], column, "guess")
        low = gain.lower(levels.smaller)
        if not gain.decidable or low > least:
            return None
        return reason.format(percent(gain.mean), percent(low), f"{100 * least:g}")

    return Gate(key, title, passed, opens, shows=True)


def _ceiling(layer: str) -> Gate:
    """A second search, or the gradient itself, tells the ticket's weights in the layer by more than the gradient may."""

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        rows = _weights(tables, TICKET, layer)
        if CEILING not in columns(rows):
            return "There was no second search, so how well the ticket's weights can be told at all is not known."
        best, own = of_seeds(rows[CEILING] - 0.5), of_seeds(_from_half(rows))
        if not best.decidable or max(best.lower(levels.smaller), own.lower(levels.smaller)) > SIZE:
            return None
        return (
            f"In {layer} a {SECOND} tells the ticket's weights with an AUC of {0.5 + best.mean:.3f}, and a lower bound above "
            f"{0.5 + SIZE:g} is required."
        )

    return Gate(
        CEILING,
        "a second search tells the ticket's weights in the layer",
        passed,
        "More --steps of the search would open the question, or another --density.",
        shows=True,
    )


RULE = (
    "The claim holds if both halves hold. First, the best units of the ticket gain more AUC by cutting off the rest than under "
    f"random masks and under masks from permuted labels, by {SIZE:g}, and reach an AUC of {RELIABLE:g} under the mask; in the "
    f"whole network the same units stay below {RELIABLE:g}, and are at most {SIZE:g} better than its average unit. Second, in "
    f"every layer the AUC with which −w·∂L/∂w at the whole network tells the ticket's weights from the others is within {SIZE:g} "
    "of ½, and less than half as far from it as the AUC of the scores of a second search. Each layer has an equal share of the "
    "level at which the second half may fail. The claim fails if one of these is false. Otherwise it is undecided. It is also "
    "undecided if the ticket does not do the task, or if the search over permuted labels gains less than a tenth of what "
    "guessing leaves of them. Where a second search, too, tells the ticket's weights with at most "
    f"{0.5 + SIZE:g}, nothing could: that layer is undecided, and the claim cannot hold. Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: "The ticket's units detect only once the rest is cut off, and the gradient hardly points to its weights.",
    Outcome.FAILS: "The two halves are not both true.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
