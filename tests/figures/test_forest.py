import math
from dataclasses import replace

from ticketlab.figures.forest import forest
from ticketlab.laws.verdict import Outcome, Verdict

GOOD = Verdict("one", Outcome.HOLDS, "rule", 0.2, (-0.1, 0.5), "points", "It holds.")
BAD = replace(GOOD, question="two", outcome=Outcome.FAILS, effect=-3.0, interval=(-3.5, -2.5), headline=False)
OPEN = replace(GOOD, question="three", outcome=Outcome.UNDECIDED)


def test_the_title_counts_outcomes():
    assert forest([GOOD]).title == "The claim holds in 1 of 1 comparison"
    assert forest([GOOD, BAD, OPEN, OPEN]).title == (
        "The claim holds in 1, fails in 1 and is undecided in 2 of 4 comparisons"
    )


def test_numbers_are_in_the_words():
    figure = forest([GOOD, BAD], margin=1.0, effect="a minus b")
    assert figure.panels[0].words == (
        "one: a minus b is +0.20 (−0.10 to +0.50) points; holds.",
        "two (a side question): a minus b is −3.00 (−3.50 to −2.50) points; fails.",
    )
    assert "±1 points" in figure.caption


def test_everything_is_within_the_axis():
    chart = forest([GOOD, BAD], margin=5.0, dots={"one": (7.0,)}).panels[0].chart
    low, high = chart.layout.xaxis.range
    assert low == -high
    assert high > 7


def test_one_panel_a_unit():
    figure = forest([GOOD, replace(BAD, unit="bits")])
    assert [p.name for p in figure.panels] == ["points", "bits"]


def test_without_numbers_there_is_no_figure():
    assert forest([]) is None
    assert forest([replace(GOOD, effect=None, interval=None)]) is None


def test_an_effect_without_interval():
    assert "+0.20 points" in forest([replace(GOOD, interval=None)]).panels[0].words[0]


def test_an_interval_without_ends_is_not_drawn():
    figure = forest([replace(GOOD, interval=(-math.inf, math.inf))])
    assert figure.panels[0].chart.layout.xaxis.range[1] < 1
    assert "+0.20 points" in figure.panels[0].words[0]


def test_text_from_outside_is_escaped():
    chart = forest([replace(GOOD, question="<img src=x>")]).panels[0].chart
    assert "<img" not in chart.to_json().replace("\\u003c", "<")


def test_the_interval_that_decides_is_a_thin_bar_behind_the_other() -> None:
    wide = replace(GOOD, deciding=(-0.4, 0.8), level=0.99)
    figure = forest([wide], effect="a minus b")
    bars = [
        t
        for t in figure.panels[0].chart.data
        if t.mode == "lines" and list(t.x) in ([-0.4, 0.8], [-0.1, 0.5])
    ]
    assert [(list(t.x), t.line.width) for t in bars] == [([-0.4, 0.8], 1), ([-0.1, 0.5], 3)]
    assert "Thin bars" in figure.caption
    assert "Thin bars" not in forest([GOOD], effect="a minus b").caption
