"""What the pages say of claims is generated from the classes, for those that there are and for any new one."""

import dataclasses
import re
import sys
from pathlib import Path

import pytest
import toy_study

from ticketlab.claims import CLAIMS
from ticketlab.plans import find_study, presets, read_plan

DOCS = Path(__file__).parents[1] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))

claim_pages = pytest.importorskip("claim_pages", reason="needs Sphinx")
claim_results = pytest.importorskip("claim_results")

STUDIES = {**CLAIMS, "toy": "toy_study:Toy"}


@pytest.fixture(params=STUDIES)
def study(request):
    return find_study(request.param, STUDIES)


def cells(table):
    """The cells of a Markdown table's rows, without its header."""
    return [[c.strip() for c in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]


def test_the_plan_has_every_option_with_its_default_and_meaning(study):
    text = claim_pages.plan(study)
    rows = cells(text.partition("\n\n")[0])
    default = study.plan_type()
    assert [row[0] for row in rows] == [f"`{f.name}`" for f in dataclasses.fields(default)]
    assert all(len(row) == 4 and all(row) for row in rows)
    for name, preset in presets(study.plan_type).items():
        changed = [
            f.name for f in dataclasses.fields(default) if getattr(preset, f.name) != getattr(default, f.name)
        ]
        said = text.partition(f"The preset `{name}` differs in")[2].partition("\n")[0]
        assert [n for n in changed if f"`{n}` =" not in said] == []


def test_values_are_those_of_the_class():
    @dataclasses.dataclass(frozen=True)
    class Changed(toy_study.ToyPlan):
        """A plan.

        Arguments:
            margin: another meaning.
        """

        margin: float = 0.125

    class Study(toy_study.Toy):
        plan_type = Changed

    row = next(r for r in cells(claim_pages.plan(Study())) if r[0] == "`margin`")
    assert row == ["`margin`", "number", "`0.125`", "another meaning."]


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_question_is_there_with_its_rule(claim):
    study = find_study(claim, CLAIMS)
    asked = study.asked(study.plan_type())
    text = claim_pages.rule(study)
    assert asked.rule in text
    for title, rule in [*asked.rules(), *asked.side_rules()]:
        row = next(row for row in text.splitlines() if row.startswith("|") and rule in row)
        assert all(part in row for part in re.split(": |, ", title))
    assert all(part in text for gate in asked.gates() for part in re.split(": |, ", gate))


def test_titles_that_differ_in_one_thing_are_one():
    asked = [f"{a}, {b}: small" for a in ("one", "two") for b in ("x", "y", "z")]
    assert claim_pages._joined([*asked, "large"]) == ["one / two × x / y / z: small", "large"]
    assert claim_pages._joined(["one, x: small", "two, y: small"]) == ["one, x; two, y: small"]


def test_levels_in_the_rules_are_those_that_decide():
    """Two losses share the level at which the claim may fail; to hold, each has the whole."""
    rule = claim_pages.rule(find_study("tangent-minimum", CLAIMS))
    assert "Holds if the 95 % interval" in rule
    assert "Fails if the 98.75 % interval" in rule


@pytest.mark.parametrize("claim", CLAIMS)
def test_texts_are_complete(claim):
    study = find_study(claim, CLAIMS)
    assert all(a.name and a.description and a.purpose for a in study.arms)
    assert study.redraws
    assert study.statement in claim_pages.question(study)
    method, sources = claim_pages.method(study), claim_pages.sources(study)
    assert all(paragraph in method for paragraph in study.method)
    assert all(s.citation in sources and s.url in sources for s in study.sources)
    cited = [*study.method, *(a.description for a in study.arms)]
    assert [s.key for s in study.sources if not any(s.key in text for text in cited)] == []


def test_a_new_claim_has_an_entry():
    assert "`toy`\n: *Random numbers have mean zero.*" in claim_pages.claims(STUDIES)
    assert "automodule:: toy_study" in claim_pages.api(STUDIES)
    for claim in CLAIMS:
        assert f"[`{claim}`](studies/{claim}.md)" in claim_pages.claims(STUDIES)


@pytest.mark.parametrize("claim", CLAIMS)
def test_pages_ask_for_every_part(claim):
    """A page copies nothing: its tables of the plan, the arms and the rules come from the class."""
    page = (DOCS / "studies" / f"{claim}.md").read_text(encoding="utf-8")
    assert [part for part in claim_pages.PARTS if f"```{{claim}} {part} {claim}\n" not in page] == []


RECORDED = sorted(file.stem for file in (DOCS / "studies" / "results").glob("*.json"))
OTHERS = sorted((file.stem, file.parent.name) for file in (DOCS / "studies" / "results").glob("*/*.json"))


def test_a_claim_without_a_record_says_so():
    assert claim_pages.results(toy_study.Toy()) == "No run of the default plan is recorded."


@pytest.mark.parametrize(
    ("effect", "unit", "said"),
    [
        (-3.62, "% more of the squared norm", "3.62 % less of the squared norm"),
        (-3.62, "% more steps", "3.62 % fewer steps"),
        (-3.62, "% longer than training's", "3.62 % shorter than training's"),
        (3.62, "% more of the squared norm", "3.62 % more of the squared norm"),
        (-3.62, "points", "−3.62 points"),
    ],
)
def test_a_negative_number_turns_the_words_of_its_unit(effect, unit, said):
    assert claim_results._effect({"effect": effect, "unit": unit}) == said


@pytest.mark.parametrize("claim", RECORDED)
def test_recorded_outcomes_are_those_of_the_default_plan(claim, tmp_path):
    """Run the default plan again, and keep it with docs/_ext/claim_results.py, when this fails."""
    record = claim_pages.kept(claim)
    (tmp_path / "plan.toml").write_text(record["plan"])
    _, plan = read_plan(tmp_path / "plan.toml", CLAIMS)
    study = find_study(claim, CLAIMS)
    assert plan == study.plan_type()
    text = claim_pages.results(study)
    asked = [v["question"] for v in record["verdicts"] if v["question"]]
    assert asked
    assert [question for question in asked if f"| {question} |" not in text] == []


@pytest.mark.parametrize(("claim", "data"), OTHERS)
def test_outcomes_on_other_data_are_on_the_page_with_their_plan(claim, data, tmp_path):
    """Run the plan again, and keep it with docs/_ext/claim_results.py --data, when this fails."""
    record = claim_pages.kept(claim, claim_pages.KEPT / data)
    (tmp_path / "plan.toml").write_text(record["plan"])
    name, plan = read_plan(tmp_path / "plan.toml", CLAIMS)
    assert name == claim
    assert plan.task.describe()
    assert f"```{{claim}} results {claim} {data}\n" in (DOCS / "studies" / f"{claim}.md").read_text(
        encoding="utf-8"
    )
    text = claim_pages.results(find_study(claim, CLAIMS), data)
    assert record["plan"].strip() in text
    asked = [v["question"] for v in record["verdicts"] if v["question"]]
    assert [question for question in asked if f"| {question} |" not in text] == []
