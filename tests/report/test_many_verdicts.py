"""Many verdicts together: the counts, the adjusted p-values, and which verdicts remain."""

import pytest

from ticketlab.laws.verdict import Outcome
from ticketlab.report.many_verdicts import Judged, how_sure

HEAD = '<th scope="row">'


def row(page: str, name: str) -> list[str]:
    cells = page[page.index(f"{HEAD}{name}</th>") :].partition("</tr>")[0]
    return cells.replace(HEAD, "").replace("<td>", "").replace("</td>", "</th>").split("</th>")[:-1]


def test_decided_verdicts_are_counted_and_adjusted_for_all_that_were_asked() -> None:
    judged = [
        Judged(("sure",), Outcome.HOLDS, 2e-6),
        Judged(("likely",), Outcome.FAILS, 0.012),
        Judged(("open",), Outcome.UNDECIDED, 1.0),
    ]
    page = how_sure(judged, "Three were asked.", ("claim",), name="all")
    assert "Three were asked. Of 2 decided verdicts, 2 remain" in page
    assert row(page, "sure") == ["sure", "holds", "&lt; 0.00001", "0.000011", "yes"]
    assert row(page, "likely") == ["likely", "fails", "0.012", "0.033", "yes"]  # 0.012 · 3 · (1 + ½ + ⅓) / 2
    assert row(page, "open") == ["open", "undecided", "1", "1", "no"]


@pytest.mark.parametrize(("outcome", "remains"), [(Outcome.HOLDS, "yes"), (Outcome.UNDECIDED, "no")])
def test_what_is_undecided_never_remains(outcome, remains) -> None:
    page = how_sure([Judged(("a <b>",), outcome, 0.05)], "One.", ("claim",), name="one")
    assert row(page, "a &lt;b&gt;")[-1] == remains


def test_nothing_is_said_without_verdicts() -> None:
    assert how_sure([], "None.", ("claim",), name="none") == ""
