import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_study import Budget, Gaussian, ToyPlan, Uniform

from ticketlab.choices import choice_text, family
from ticketlab.claims import CLAIMS
from ticketlab.cli.options import read_requests
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP, LeNet300100
from ticketlab.plans import plan_hash
from ticketlab.tasks.sources import Boolean, Digits, TaskSource

STUDIES = {"toy": "toy_study:Toy", "other": "toy_study:Other"}

numbers = st.floats(allow_nan=False)
plans = st.builds(
    ToyPlan,
    task=st.sampled_from([Digits(), Digits(train=7), Boolean(bits=3)]),
    network=st.sampled_from([MLP(), MLP(widths=(3, 4), bias=False), LeNet300100()]),
    law=st.builds(Gaussian, scale=numbers) | st.builds(Uniform, low=numbers, high=numbers),
    signs=st.lists(st.sampled_from(["plus", "minus"])).map(tuple),
    seeds=st.integers(1, 2**60),
    margin=numbers,
    offset=st.none() | numbers,
    budget=st.builds(Budget, draws=st.integers()),
)


@given(plans)
def test_every_plan_can_be_given_as_options(plan):
    words = ["toy", "--task", choice_text(plan.task, family(TaskSource))]
    words += ["--network", choice_text(plan.network, family(Architecture))]
    words += ["--law", choice_text(plan.law, family(Gaussian | Uniform))]
    words += ["--signs", *plan.signs, "--seeds", str(plan.seeds), "--margin", str(plan.margin)]
    words += ["--offset", str(plan.offset), "--budget.draws", str(plan.budget.draws)]
    (request,) = read_requests(words, STUDIES, "run")
    assert request.plan == plan
    assert plan_hash("toy", request.plan) == plan_hash("toy", plan)


@pytest.mark.parametrize(
    ("words", "claims", "outs"),
    [
        ([], ["toy", "other"], [None, None]),
        (["other"], ["other"], [None]),
        (["--seeds", "2", "other"], ["other"], [None]),
        (["--json", "other"], ["other"], [None]),
        (["other", "toy", "other"], ["other", "toy"], [None, None]),
        (["--out", "toy"], ["toy", "other"], ["toy/toy", "toy/other"]),
        (["toy", "--out", "x.toml"], ["toy"], ["x.toml"]),
        (["--out", "x", "toy", "other"], ["toy", "other"], ["x/toy", "x/other"]),
    ],
)
def test_claims_are_the_words_that_stand_alone(words, claims, outs):
    requests = read_requests(words, STUDIES, "run")
    assert [r.study.claim for r in requests] == claims
    assert [r.out and r.out.as_posix() for r in requests] == outs


def test_the_claim_is_found_behind_a_value_that_is_joined_to_its_option():
    claims = {"toy": "toy_study:Toy", "winning-ticket": CLAIMS["winning-ticket"]}
    (request,) = read_requests(["--evaluate-every=2", "winning-ticket"], claims, "run")
    assert (request.study.claim, request.plan.evaluate_every) == ("winning-ticket", 2)


def test_the_claim_is_found_behind_a_flag_of_its_plan():
    claims = {"toy": "toy_study:Toy", "winning-ticket": CLAIMS["winning-ticket"]}
    (request,) = read_requests(["--permuted-labels", "winning-ticket"], claims, "run")
    assert (request.study.claim, request.plan.permuted_labels) == ("winning-ticket", True)


def test_options_hold_for_all_claims_and_files_for_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.toml").write_text('claim = "other"\nseeds = 7\n')
    one, two = read_requests(["toy", "plan.toml", "--margin", "0.1"], STUDIES, "run")
    assert (one.study.claim, one.plan.seeds, one.plan.margin) == ("toy", 3, 0.1)
    assert (two.study.claim, two.plan.seeds, two.plan.margin) == ("other", 7, 0.1)


def test_a_preset_is_changed_by_the_other_options():
    for words in (["--preset", "quick"], ["--preset=quick"]):
        (request,) = read_requests(["toy", "--margin", "0.1", *words], STUDIES, "run")
        assert request.plan == ToyPlan(seeds=1, signs=("plus",), margin=0.1)
    (request,) = read_requests(["toy", "--preset=quick", "--preset", "default"], STUDIES, "run")
    assert request.plan == ToyPlan()
