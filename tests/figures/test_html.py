"""Text of a page: nothing breaks out of its place, and what belongs together stays on one line."""

from ticketlab.figures.html import prose


def test_a_number_and_its_percent_sign_stay_together() -> None:
    assert prose("scores 97.4 % on 1 000 images") == "scores 97.4\N{NO-BREAK SPACE}% on 1 000 images"


def test_an_option_is_not_broken_at_its_hyphens() -> None:
    assert prose("a larger --step-size, or") == 'a larger <span class="whole">--step-size</span>, or'


def test_text_stays_text() -> None:
    assert prose("a < b & 3 %") == "a &lt; b &amp; 3\N{NO-BREAK SPACE}%"
    assert prose("a pair--of dashes -- here") == "a pair--of dashes -- here"
