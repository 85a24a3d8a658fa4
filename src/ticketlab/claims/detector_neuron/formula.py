"""What `detector-neuron` asks: two halves, one about classes and one about simple stimuli, from tables alone.

A reliable detector of a class has a held-out AUC of at least 0.95 and a held-out J of at least 0.8. How near a unit comes is its

    reach = min((AUC − ½)/0.45, J/0.8)

which is 1 for a unit that just is one. The reach of a network is that of its best unit and class. Both are chosen by their reach
on one half of the test examples and scored on the other, both ways, averaged. The largest of the reaches of ten classes on the
half that scores them would be too large: ten units with a true reach of 0.95 would together be reported as a detector.

Networks differ. The question is about their average: "on average the best unit is no reliable detector" can be true although some
networks have one, and the reading says how many.

With few test images a detector is missed, and a mean below one says nothing. So detectors of known quality are planted among the
units (`power`). Only where the best unit is then measured above 1, for every class, can the claim hold.

A channel of the second layer detects edges if it passes what 99 % of random linear filters of its receptive field do not. By
chance 1 % of channels would at most, so the share has to lie above 1 %. Each channel counts as one example of its seed.

A shape is asked about only where it can be detected: linear filters of the receptive field that are made for its members go
through the same test, and have to detect half of them.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, three
from ticketlab.claims.gates import skill_gate
from ticketlab.claims.wording import number, plural
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds, paired_difference
from ticketlab.laws.formulae import All, Formula, Gate, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "BEST", "BRIGHTNESS", "CHANCE", "CLASS", "FILTERS", "MULTIGRAPH", "PLANTED", "RANDOM", "RULE", "SHAPE", "SHAPES",
    "THRESHOLDS", "TRAINED", "formula", "reach", "reaches", "side_questions", "verdicts",
]  # fmt: skip

RANDOM, TRAINED, FILTERS, BRIGHTNESS = "random network", "trained network", "linear filters", "brightness"
MULTIGRAPH = "multigraph"  # a network in which nothing was drawn
CLASS, SHAPE, EXCEEDS, AFTER = "class", "shape", "filters", "trained"
SHAPES = ("edge", "bar", "corner", "disc", "ring", "blob", "Gabor", "grating")
CHANCE = 0.01  # of random linear filters that pass
BEST = "best"  # the table of the best unit and class of each network
PLANTED = "planted"  # the column of what is measured next to a planted detector
SAME_HALF = "This run chose the class on the half that scores it, so these numbers are too large"
THRESHOLDS = "shapes"  # the table of the layers' thresholds; the last layer decides
POSSIBLE = 0.5  # of a family's members that ideal filters have to detect
REACH = Scale("% of a reliable detector", 100.0)
OF_CHANNELS = Scale("%", 100.0, bounds=(0.0, 100.0))
AUC_ROOM, YOUDEN = 0.45, 0.8


def reach(auc: float, youden: float) -> float:
    """How near a unit comes to a reliable detector; 1 for one."""
    return float(reaches(np.array([auc]), np.array([youden]))[0])


def reaches(auc: np.ndarray, youden: np.ndarray) -> np.ndarray:
    """The same for many units."""
    return np.minimum((auc - 0.5) / AUC_ROOM, youden / YOUDEN)


def formula() -> Formula:
    """The claim: on average the best unit detects no class reliably, and second-layer channels detect edges beyond chance."""
    return Gated((_skill(),), All((_no_detector(RANDOM, CLASS), _shapes(SHAPES[0])), key="claim"))


def side_questions() -> tuple[Formula, ...]:
    """Against random linear filters, after training, and for the other shapes."""
    asked = (_exceeds(), _no_detector(TRAINED, AFTER), *map(_shapes, SHAPES[1:]))
    return tuple(Gated((_skill(),), question) for question in asked)


def verdicts(tables: Tables, levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its two questions, and the side questions."""
    whole = answer(formula(), tables, levels)
    return verdicts_of(claim_verdict(whole, RULE, SAYS), whole, side_questions(), tables, levels)


def _skill() -> Gate:
    return skill_gate(lambda tables: tables["examples"], ("trained",))


# --- classes ---


def _no_detector(source: str, key: str) -> Formula:
    asked = Question(
        key=key,
        title=f"on average over networks the best unit of the {source} is no reliable class detector",
        effect=partial(_reach, source),
        rule=Below(1.0),
        what=f"the mean over networks of the reach of the best unit of the {source}",
        scale=REACH,
        reading=partial(_best_read, source),
        says=three(
            "on average the best unit is no reliable detector",
            "on average the best unit is a reliable detector",
            "whether the best unit is a reliable detector on average",
        ),
        facets={"source": source},
    )
    return Gated((_would_be_found(source),), asked)


def _would_be_found(source: str) -> Gate:
    """Next to a planted detector, of any class, the best unit is measured above 1."""

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        """It keeps back *holds* alone, which a mean of 1 or more cannot become."""
        rows = tables["classes"].where(source=source).by_seed()
        if _reach(source, tables).mean >= 1:
            return None
        if PLANTED not in columns(rows):
            return "This older run did not try whether a detector would be found."
        found = {str(name): of_seeds(of[PLANTED].astype(float)) for (name,), of in rows.by("class").items()}
        lowest = min(found, key=lambda name: found[name].lower(levels.holds))
        mean, low = found[lowest].mean, found[lowest].lower(levels.holds)
        if not found[lowest].decidable or low > 1:
            return None
        return (
            f"A detector would be missed: among the units of the {source} with a planted one of the class {lowest}, the best has "
            f"a reach of {100 * mean:.0f} % (at least {100 * low:.0f} %), and more than 100 % is required."
        ).replace("-", "−")

    return Gate(
        "found",
        f"a detector among the units of the {source} would be found",
        passed,
        "More test images of every class would let it be found.",
        shows=True,
    )


