"""Numbers in what claims say: no zero has a sign, nothing that is kept is 0 %, and whole parts are written in full."""

import numpy as np
import pytest

from ticketlab.claims import headroom, wording
from ticketlab.claims.multigraph.formula import rule
from ticketlab.claims.planted import all_cases
from ticketlab.evidence.tables import Column, Table
from ticketlab.laws.formulae import rules_of
from ticketlab.laws.rules import Above, Below


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (wording.points(-1e-5), "+0.00"),
        (wording.points(-0.0123), "−1.23"),
        (wording.percent(-1e-4), "0.0 %"),
        (wording.percent(-5.125), "−512.5 %"),
        (wording.number(100.0), "100"),
        (wording.number(99.6), "100"),
        (wording.number(-1432.0), "−1432"),
        (wording.number(99.4), "99"),
        (wording.number(0.0123), "0.012"),
        (wording.weights_kept(0.118), "11.8 % of the weights"),
        (wording.weights_kept(0.5), "50.0 % of the weights"),
        (wording.weights_kept(0.00042), "0.042 % of the weights"),
    ],
)
def test_numbers(said, text):
    assert said == text


def test_scores_below_zero_have_a_minus_sign():
    """R² of a network that is worse than the mean."""
    table = Table("examples", (Column("random", np.array([-0.3, -0.5])),))
    assert headroom.percent(table, "random") == "−40.0 %"


def test_one_digit_is_no_plural():
    assert "A mask of 1 digit gives" in rule(0.01, bits=1)
    assert "A mask of 8 digits gives" in rule(0.01, bits=8)


def test_what_is_open_on_one_side_is_not_called_within_a_margin():
    """A ticket that is six points better is not "within the margin of 2 points", though it is as accurate; nor is half the time
    "a similar time"."""
    asked = [q for cases in all_cases().values() for case in cases for q, _ in rules_of(case.formula)]
    said = {words for q in asked if isinstance(q.rule, Above | Below) for words in q.says.values()}
    assert any("to within the margin" in words for words in said)
    assert not [words for words in said if "within the margin" in words.replace("to within the margin", "")]
    assert "that is a similar time" not in said
