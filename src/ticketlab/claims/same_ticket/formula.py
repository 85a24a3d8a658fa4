"""What `same-ticket` asks: is the ticket that is good at the start the one that training reinforces, while the rest is dampened?

A mask m is fixed at θ₀ without seeing the training. Every sub-verdict has two questions: one about an absolute size, and one
about the control that decides.

    survives       θ_T⊙m is as accurate as θ₀⊙m was               … and training as far on permuted labels would have lost it
    reinforced     its share of the weights' norm grows by 5 %    … and by more than on permuted labels
    rest dampened  the rest knows less than chance rests          … and has lost a larger share than on a teacher's labels
    carries alone  without the rest the network loses little      … and chance masks lose more

*Chance masks* keep equally many weights in every tenth of |θ₀|, layer by layer: large weights stay large without learning, so a
mask that likes large weights would seem to be reinforced. A chance rest is the complement of such a mask. Growth is

    g = log r(T)/r(0),   r(t) = share of ‖θ_t‖² under m / mean share under chance masks,

in balanced form, where no rescaling of units can shift it.

*Permuted labels*: the same θ₀, mask and order of the data, at the look at which the weights have moved as far as those of the
trained network. Motion alone loses a ticket, and equally many steps on permuted labels may move the weights twice as far.

*A teacher's labels*: the same with labels that can be learnt, those of a random network. On permuted labels the network guesses,
so its rest has nothing that could be lost. `lost` has the shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from ticketlab.claims.answers import claim_verdict, verdicts_of
from ticketlab.claims.asking import columns, scores, three
from ticketlab.claims.gates import margin_gate
from ticketlab.claims.headroom import LEAST, percent
from ticketlab.claims.same_ticket.gates import chance_redrawn, gates, scale, teacher_gates
from ticketlab.claims.same_ticket.lost import (
    BOTH,
    EARLIER,
    LOST,
    also_earlier,
    more_lost,
    share_lost,
    to_lose,
    was_earlier,
    was_taught,
)
from ticketlab.claims.same_ticket.tables import (
    ALONE,
    CHANCE_MASK,
    PERMUTED,
    REST,
    TICKET,
    TRAINED,
    TWIN,
    cosines,
    growths,
    index,
)
from ticketlab.claims.wording import listed
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import Difference, of_seeds, paired_difference
from ticketlab.laws.formulae import All, Answer, Formula, Gated, Question, Tables, answer
from ticketlab.laws.rules import USUAL, Above, Below, Levels, Rule
from ticketlab.laws.scale import Scale
from ticketlab.laws.verdict import Outcome, Verdict

__all__ = [
    "CARRIES", "COST", "DAMPENED", "GROWTH", "PARTS", "REINFORCED", "RULE", "SLACK", "SURVIVES", "formula", "side_questions",
    "verdicts",
]  # fmt: skip

SURVIVES, REINFORCED, DAMPENED, CARRIES = "survives", "is reinforced", "rest is dampened", "carries alone"
PARTS = (SURVIVES, REINFORCED, DAMPENED, CARRIES)
SLACK = 0.02  # of test score, that a ticket may lose and survive
GROWTH = float(np.log(1.05))  # the least growth that counts
COST = (
    0.05  # of test score: what the rest may be worth to the network, and the least that matters between masks
)
OVERLAP = 0.05  # of κ, that counts
BY_THE_TASK = three("the task favours it", "other labels favour it as much", "whether the task favours it")
GROWN = Scale("% more of the squared norm", ratio=True)
KAPPA = Scale("of κ", 1.0)
SIMILARITY = Scale("on the scale from permuted labels (0) to twin (1)", 1.0)


def formula() -> Formula:
    """The claim: the four sub-verdicts, all of which must hold."""
    parts = (
        All((_kept(), _kept_by_the_task()), key=SURVIVES, title=SURVIVES),
        All((_grown(), _grown_by_the_task()), key=REINFORCED, title=REINFORCED),
        All((_dampened(), _dampened_by_the_task()), key=DAMPENED, title=DAMPENED),
        All((_cheap(), _by_its_places()), key=CARRIES, title=CARRIES),
    )
    return Gated(gates(), All(parts, key="claim"))


def side_questions(masks: tuple[str, ...] = ()) -> tuple[Gated, ...]:
    """The causal arm, motion, wind-back, overlap, the ticket trained alone, and other masks.

    Arguments:
        masks: the other masks, by their names.
    """
    usual, also = gates(), [_grown_also(name) for name in masks]
    return (
        Gated(usual, _other_rest()),
        Gated((*usual, chance_redrawn()), _decides()),
        *(Gated(usual, q) for q in (_moved_more(), _wound_back(), _overlaps())),
        Gated((*usual, scale()), _same_motion()),
        *(Gated(usual, q) for q in also),
    )


def verdicts(tables: Tables, masks: tuple[str, ...] = (), levels: Levels = USUAL) -> tuple[Verdict, ...]:
    """The claim, its eight questions, and the side questions."""
    whole = answer(formula(), tables, levels)
    claim = claim_verdict(whole, RULE, SAYS, _parts_read)
    return verdicts_of(claim, whole, side_questions(masks), tables, levels)


def _points(
    key: str,
    title: str,
    one: tuple[str, str],
    other: tuple[str, str],
    rule: Above | Below,
    says: Mapping[Outcome, str],
    part: str,
) -> Formula:
    """A difference in test score, in points, which are few only where more is gained over guessing."""
    asked = scores(key, title, _examples, one, other, rule, says, facets={"part": part})
    opens = "A task on which more is gained over guessing would make it a question."
    gate = margin_gate(_examples, one, other, abs(rule.limit), skilled=False, opens=opens)
    return Gated((gate,), asked)


def _examples(tables: Tables) -> Table:
    found: Table = tables["examples"]
    return found


# --- survives ---


def _kept() -> Formula:
    return _points(
        "kept",
        "the ticket is as accurate after training as at the start",
        (TICKET, "the ticket in the trained network"),
        ("start", "the same ticket untrained"),
        Above(-SLACK),
        three("it survives training", "training costs it more than 2 points", "whether it survives training"),
        SURVIVES,
    )


def _kept_by_the_task() -> Question:
    return scores(
        "kept by the task",
        "training as far on permuted labels would have cost the ticket a tenth of the headroom",
        lambda tables: tables["examples"],
        (TICKET, "the ticket in the trained network"),
        ("ticket_permuted", "the ticket in the network trained as far on permuted labels"),
        Above(LEAST),
        three(
            "what keeps it is the task",
            "other labels would have cost it less than a tenth of the headroom",
            "whether the task is what keeps it",
        ),
        facets={"part": SURVIVES},
        headroom=True,
    )


# --- reinforced ---


def _grown() -> Question:
    return _share_grows(
        "grown",
        "the ticket's share of the norm grows by more than 5 %",
        Above(GROWTH),
        three("it is reinforced", "it is not reinforced by 5 %", "whether it is reinforced by 5 %"),
        facets={"part": REINFORCED},
    )


def _grown_by_the_task() -> Question:
    return _share_grows(
        "grown by the task",
        "it grows by more than in training as far on permuted labels",
        Above(0.0),
        BY_THE_TASK,
        minus_permuted=True,
        facets={"part": REINFORCED},
    )


def _share_grows(
    key: str,
    title: str,
    rule: Rule,
    says: Mapping[Outcome, str],
    *,
    mask: str = TICKET,
    minus_permuted: bool = False,
    facets: Mapping[str, str],
) -> Question:
    """How a mask's share of the norm grows.

    Arguments:
        minus_permuted: whether the growth on permuted labels is subtracted.
    """

    def effect(tables: Tables) -> Difference:
        true = growths(tables, "true", mask=mask)
        return of_seeds(true - growths(tables, "permuted", mask=mask) if minus_permuted else true)

    next_to = "true minus permuted labels" if minus_permuted else "against chance masks"
    return Question(
        key=key,
        title=title,
        effect=effect,
        rule=rule,
        what=f"the growth of {_whose(mask)} share of the squared norm, {next_to},",
        scale=GROWN,
        reading=partial(_grown_read, mask=mask),
        says=says,
        facets=facets,
    )


def _whose(mask: str) -> str:
    return "the ticket's" if mask == TICKET else f"the {mask} mask's"


def _grown_read(tables: Tables, mask: str = TICKET, kind: str = "norm") -> str:
    true, permuted = (
        f"{100 * np.expm1(float(np.mean(growths(tables, labels, kind, mask)))):+z.1f} %".replace("-", "−")
        for labels in ("true", "permuted")
    )
    what = "share of the squared norm changes by" if kind == "norm" else f"share of the {kind} differs by"
    return (
        f"Against chance masks {_whose(mask)} {what} {true} in training, and by {permuted} on permuted labels"
    )


# --- the rest ---


def _dampened() -> Formula:
    return _points(
        "dampened",
        "the rest knows less than chance rests, by 5 points",
        (REST, "the rest of the trained network"),
        ("chance_rest", "the rest that a chance mask leaves"),
        Below(-COST),
        three(
            "the rest is dampened",
            "the rest is not dampened by 5 points",
            "whether it is dampened by 5 points",
        ),
        DAMPENED,
    )


def _dampened_by_the_task() -> Formula:
    def reading(tables: Tables) -> str:
        of = tables["examples"]
        there = [*(BOTH if was_taught(of) else BOTH[:1]), *((EARLIER,) if was_earlier(of) else ())]
        lost = [
            f"{100 * min(share_lost(of, scored).mean, 1.0):z.1f} % in {scored.training}".replace(
                "-", "−"
            ).rstrip(",")
            for scored in there
        ]
        return f"Of what chance rests know beyond guessing, the rest has lost {listed(lost)}"

    asked = Question(
        key="dampened by the task",
        title="of what chance rests know, the rest has lost a larger share than on a teacher's labels, by a tenth",
        effect=lambda tables: more_lost(tables["examples"]),
        rule=Above(LEAST),
        what="the share of what chance rests know that the rest has lost, true minus a teacher's labels,",
        scale=LOST,
        reading=reading,
        says=three(
            "the task dampens it",
            "a teacher's labels dampen it at least nearly as much",
            "whether the task is what dampens it",
        ),
        facets={"part": DAMPENED},
    )
    return Gated((to_lose(COST), *teacher_gates(), also_earlier(LEAST)), asked)


# --- carries alone ---


def _cheap() -> Formula:
    return _points(
        "cheap",
        "without the rest, the network loses less than 5 points",
        (TICKET, "the ticket in the trained network"),
        (TRAINED, "the whole network"),
        Above(-COST),
        three(
            "the ticket carries the network",
            "the network needs the rest",
            "whether the network needs the rest",
        ),
        CARRIES,
    )


def _by_its_places() -> Formula:
    return _points(
        "by its places",
        "chance masks lose more, by 5 points",
        (TICKET, "the ticket in the trained network"),
        ("chance", "a chance mask of it"),
        Above(COST),
        three(
            "not any such mask would do",
            "chance masks do nearly as well",
            "whether chance masks do nearly as well",
        ),
        CARRIES,
    )


# --- side questions ---


def _other_rest() -> Question:
    return scores(
        "other rest",
        "next to another rest, the ticket is as good after training",
        lambda tables: tables["examples"],
        ("ticket_redrawn", "the ticket, trained next to another random rest,"),
        (TICKET, "the ticket next to its own"),
        Above(-COST),
        three("the rest hardly matters to it", "it needs its own rest", "whether it needs its own rest"),
    )


def _decides() -> Question:
    """A chance mask has as many weights as the ticket, and as large ones. The rest has as many only if the ticket is half."""

    def other(of: Table) -> str:
        return CHANCE_MASK if f"differs_{CHANCE_MASK}" in columns(of) else REST

    def effect(tables: Tables) -> Difference:
        of = tables["examples"]
        return paired_difference(of[f"differs_{other(of)}"] - of["differs_ticket"], of["seed"], of["id"])

    def reading(tables: Tables) -> str:
        of = tables["examples"]
        ticket, instead = (percent(of, f"differs_{what}") for what in (TICKET, other(of)))
        return (
            f"Trained from θ₀ with the ticket redrawn, the network answers {ticket} of the test examples otherwise, and with "
            f"{'a chance mask of it' if other(of) == CHANCE_MASK else 'the rest'} redrawn {instead}"
        )

    return Question(
        key="decides",
        title="what the network becomes is decided by the ticket more than by chance masks of it",
        effect=effect,
        rule=Below(0.0),
        what="the disagreement with the network, chance mask redrawn minus ticket redrawn,",
        scale=Scale("points of disagreement", 100.0, bounds=(-100.0, 100.0)),
        reading=reading,
        says=three("the ticket decides more", "chance masks decide more", "which of them decides more"),
    )


def _moved_more() -> Question:
    return Question(
        key="moved",
        title="training moves the ticket's weights by more than chance masks'",
        effect=lambda tables: of_seeds(growths(tables, "true", "motion")),
        rule=Above(GROWTH),
        what="the ticket's share of the squared motion, against chance masks,",
        scale=Scale("% more of the squared motion", ratio=True),
        reading=lambda tables: _grown_read(tables, kind="motion"),
        says=three("it moves more", "it does not move more by 5 %", "whether it moves more by 5 %"),
    )


def _wound_back() -> Formula:
    def question(key: str, other: tuple[str, str]) -> Question:
        return scores(
            key,
            f"wound back to θ₀, the largest trained weights are better than {other[1]}",
            lambda tables: tables["examples"],
            ("wound", "the mask of the largest trained weights, on the untrained network,"),
            other,
            Above(LEAST),
            three(
                "they were good before training",
                "they are not better by a tenth of the headroom",
                "whether they are better by a tenth of the headroom",
            ),
            headroom=True,
        )

    return All(
        (
            question("wound", ("wound_chance", "chance masks")),
            question("wound by the task", ("wound_permuted", "the largest weights after permuted labels")),
        ),
        key="wind-back",
    )


def _overlaps() -> Question:
    def values(tables: Tables, end: str) -> np.ndarray:
        rows = tables["overlaps"].where(mask=TICKET, end=end).by_seed()
        found: np.ndarray = rows["kappa"].astype(float)
        return found

    return Question(
        key="overlap",
        title="the ticket at the start overlaps with the largest trained weights, beyond permuted labels",
        effect=lambda tables: of_seeds(values(tables, TRAINED) - values(tables, PERMUTED)),
        rule=Above(OVERLAP),
        what="κ of ticket and largest weights, true minus permuted labels,",
        scale=KAPPA,
        reading=lambda tables: (
            f"κ of the ticket and the largest weights is {values(tables, TRAINED).mean():.3f} after training and "
            f"{values(tables, PERMUTED).mean():.3f} after training on permuted labels"
        ).replace("-0.", "−0."),
        says=three("they overlap", "they hardly overlap", "whether they overlap"),
    )


def _same_motion() -> Formula:
    def reading(tables: Tables) -> str:
        alone, twin, permuted = (np.mean(cosines(tables, name)) for name in (ALONE, TWIN, PERMUTED))
        return (
            f"The motion of the ticket's weights in training has a cosine of {alone:.2f} with that of the ticket trained alone, "
            f"{twin:.2f} with that in the twin and {permuted:.2f} with that on permuted labels"
        ).replace("-0.", "−0.")

    return Question(
        key="same motion",
        title="trained alone, the ticket moves as it does in the whole network, more than half as nearly as in a twin",
        effect=lambda tables: of_seeds(index(tables, ALONE)),
        rule=Above(0.5),
        what="the similarity index of the ticket's motions in the network and alone",
        scale=SIMILARITY,
        reading=reading,
        says=three("it moves alike", "it moves otherwise", "whether it moves alike"),
    )


def _grown_also(name: str) -> Formula:
    """Another mask is reinforced: its share grows, and by more than on permuted labels. To shrink by less is not enough."""
    grown = _share_grows(
        "grown also",
        f"{name}: the mask's share of the norm grows",
        Above(0.0),
        three("training reinforces it", "training does not reinforce it", "whether training reinforces it"),
        mask=name,
        facets={"mask": name},
    )
    by_the_task = _share_grows(
        "grown also by the task",
        f"{name}: and by more than in training as far on permuted labels",
        Above(0.0),
        BY_THE_TASK,
        mask=name,
        minus_permuted=True,
        facets={"mask": name},
    )
    return All((grown, by_the_task), key="reinforced also", title=f"{name}: the mask is reinforced")


# --- the claim ---

RULE = (
    "The claim holds if all four sub-verdicts hold: the ticket survives, is reinforced, the rest is dampened, and the ticket "
    "carries alone. A sub-verdict holds if both of its questions hold: the one about size, and the one about the control. The "
    "claim fails if one of the eight questions fails. Otherwise it is undecided. It is also undecided if the trained network is "
    "not better than guessing, if it fits less than 95 % of its training data or gains less than 90 % of what guessing leaves, "
    "or if the ticket is not good at the start. The control is training on permuted labels, at the look at which it has moved "
    "the weights as far as training did. The claim is undecided too if no look is within a factor of 1.25, or if the control has "
    "learnt less than a tenth of what guessing leaves of its own labels. Whether the task dampens the rest is asked of another "
    "control, trained as far on the labels of a random teacher, with the same two conditions. It is undecided unless chance "
    f"rests are shown to be better than guessing by {100 * COST:g} points, in the task and on the teacher's labels: otherwise "
    "there is too little to lose. And it does not hold, but is undecided, unless the rest had lost a larger share than there "
    "also earlier in training, when chance rests knew as much as they do there. Two scores whose difference is less than "
    f"{100 * COST:g} points ({100 * SLACK:g}, of the ticket at the start and after training) say nothing unless each is shown to "
    "gain at least half as much over guessing as the other. Everything else is a side question."
)
SAYS = {
    Outcome.HOLDS: (
        "The ticket that is good at the start survives, is reinforced and carries the network alone, while the rest is dampened."
    ),
    Outcome.FAILS: "The ticket that is good at the start is not simply the one that training reinforces.",
    Outcome.UNDECIDED: "These runs do not decide the claim.",
}


def _parts_read(found: Answer) -> str:
    """The four sub-verdicts."""
    said = "; ".join(f"{part}: {found.find(part).outcome}" for part in PARTS)
    return f"The sub-verdicts: {said}."
