import io
import re

import pytest
from rich.console import Console

from ticketlab.claims.study import Cell
from ticketlab.engine.display import Display, estimate_text, verdict_line
from ticketlab.engine.run import Observer
from ticketlab.laws.verdict import Outcome, Verdict

CELLS = [Cell("a", title="square loss, seed 0"), Cell("b")]
VERDICT = Verdict(
    "square loss", Outcome.HOLDS, "rule", 0.1, (0.0, 0.2), "points", "Both are as good [really]."
)


def shown(terminal, clock=lambda: 0.0):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=80, highlight=False, markup=False)
    with Display(console, "toy") as display:
        assert isinstance(display, Observer)
        display.begins(CELLS, CELLS[1:])
        display.progress(CELLS[0], "", 0.0, None)
        display.progress(CELLS[0], "one", 0.1, None)
        display.progress(CELLS[0], "two", 0.2, 65.0)
        clock()
        display.progress(CELLS[0], "three", 0.3, 65.0)
        display.finished(CELLS[0], "test error 3.1 %", 61.0, 30.0)
        display.verdict(VERDICT)
    return console.file.getvalue()


def test_a_log_gets_plain_lines_at_a_slow_pace(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def later():
        now[0] += 6.0

    assert shown(False, later).splitlines() == [
        "1 of 2 cells will be reused from an earlier run.",
        "[0:00] square loss, seed 0: one",
        "[0:06] square loss, seed 0: three (about 1 min 5 s left)",
        "[0:06] square loss, seed 0 done in 1 min 1 s: test error 3.1 % (about 30 s left)",
        "[0:06] square loss: holds. Both are as good [really].",
    ]


def test_a_terminal_gets_a_bar_and_the_lines_that_stay():
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown(True))
    assert "━" in text
    assert "square loss: holds. Both are as good [really]." in text


@pytest.mark.parametrize(("left", "text"), [(None, ""), (0.2, ""), (125.0, " (about 2 min 5 s left)")])
def test_the_time_left_is_said_when_it_is_known(left, text):
    assert estimate_text(left) == text


def test_the_claim_as_a_whole_has_a_name():
    whole = Verdict("", Outcome.UNDECIDED, "rule", None, None, "", "Nobody knows.")
    assert verdict_line(whole) == "The claim as a whole: undecided. Nobody knows."


def test_cells_that_run_at_the_same_time_have_a_line_each():
    console = Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False, markup=False)
    many = [Cell(f"cell {i}", weight=1.0) for i in range(10)]
    display = Display(console, "toy")
    display.begins(many, ())
    for cell in many:
        display.progress(cell, "fits", 0.5, None)
    assert display._doing.plain.splitlines() == [*(f"cell {i}: fits" for i in range(8)), "and 2 more cells"]
    assert display._bar.tasks[0].completed == pytest.approx(5.0)
    display.finished(many[0], "", 1.0, None)
    assert display._doing.plain.splitlines()[0] == "cell 1: fits"
    assert display._bar.tasks[0].completed == pytest.approx(5.5)
    display.progress(many[1], "again", 0.0, None)  # it has lost what it had done
    assert display._bar.tasks[0].completed == pytest.approx(5.0)
