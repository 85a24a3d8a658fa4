import math
from dataclasses import replace

import pytest

from ticketlab.figures.forest import MANY, Asked, forest
from ticketlab.laws.verdict import Outcome, Verdict

GOOD = Verdict("one", Outcome.HOLDS, "rule", 0.2, (-0.1, 0.5), "points", "It holds.", region=(-1.0, 1.0))
BAD = replace(GOOD, question="two", outcome=Outcome.FAILS, effect=-3.0, interval=(-3.5, -2.5), headline=False)
OPEN = replace(GOOD, question="three", outcome=Outcome.UNDECIDED)
WIDE = replace(GOOD, deciding=(-0.4, 0.8), level=0.99)


def html(*verdicts, **asked):
    (panel,) = forest(verdicts, asked).panels
    return panel.chart.html("label", "caption")


def test_the_title_counts_outcomes_of_what_counts_and_of_the_rest():
    assert forest([GOOD]).title == "1 question: 1 holds"
    assert forest([GOOD, BAD, OPEN, OPEN]).title == (
        "3 questions: 1 holds, 2 are undecided; 1 side question: 1 fails"
    )


def test_every_row_has_its_question_reading_numbers_and_answer():
    text = html(GOOD, BAD)
    for part in ("<b>one</b>", "It holds.", "+0.20 (−0.10 to +0.50)", "✓</span> holds", "(side question)"):
        assert part in text


def test_an_undecided_row_says_what_would_decide_it():
    coming = replace(OPEN, reading="It is open.", would_decide="About 9 seeds would decide it.")
    assert "It is open. About 9 seeds would decide it." in html(coming)


def test_a_level_near_one_keeps_its_digits():
    assert "99.9985 %: −0.40 to +0.80" in html(replace(WIDE, level=0.999985))


def test_everything_is_within_the_axis():
    (panel,) = forest([GOOD, BAD], {"": Asked(dots=lambda v: (7.0,))}).panels
    axis = panel.chart._axis("", [GOOD, BAD])
    assert axis.low < -3.5
    assert axis.high > 7


def test_one_axis_a_scale():
    assert html(GOOD, replace(GOOD, unit="bits"), GOOD).count('class="axis"') == 2


def test_an_axis_of_what_the_one_before_measures_only_has_new_ticks():
    far = replace(BAD, key="far")
    text = html(GOOD, far)
    assert text.count(">points</th>") == text.count('<td class="what"></td>') == 1
    assert html(GOOD, replace(GOOD, unit="bits"), far).count(">points</th>") == 2


@pytest.mark.parametrize("count", [MANY, MANY + 1])
def test_what_was_found_is_folded_where_there_are_many_but_where_a_question_fails(count):
    text = html(*[GOOD] * (count - 2), BAD, OPEN)
    many = count > MANY
    assert text.count('<details class="paper"><summary>') == (count - 1) * many
    assert text.count('<details class="paper" open><summary>') == many
    assert text.count("It holds.") == count


def test_side_questions_do_not_stretch_the_axis_of_those_that_count():
    far = replace(BAD, key="far", effect=-60.0, interval=(-70.0, -50.0))
    (panel,) = forest([GOOD, far]).panels
    (_, _, first), (_, _, second) = panel.chart.groups()
    assert (first, second) == ([GOOD], [far])
    assert panel.chart._axis("", first).low > -2


def test_sides_are_named_where_zero_has_a_meaning():
    assert "a better" in html(GOOD, **{"": Asked("a minus b", ("b better", "a better"))})


def test_without_numbers_there_is_no_bar():
    assert forest([]) is None
    assert "<line" not in html(replace(GOOD, effect=None, interval=None))


@pytest.mark.parametrize("interval", [None, (-math.inf, math.inf)])
def test_an_interval_that_is_not_known_is_not_drawn(interval):
    text = html(replace(GOOD, interval=interval))
    assert "+0.20" in text
    assert 'stroke-width="3.2"' not in text
    assert "inf" not in text


def test_the_interval_that_decides_is_a_thin_bar_with_its_numbers():
    text = html(WIDE)
    assert text.index('stroke-width="1.2"') < text.index('stroke-width="3.2"')
    assert "99 %: −0.40 to +0.80" in text
    assert "thin bars" in forest([WIDE]).caption
    mean, wider = forest([WIDE]).panels[0].chart.points()
    assert ((mean.low, mean.high), (wider.low, wider.high)) == (WIDE.interval, WIDE.deciding)
    assert "thin bars" not in forest([GOOD]).caption


def test_where_the_wider_interval_changes_the_answer_that_is_said():
    crossing = replace(OPEN, interval=(-0.1, 0.9), deciding=(-0.4, 1.2), level=0.99)
    assert "“three”" in forest([crossing]).caption
    assert "“one”" not in forest([WIDE]).caption


def test_the_region_is_shaded_and_open_ends_have_no_edge():
    assert html(GOOD).count("var(--edge)") == 2
    assert html(replace(GOOD, region=(0.1, math.inf))).count("var(--edge)") == 1
    assert "var(--edge)" not in html(replace(GOOD, region=None))


def test_text_from_outside_is_escaped():
    assert "<img" not in html(replace(GOOD, question="<img src=x>", reading="<img>", unit="<img>"))
