"""The outcome of a claim's default plan on digits, as its page prints it, from the record that the run left; and of other plans.

    python docs/_ext/claim_results.py RUN_FOLDER [--shared] [--one] [--data NAME]

keeps from a run folder what the page needs, in `docs/studies/results/<claim>.json`: plan, verdicts and seconds. What the run
measured is judged by the rules of today. `--shared` says that the processors had other work too, `--one` that it was a single
one. A test compares the plan with the default plan of today, so that no page can show the outcome of another one.

`--data mnist` keeps a run of another plan, on that data set, in `docs/studies/results/mnist/<claim>.json`. The page prints it
with its plan.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ticketlab.claims import CLAIMS
from ticketlab.claims.study import Study
from ticketlab.plans import read_plan
from ticketlab.store.folder import RunFolder, verdict_records

__all__ = ["KEPT", "keep", "kept", "results"]

KEPT = Path(__file__).parents[1] / "studies" / "results"
# words of a unit, where the number is negative
TURNED = {" more of ": " less of ", " more ": " fewer ", " longer ": " shorter "}
SHOWN = ("headline", "question", "outcome", "effect", "interval", "deciding", "unit", "reading")


def keep(folder: Path, at: Path = KEPT, *, shared: bool = False, one: bool = False) -> Path:
    """Keeps the plan, the verdicts of today and the seconds of all cells of a finished run."""
    run = RunFolder.open(folder, CLAIMS)
    claim, plan = read_plan(folder / "plan.toml", CLAIMS)
    verdicts = verdict_records(run.study.conclude(plan, run.evidence().tables).verdicts)
    found = {
        "plan": run.plan_text,
        "seconds": round(sum(cell["seconds"] for cell in run.cells())),
        "processors": _processors(shared, one),
        "verdicts": [{name: verdict.get(name) for name in SHOWN} for verdict in verdicts],
    }
    at.mkdir(exist_ok=True)
    place = at / f"{claim}.json"
    place.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return place


def kept(claim: str, at: Path = KEPT) -> dict[str, Any] | None:
    """The record of a claim, if there is one."""
    place = at / f"{claim}.json"
    return json.loads(place.read_text()) if place.exists() else None


def results(study: Study, data: str = "", at: Path = KEPT) -> str:
    """The outcome with its sentence, and a table of all questions, side questions folded.

    A record with `earlier_rule` was judged before the rule of today, and its outcome is said to be of that time.

    Arguments:
        data: of a plan on this data set, which is printed too; empty for the default plan.
    """
    record = kept(study.claim, at / data)
    plan = "plan below" if data else "default plan"
    if record is None:
        return f"No run of the {plan} is recorded."
    claim = next(v for v in record["verdicts"] if not v["question"])
    asked = [v for v in record["verdicts"] if v["question"] and v["headline"]]
    sides = [v for v in record["verdicts"] if v["question"] and not v["headline"]]
    rule = ", by the rule of its time" if record.get("earlier_rule") else ""
    parts = [
        f"**The {plan}{rule}: {claim['outcome']}.** {claim['reading']} Its cells took {_time(record['seconds'])} on "
        f"{record['processors']}.",
        _table(asked),
    ]
    if sides:
        parts.append(f"<details><summary>Side questions</summary>\n\n{_table(sides)}\n\n</details>")
    if data:
        parts.append(
            f"<details><summary>Its plan</summary>\n\n```toml\n{record['plan'].strip()}\n```\n\n</details>"
        )
    return "\n\n".join(parts)


def _processors(shared: bool, one: bool) -> str:
    who = "one processor" if one else "two processors"
    return f"{who} that did other work too" if shared else who


def _table(verdicts: list[dict[str, Any]]) -> str:
    head = "| Question | Outcome | Effect | 95 % interval | Interval that decides |\n| --- | --- | --- | --- | --- |"
    rows = [
        f"| {v['question']} | {v['outcome']} | {_effect(v)} | {_interval(v['interval'])} | {_interval(v['deciding'])} |"
        for v in verdicts
    ]
    return "\n".join([head, *rows])


def _effect(verdict: dict[str, Any]) -> str:
    """With its unit; a negative "more" is fewer, and "more of" an amount is less of it."""
    if verdict["effect"] is None:
        return ""
    number, unit = _number(verdict["effect"]), verdict["unit"]
    if number.startswith("−") and any(word in unit for word in TURNED):
        number = number.removeprefix("−")
        for word, other in TURNED.items():
            unit = unit.replace(word, other)
    return f"{number} {unit}"


def _interval(ends: list[Any] | None) -> str:
    return "" if ends is None else f"{_number(ends[0])} to {_number(ends[1])}"


def _number(value: Any) -> str:
    """Three digits, with a typographic minus; an end that is not known is open."""
    number = float(value)
    if number != number or abs(number) == float("inf"):
        return "open"
    return f"{number:.3g}".replace("-", "−")


def _time(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s" if seconds >= 60 else f"{seconds:.0f} s"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--one", action="store_true")
    parser.add_argument("--data", default="")
    given = parser.parse_args()
    print(keep(given.run, KEPT / given.data, shared=given.shared, one=given.one))
