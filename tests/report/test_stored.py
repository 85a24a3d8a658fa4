"""A page from a run folder: made of what is stored there, and the same each time."""

import pytest
from toy_study import Toy, ToyPlan

from ticketlab import report
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.report.stored import record
from ticketlab.store.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    plan = ToyPlan()
    folder = RunFolder.of(Toy(), plan, tmp_path / "run")
    with folder.work(plan) as keeper:
        folder.keep(run_study(Toy(), plan, keeper), keeper, plan)
    return folder


def test_the_page_is_written_beside_the_records(folder):
    page = report.write(folder)
    assert page == folder.path / "report.html"
    html = page.read_text(encoding="utf-8")
    assert "Random numbers have mean zero." in html
    assert "Random numbers were averaged." in html
    assert folder.evidence().digest() in html
    assert str(folder.path) not in html


def test_the_same_records_give_the_same_page(folder):
    first = report.write(folder).read_bytes()
    assert report.write(RunFolder.open(folder.path, {"toy": "toy_study:Toy"})).read_bytes() == first


def test_plan_and_environment_are_put_into_words(folder):
    made = record(folder)
    assert made.facts["Task"].startswith("digits")
    assert "widths 512 × 512" in made.facts["Network"]
    assert made.facts["Seeds"] == "3"
    assert made.facts["Time"].endswith(" s for 6 cells")
    assert made.environment["python"].startswith("3.")
    assert "jax " in made.environment["libraries"]
    assert made.plan_text == folder.plan_text


def test_an_unfinished_run_has_no_page(tmp_path):
    folder = RunFolder.of(Toy(), ToyPlan(), tmp_path / "run")
    with folder.work(ToyPlan()):
        pass
    with pytest.raises(UserError, match="not finished"):
        report.write(folder)
    assert not folder.report_path.exists()
