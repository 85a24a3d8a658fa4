"""Studies of networks for sequences: tickets of a GRU on rows of digits, and of tokens with an answer at every step."""

from dataclasses import replace

import numpy as np
import pytest

from ticketlab.claims import CLAIMS
from ticketlab.claims.start import (
    check_classes,
    check_one_answer,
    guessed,
    loss_of,
    permuted_labels,
    score_of,
)
from ticketlab.claims.winning_ticket.claim import WinningTicket, WinningTicketPlan
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.networks import GRUNet, LSTMNet
from ticketlab.plans import find_study
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, SQUARE, Digits, InContext, Markov
from ticketlab.tickets import LayerWise
from ticketlab.training import Accuracy, Adam, RSquared, StepAccuracy

EVERY = Markov(symbols=4, steps=5, examples=300, answers="every")
PLAN = WinningTicketPlan(
    task=Digits(train=200, validation=80, test=200),
    network=GRUNet((12,)),
    seeds=2,
    density=0.5,
    levels=2,
    pruning=LayerWise(fraction=0.3, output=0.1),
    rewind_step=5,
    steps=60,
    batch=32,
    optimiser=Adam(step_size=0.02),
    evaluate_every=10,
)


def test_loss_and_score_are_those_of_every_step() -> None:
    task, last, regression = (
        s.task(0) for s in (EVERY, replace(EVERY, answers="last"), InContext(examples=100))
    )
    assert score_of(task) == StepAccuracy(5)
    assert score_of(last) == Accuracy()
    assert score_of(regression) == RSquared()
    assert loss_of(task).steps == 5
    assert loss_of(last) is SOFTMAX_CROSS_ENTROPY
    assert loss_of(regression) is SQUARE
    assert task.train.labels is not None
    assert task.test.labels is not None
    frequent = np.bincount(task.train.labels.ravel()).argmax()
    np.testing.assert_allclose(guessed(task), (task.test.labels == frequent).mean(axis=1))
    assert sorted(permuted_labels(task, 0).train.labels.tolist()) == sorted(task.train.labels.tolist())
    for check in (check_one_answer, check_classes):
        check(last)
        with pytest.raises(UserError, match="answers=last"):
            check(task)


TAKE_EVERY = {"masking-is-training", "multi-prize", "scaling", "untrained-subnetwork", "winning-ticket"}
OTHER_DATA = {"random-filters", "tail-exponent"}  # images, and tasks of its own


@pytest.mark.parametrize("claim", sorted(CLAIMS.keys() - TAKE_EVERY - OTHER_DATA))
def test_a_study_that_compares_classes_refuses_an_answer_at_every_step(claim: str) -> None:
    study = find_study(claim, CLAIMS)
    plan = study.plan_type(task=EVERY)
    with pytest.raises(UserError, match="answers=last"):
        study.run(plan, study.cells(plan)[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, task=EVERY, network=LSTMNet((8,), symbols=4, answers="every")),
    ],
    ids=["rows of digits", "tokens"],
)
def test_tickets_of_recurrent_networks_are_searched_like_all_others(plan: WinningTicketPlan) -> None:
    levels = run_study(WinningTicket(), plan).tables["levels"]
    kept = levels.where(arm="ticket", level=2)["kept"]
    dense = levels.where(arm="dense")["kept"]
    assert (kept < 0.55 * dense[0]).all()
    scores = levels.where(arm="dense")["test_score"]
    assert (scores > 0.3).all()
    assert {"reinitialised", "shuffled", "equal-size"} <= set(levels["arm"].tolist())
