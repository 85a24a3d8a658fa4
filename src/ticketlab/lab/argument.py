"""The argument about lottery tickets as data: its parts, the claims that decide each, and what supports or undercuts what.

A part is decided by claims, all of which have to hold (`Every`), or one of which is enough (`Some`). A claim may count the other
way round: the part that one neuron does it holds where `detector-neuron` finds that no unit is reliable to be false.

Nothing here has an outcome. `standing` takes the verdicts of runs and says how each part stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from ticketlab.laws.verdict import Outcome, Verdict

__all__ = ["ARROWS", "PARTS", "Arrow", "Asked", "Every", "Found", "Part", "Some", "Support", "Undercut"]

Found: TypeAlias = Mapping[str, Sequence[Verdict]]
"""The verdicts of each claim that was run."""

TURNED = {Outcome.HOLDS: Outcome.FAILS, Outcome.FAILS: Outcome.HOLDS, Outcome.UNDECIDED: Outcome.UNDECIDED}


@runtime_checkable
class Support(Protocol):
    """What decides a part."""

    def outcome(self, found: Found) -> Outcome | None:
        """How it stands; None if nothing of it was measured."""

    def asked(self) -> Iterator[Asked]:
        """The single claims and questions."""


@dataclass(frozen=True)
class Asked:
    """A claim, or one question of its study.

    Arguments:
        claim: its name.
        key: of the question; by default the claim as a whole.
        facets: of the question.
        words: what it says, for a question that is not the claim as a whole.
        opposite: whether the part holds where this fails.
    """

    claim: str
    key: str = "claim"
    facets: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    opposite: bool = False

    def verdicts(self, found: Found) -> list[Verdict]:
        """Those of the question."""
        return [
            v
            for v in found.get(self.claim, ())
            if v.key == self.key and all(v.facets.get(name) == value for name, value in self.facets.items())
        ]

    def outcome(self, found: Found) -> Outcome | None:
        together = _every([v.outcome for v in self.verdicts(found)])
        return together if together is None or not self.opposite else TURNED[together]

    def deciding(self, found: Found) -> Verdict | None:
        """Of the question, or of the questions that count for the claim: the first with its outcome that has an effect."""
        own = self.verdicts(found)
        together = _every([v.outcome for v in own])
        questions = [v for v in found.get(self.claim, ()) if v.headline] if self.key == "claim" else own
        known = (v for v in questions if v.effect is not None and not math.isnan(v.effect))
        return next((v for v in known if v.outcome is together), None)

    def asked(self) -> Iterator[Asked]:
        yield self


@dataclass(frozen=True)
class Every:
    """All of these have to hold."""

    parts: tuple[Support, ...]

    def outcome(self, found: Found) -> Outcome | None:
        return _every([part.outcome(found) for part in self.parts])

    def asked(self) -> Iterator[Asked]:
        for part in self.parts:
            yield from part.asked()


@dataclass(frozen=True)
class Some:
    """One of these is enough."""

    parts: tuple[Support, ...]

    def outcome(self, found: Found) -> Outcome | None:
        of = [part.outcome(found) for part in self.parts]
        turned = _every([None if each is None else TURNED[each] for each in of])
        return None if turned is None else TURNED[turned]

    def asked(self) -> Iterator[Asked]:
        for part in self.parts:
            yield from part.asked()


def _every(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    """Fails if one fails, holds if all hold; None if nothing was measured, and undecided if only a part was."""
    if Outcome.FAILS in outcomes:
        return Outcome.FAILS
    if all(each is None for each in outcomes):
        return None
    return Outcome.HOLDS if all(each is Outcome.HOLDS for each in outcomes) else Outcome.UNDECIDED


@dataclass(frozen=True)
class Undercut:
    """What takes the force from a part where it holds.

    Arguments:
        by: what has to hold for it.
        words: what it means for the part, a clause.
    """

    by: Support
    words: str


@dataclass(frozen=True)
class Part:
    """A part of the argument.

    Arguments:
        letter: its name on the map.
        title: in a few words.
        says: in plain words, one sentence.
        support: what decides it.
        undercuts: what takes its force away.
    """

    letter: str
    title: str
    says: str
    support: Support
    undercuts: tuple[Undercut, ...] = ()


@dataclass(frozen=True)
class Arrow:
    """From one part to another, by letters. `against`: it speaks against the other where it holds."""

    source: str
    target: str
    words: str
    against: bool = False


def _all(*claims: str) -> Support:
    return Every(tuple(map(Asked, claims))) if len(claims) > 1 else Asked(claims[0])


MADE = Undercut(
    _all("masking-is-training", "multigraph"),
    "choosing the mask is a training of its own, so the search may have made it",
)

PARTS = (
    Part(
        "A",
        "Training stays in the tangent space",
        "What training reaches is already a linear function of the random start's gradients.",
        _all("tangent-minimum", "linear-regime", "newton-step"),
    ),
    Part(
        "B",
        "It picks among the fits at random",
        "Of the functions that fit, training takes each about as often as chance would.",
        _all("random-pick", "tangent-sampling"),
    ),
    Part(
        "C",
        "Gaussian processes explain the performance",
        "Knowing only the architecture, most of what training gains is predicted.",
        _all("gp-performance"),
    ),
    Part(
        "D",
        "A neuron already does it",
        "A unit of the random network detects a class reliably.",
        Asked("detector-neuron", "class", words="no unit is a reliable detector", opposite=True),
    ),
    Part(
        "E",
        "A combination of neurons does it",
        "A linear read-out of random features is almost as good as training.",
        Some(
            (
                Asked("random-filters"),
                Asked(
                    "ladder",
                    "not-enough",
                    {"rung": "probe"},
                    "the read-out of the best layer is not enough",
                    opposite=True,
                ),
                Asked(
                    "ladder",
                    "not-enough",
                    {"rung": "logistic"},
                    "the logistic read-out of the best layer is not enough",
                    opposite=True,
                ),
            )
        ),
    ),
    Part(
        "F",
        "A subnetwork already does it",
        "Some mask over the random weights performs, untrained.",
        Some((Asked("untrained-subnetwork"), Asked("multi-prize"), Asked("existence-bounds"))),
        (
            MADE,
            Undercut(_all("disconnected-detector"), "its units detect nothing before the rest is cut off"),
        ),
    ),
    Part(
        "G",
        "A subnetwork trains as well alone",
        "A subnetwork of the random network, trained alone, reaches the dense accuracy in similar time.",
        _all("winning-ticket"),
        (Undercut(_all("linear-mode"), "it does so only where training is stable to the noise of SGD"),),
    ),
    Part(
        "H",
        "Masking is training",
        "Choosing zeros moves the network where training was moving it.",
        _all("masking-is-training", "multigraph"),
    ),
    Part(
        "I",
        "The ticket at the start is the one at the end",
        "Training reinforces the ticket of the start and dampens the rest.",
        _all("same-ticket"),
        (Undercut(_all("many-optima"), "other starts do the task as well, by other tickets"),),
    ),
    Part(
        "J",
        "Random starts are needed",
        "The gradient weighs every edge's part in good and bad subnetworks; from a symmetric start there is nothing to weigh.",
        _all("symmetry-breaking", "edge-contribution"),
    ),
    Part(
        "K",
        "More tickets, more returns",
        "The tail of the tickets decides what scale buys.",
        _all("ticket-tail", "tail-exponent"),
    ),
    Part(
        "L",
        "Other architectures scale too",
        "MLPs, convolutional and recurrent networks keep improving with size.",
        _all("scaling"),
    ),
)

ARROWS = (
    Arrow("A", "B", "the space of fits among which training would pick"),
    Arrow("A", "E", "the tangent space of all layers is more than one layer's read-out"),
    Arrow("B", "C", "a random pick is what the posterior describes"),
    Arrow("F", "D", "a good subnetwork would have units that do it"),
    Arrow("H", "F", "the search for the mask explains it", against=True),
    Arrow("F", "I", "together with G: the ticket was there"),
    Arrow("G", "I", "together with F: the ticket was there"),
    Arrow("J", "I", "training can only reinforce what differs"),
    Arrow("K", "L", "what a larger network buys"),
)