def _exceeds() -> Formula:
    asked = Question(
        key=EXCEEDS,
        title="the best unit exceeds the best of equally many random linear filters",
        effect=lambda tables: of_seeds(_by_seed(tables, RANDOM) - _by_seed(tables, FILTERS)),
        rule=Above(0.0),
        what="the reach of the best unit of the random network, minus that of the best of equally many linear filters,",
        scale=REACH,
        reading=lambda tables: f"{_best_read(RANDOM, tables)}. {_best_read(FILTERS, tables)}",
        says=three(
            "the random network's best unit is the better one",
            "random linear filters have the better one",
            "which is the better one",
        ),
    )
    return Gated(tuple(map(_would_be_found, (RANDOM, FILTERS))), asked)


def _best(tables: Tables, source: str) -> Table:
    """The best unit and class of each network, by seed. An older run chose the class on the half that scores it."""
    if BEST in tables:
        chosen: Table = tables[BEST].where(source=source).by_seed()
        return chosen
    rows: Table = tables["classes"].where(source=source).by_seed()
    _, first = np.unique(rows["seed"], return_index=True)
    ends = [*first[1:], len(rows)]
    best = [start + np.argmax(rows["reach"][start:end]) for start, end in zip(first, ends, strict=True)]
    largest: Table = rows.taken(np.array(best))
    return largest


def _by_seed(tables: Tables, source: str) -> np.ndarray:
    """The reach of the best unit and class, by seed."""
    return _best(tables, source)["reach"].astype(float)


def _reach(source: str, tables: Tables) -> Difference:
    return of_seeds(_by_seed(tables, source))


def _best_read(source: str, tables: Tables) -> str:
    best = _best(tables, source)
    auc, youden = (float(np.mean(best[column])) for column in ("auc", "youden"))
    who = "The best of the linear filters" if source == FILTERS else f"The best unit of the {source}"
    reliable = int(np.sum(best["reach"] >= 1))
    said = (
        f"{who} has a held-out AUC of {auc:.3f} and a J of {youden:.2f}, on average over seeds; in {reliable} of "
        f"{plural(len(best), 'seed')} it is a reliable detector"
    )
    return said if BEST in tables else f"{said}. {SAME_HALF}"


# --- shapes ---


def _shapes(family: str) -> Formula:
    return Gated((_possible(family),), _detected(family))


def _possible(family: str) -> Gate:
    """Ideal filters of the receptive field detect half of the family's members."""

    def passed(tables: Tables) -> str | None:
        if THRESHOLDS not in tables or "ideal" not in columns(tables[THRESHOLDS]):
            return f"Whether an ideal {family} filter passes was not measured."
        rows = tables[THRESHOLDS].where(source=RANDOM, family=family)
        share = float(np.mean(rows.where(layer=rows["layer"][-1])["ideal"]))
        if share >= POSSIBLE:
            return None
        if share > 0:
            return (
                f"Of ideal {family} filters {number(100 * share)} % pass, and {100 * POSSIBLE:g} % are required: the question "
                "can hardly be asked of images of this size."
            )
        return f"Even an ideal {family} filter does not pass: the question cannot be asked of images of this size."

    return Gate(
        "ideal",
        f"an ideal {family} filter of the receptive field passes",
        passed,
        "Smaller images, or a network with a larger receptive field, would open the question.",
    )


def _detected(family: str) -> Question:
    return Question(
        key=SHAPE,
        title=f"channels of the second layer detect a shape: {family}",
        effect=lambda tables: _share(_channels(tables), family),
        rule=Above(CHANCE),
        what=f"the share of second-layer channels that detect the shape ({family})",
        scale=OF_CHANNELS,
        reading=partial(_share_read, family),
        says=three(
            "that is more than chance gives",
            "that is no more than chance gives",
            "whether that is more than chance gives",
        ),
        facets={"family": family},
    )


def _channels(tables: Tables) -> Table:
    found: Table = tables["channels"].where(source=RANDOM)
    return found


def _share(channels: Table, family: str) -> Difference:
    return paired_difference(channels[family].astype(float), channels["seed"], channels["id"])


def _share_read(family: str, tables: Tables) -> str:
    rows = _channels(tables)
    found, count = int(np.sum(rows[family])), len(rows)
    return (
        f"{found} of {count} channels in the second layer of the random networks detect the shape ({family}), "
        f"{number(100 * found / count)} %, where at most 1 % of random linear filters do"
    )


# --- the claim ---

RULE = (
    "The claim holds if on average over random networks the best unit is no reliable class detector, and more than 1 % of the "
    "channels in the second layer detect edges. It fails if one of the two fails. Otherwise it is undecided. It is also "
    "undecided if the same network, trained, is not better than guessing: then the task shows nothing. The half about classes "
    "does not hold if a detector would be missed: if for some class the best unit next to planted detectors is not shown to have "
    "a mean reach above 100 %. The half about edges is "
    f"undecided if ideal filters of the receptive field detect less than {100 * POSSIBLE:g} % of the edges by the same test. "
    "Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: "On average the best unit of a random network is no reliable class detector, but some channels detect edges.",
    Outcome.FAILS: "The two halves are not both true.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}
