"""The map of verdicts: a cell a plan, its number, and values of the axes that have room."""

import re

import pytest

from ticketlab.figures.phase_map import CELL, LEFT, LETTER, PhaseMap, Spot
from ticketlab.laws.verdict import Outcome

SPOTS = {
    (0, 0): Spot(Outcome.HOLDS, 2.0, (1.0, 3.0), "It <holds>.", "a.html"),
    (1, 0): Spot(Outcome.FAILS, -1.0, (-1.5, -0.5)),
    (0, 1): Spot(Outcome.UNDECIDED, 1.0, (-9.0, 11.0)),
    (1, 1): Spot(None),
}
MAP = PhaseMap(("width", ("8", "16")), ("task", ("digits", "mnist")), SPOTS, "points", (0.5, float("inf")))


def number(text, name):
    return float(re.search(rf'{name}="([-0-9.]+)"', text)[1])


def test_every_cell_has_its_sign_and_its_number():
    text = MAP.html("label", "caption")
    for part in ("✓", "✗", "?", ">+2.0<", ">−1.00<", ">+1<", "It &lt;holds&gt;.", 'href="a.html"'):
        assert part in text
    assert text.count('stroke-dasharray="4 4"') == 1
    assert [(p.series, p.at, p.value) for p in MAP.points()] == [
        ("holds", "width 8, task digits", 2.0),
        ("fails", "width 16, task digits", -1.0),
        ("undecided", "width 8, task mnist", 1.0),
    ]


def test_the_edge_of_the_rule_is_drawn_between_the_cells_that_it_parts():
    """Known effects 2, −1, 1 and 3: a level of 0.5 lies halfway from left to right below, and nowhere above."""
    full = PhaseMap(MAP.across, MAP.up, {**SPOTS, (1, 1): Spot(Outcome.HOLDS, 3.0)}, "points", MAP.region)
    heavy = next(p for p in full.html("label", "caption").split("<path ") if 'stroke-dasharray="6 4"' in p)
    ends = [tuple(map(float, end)) for end in re.findall(r"[ML]([-0-9.]+) ([-0-9.]+)", heavy)]
    below = 1.5 * CELL[1]  # the middle of the lower row
    assert (pytest.approx(CELL[0]), pytest.approx(below)) in [(x, y) for x, y in ends]
    assert all(y > CELL[1] / 2 for _, y in ends)


@pytest.mark.parametrize("value", ["mnist", "teacher-and-student"])
def test_values_of_the_axes_neither_meet_nor_are_cut(value):
    text = PhaseMap(("network", (value, value)), ("task", (value, value)), {}).html("label", "caption")
    cells = [float(x) for x in re.findall(r'<rect x="([0-9.]+)"', text)]
    assert max(cells) - min(cells) >= LETTER * len(value)
    left = -float(re.search(r'viewBox="(-[0-9.]+) ', text)[1])
    assert left >= 22 + LETTER * len(value)
    if value == "mnist":  # which has always had room
        assert (left, max(cells) - min(cells)) == (LEFT, CELL[0])
