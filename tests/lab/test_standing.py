"""Planted verdicts give each part the standing that the argument's own rules say, and every claim has its place in it."""

import pytest

from ticketlab.claims import CLAIMS
from ticketlab.lab import ARROWS, PARTS, Asked, Every, Part, Some, Undercut, standings
from ticketlab.lab.map import PLACES
from ticketlab.laws.formulae import rules_of
from ticketlab.laws.verdict import Outcome, Verdict
from ticketlab.plans import find_study

H, F, U = Outcome.HOLDS, Outcome.FAILS, Outcome.UNDECIDED


def found(**outcomes: Outcome) -> dict[str, tuple[Verdict, ...]]:
    """A verdict on each claim as a whole; "_" in a name is "-"."""
    return {
        name.replace("_", "-"): (Verdict("", outcome, "", None, None, "", "", key="claim"),)
        for name, outcome in outcomes.items()
    }


def standing(letter: str, **outcomes: Outcome):
    return next(each for each in standings(found(**outcomes)) if each.part.letter == letter)


@pytest.mark.parametrize(
    ("outcomes", "every", "some"),
    [
        ((H, H), H, H),
        ((H, U), U, H),
        ((H, F), F, H),
        ((U, F), F, U),
        ((F, F), F, F),
        ((U, U), U, U),
        ((H, None), U, H),
        ((F, None), F, U),
        ((None, None), None, None),
    ],
)
def test_all_have_to_hold_or_one_is_enough(outcomes, every, some) -> None:
    names = [name for name, outcome in zip("ab", outcomes, strict=True) if outcome is not None]
    given = found(**{name: o for name, o in zip("ab", outcomes, strict=True) if name in names})
    parts = (Asked("a"), Asked("b"))
    assert Every(parts).outcome(given) is every
    assert Some(parts).outcome(given) is some


def test_what_rests_on_an_undecided_claim_is_undecided() -> None:
    assert standing("A", tangent_minimum=H, linear_regime=H, newton_step=U).state == "undecided"
    assert standing("A", tangent_minimum=H, linear_regime=H).state == "undecided"
    assert standing("A", tangent_minimum=H, linear_regime=H, newton_step=H).state == "holds"
    assert standing("A").state == "not measured"


def test_the_question_that_decides_a_part_is_the_first_of_its_outcome_with_an_effect() -> None:
    def question(name: str, outcome: Outcome, effect: float | None, headline: bool = True) -> Verdict:
        return Verdict(name, outcome, "", effect, None, "", "", headline=headline, key=name)

    near = (Verdict("", H, "", None, None, "", "", key="claim"), question("near", H, 1.0))
    far = (
        Verdict("", F, "", None, None, "", "", key="claim"),
        question("side", F, 5.0, headline=False),
        question("holds", H, 2.0),
        question("no number", F, None),
        question("not measured", F, float("nan")),
        question("fails", F, 3.0),
    )
    of = standings({"tangent-minimum": near, "linear-regime": far})
    (a,) = [each for each in of if each.part.letter == "A"]
    assert a.deciding is not None
    assert (a.claim, a.deciding.question) == ("linear-regime", "fails")
    (c,) = [each for each in of if each.part.letter == "C"]
    assert (c.claim, c.deciding) == ("", None)


def test_a_mask_that_training_made_is_undercut() -> None:
    assert standing("F", existence_bounds=H).state == "holds"
    alone = standing("F", existence_bounds=H, masking_is_training=H, multigraph=U)
    assert alone.state == "holds"
    both = standing("F", existence_bounds=H, masking_is_training=H, multigraph=H)
    assert both.state == "holds, but undercut"
    assert "But choosing the mask is a training of its own" in both.sentence
    assert (
        standing(
            "F",
            existence_bounds=F,
            multi_prize=F,
            untrained_subnetwork=F,
            masking_is_training=H,
            multigraph=H,
        ).state
        == "fails"
    )


def test_a_neuron_does_it_where_the_claim_that_none_does_fails() -> None:
    def of(outcome: Outcome) -> str:
        question = Verdict("q", outcome, "", None, None, "", "", key="class")
        other = Verdict("q", F, "", None, None, "", "", key="shape")
        (d,) = [s for s in standings({"detector-neuron": (question, other)}) if s.part.letter == "D"]
        return d.state

    assert (of(H), of(F), of(U)) == ("fails", "holds", "undecided")


def test_a_question_that_is_asked_of_several_things_has_to_hold_for_all() -> None:
    def at(rung: str, outcome: Outcome) -> Verdict:
        return Verdict("q", outcome, "", None, None, "", "", key="not-enough", facets={"rung": rung})

    asked = Asked("ladder", "not-enough", {"rung": "probe"})
    assert asked.outcome({"ladder": (at("unit", F), at("probe", H))}) is H
    assert Asked("ladder", "not-enough").outcome({"ladder": (at("unit", F), at("probe", H))}) is F


def test_the_sentence_says_what_each_claim_did() -> None:
    assert (
        standing("A", tangent_minimum=H, newton_step=H, linear_regime=U).sentence
        == "tangent-minimum and newton-step hold; linear-regime is undecided."
    )
    assert standing("G").sentence == "winning-ticket was not measured."
    text = standing("G", winning_ticket=H, linear_mode=H).sentence
    assert (
        text
        == "winning-ticket holds. But it does so only where training is stable to the noise of SGD (linear-mode)."
    )


def test_every_claim_has_its_place_and_every_part_one_on_the_map() -> None:
    named = {
        asked.claim
        for part in PARTS
        for support in (part.support, *(undercut.by for undercut in part.undercuts))
        for asked in support.asked()
    }
    assert set(CLAIMS) <= named
    assert {part.letter for part in PARTS} == set(PLACES)
    assert len(set(PLACES.values())) == len(PLACES)
    assert {letter for arrow in ARROWS for letter in (arrow.source, arrow.target)} <= set(PLACES)


def test_every_question_that_a_part_asks_for_is_asked_by_its_claim() -> None:
    named = [asked for part in PARTS for asked in part.support.asked() if asked.key != "claim"]
    assert {asked.claim for asked in named} == {"detector-neuron", "ladder"}
    for asked in named:
        study = find_study(asked.claim, CLAIMS)
        agenda = study.asked(study.plan_type())
        questions = [question for of in (agenda.claim, *agenda.sides) for question, _ in rules_of(of)]
        assert [q for q in questions if q.key == asked.key and asked.facets.items() <= q.facets.items()]


def test_an_undercut_does_not_show_where_the_part_does_not_hold() -> None:
    part = Part("X", "x", "x", Asked("a"), (Undercut(Asked("b"), "no"),))
    (shown,) = standings(found(a=U, b=H), [part])
    assert shown.undercut == ()
