"""A plan of the real study small enough to be run in every test session, and its cells, which the tests share."""

import pytest

from ticketlab.claims.tangent_minimum.claim import TangentMinimum, TangentMinimumPlan
from ticketlab.engine.keeper import WorkingMemory
from ticketlab.engine.run import run_study
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Bundled

PLAN = TangentMinimumPlan(
    task=Bundled(name="wine", train=60, validation=40, test=70),
    network=MLP(widths=(128,)),
    seeds=2,
    ridges=(1e-2, 1e-1),
    step_sizes=(0.5, 1.0),
    epochs=2,
    doublings=0,
    extensions=0,
)


class Keeping(WorkingMemory):
    """Keeps the tables of each cell by the cell's name."""

    def __init__(self):
        self.cells = {}

    def save(self, cell, tables, seconds):
        self.cells[cell.name] = tables
        return tables


@pytest.fixture(scope="session")
def plan():
    return PLAN


@pytest.fixture(scope="session")
def study_run():
    """The evidence of the plan, and the tables of each cell."""
    keeper = Keeping()
    return run_study(TangentMinimum(), PLAN, keeper), keeper.cells


@pytest.fixture(scope="session")
def evidence(study_run):
    return study_run[0]


@pytest.fixture(scope="session")
def cells(study_run):
    return study_run[1]


@pytest.fixture
def compared():
    """What a cell computes, as one digest and as tables, without the measured ones."""
    from toy_cell import measured

    from ticketlab.evidence.tables import Evidence

    def compared(plan, loss="square", seed=0):
        return Evidence(measured(TangentMinimum(), plan, seeds=(seed,), loss=loss))

    return compared
