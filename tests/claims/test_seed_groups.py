"""Seeds are run in groups: what is kept is not run again, and a seed's numbers have the same bits in any group.

That a seed alone has the bits that it has among others is in the tests of each study.
"""

import dataclasses

import pytest

from ticketlab.claims import CLAIMS
from ticketlab.claims.linear_mode.claim import LinearMode, LinearModePlan
from ticketlab.claims.multi_prize.claim import MultiPrize, MultiPrizePlan
from ticketlab.claims.study import Cell, groups
from ticketlab.claims.untrained_subnetwork.claim import UntrainedSubnetwork, UntrainedSubnetworkPlan
from ticketlab.claims.winning_ticket.claim import WinningTicket, WinningTicketPlan
from ticketlab.engine.keeper import WorkingMemory
from ticketlab.engine.run import run_study
from ticketlab.errors import UserError
from ticketlab.networks import MLP
from ticketlab.plans import cell_fields, find_study
from ticketlab.store.folder import default_place
from ticketlab.tasks.sources import Bundled
from ticketlab.tickets import LayerWise
from ticketlab.training import Adam

SHARED = {
    "task": Bundled(name="wine", train=60, validation=40, test=70),
    "network": MLP(widths=(12, 8)),
    "steps": 40,
    "batch": 16,
    "optimiser": Adam(step_size=0.02),
}
PRUNED = {**SHARED, "pruning": LayerWise(fraction=0.3, output=0.1)}
TOGETHER = [
    (
        WinningTicket(),
        WinningTicketPlan(**PRUNED, density=0.55, levels=2, evaluate_every=4, dynamic=("set",)),
    ),
    (LinearMode(), LinearModePlan(**PRUNED, rewind_steps=(7,), copies=2, levels=1, points=5)),
    (
        UntrainedSubnetwork(),
        UntrainedSubnetworkPlan(**SHARED, widths=(0.5,), densities=(0.2,), distributions=()),
    ),
    (MultiPrize(), MultiPrizePlan(**SHARED)),
]


class Kept(WorkingMemory):
    def __init__(self):
        self.cells, self.ran = {}, []

    def has(self, cell):
        return cell.name in self.cells

    def load(self, cell):
        return self.cells.get(cell.name)

    def save(self, cell, tables, seconds):
        self.ran.append(cell.seeds)
        self.cells[cell.name] = tables
        return tables


@pytest.mark.slow
@pytest.mark.parametrize(("study", "plan"), TOGETHER, ids=lambda of: getattr(of, "claim", ""))
def test_three_seeds_together_are_one_and_two_more(study, plan):
    """The tables have the same bits, rows in the same order, and the verdicts are the same."""
    apart = Kept()
    run_study(study, dataclasses.replace(plan, seeds=1), apart)
    apart.ran.clear()
    extended = run_study(study, dataclasses.replace(plan, seeds=3), apart)
    assert set(apart.ran) == {(1, 2)}

    at_once = Kept()
    whole = run_study(study, dataclasses.replace(plan, seeds=3), at_once)
    assert set(at_once.ran) == {(0, 1, 2)}
    for name, table in whole.tables.items():
        if not table.measured:
            assert extended.tables[name].digest() == table.digest(), name
    assert extended.verdicts == whole.verdicts


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_number_of_seeds_is_no_part_of_what_a_seed_computes(claim):
    study = find_study(claim, CLAIMS)
    few, many = (study.plan_type(seeds=seeds) for seeds in (4, 6))
    assert cell_fields(few) == cell_fields(many)
    kept = {cell.name for cell in groups(study.cells(few), lambda cell: False)}
    found = groups(study.cells(many), lambda cell: cell.name in kept)
    new = [cell for cell in found if cell.name not in kept]
    assert {seed for cell in new for seed in cell.seeds} == {4, 5}
    whole = sorted((cell.name, seed) for cell in study.cells(many) for seed in cell.seeds)
    assert sorted((cell.part_of, seed) for cell in found for seed in cell.seeds) == whole


def test_seeds_between_kept_groups_are_run_in_one():
    cell = Cell("k", seeds=tuple(range(9)), together=True)
    kept = {"k-seeds2-3", "k-seed2", "k-seeds5-5", "k-seeds7-9", "k-seed5"}
    found = groups([cell], lambda part: part.name in kept)
    assert [part.seeds for part in found] == [(0, 1), (2, 3), (4,), (5,), (6, 7, 8)]
    assert groups([Cell("whole")], lambda part: True) == (Cell("whole"),)


@pytest.mark.parametrize("claim", CLAIMS)
def test_another_first_seed_asks_the_same_question_of_other_networks(claim):
    study = find_study(claim, CLAIMS)
    usual, other = (study.plan_type(seeds=2, first_seed=first) for first in (0, 7))
    assert cell_fields(usual) == cell_fields(other)
    assert {cell.seeds for cell in study.cells(other)} == {(7, 8)}
    assert default_place(claim, usual) != default_place(claim, other)
    with pytest.raises(UserError, match="first_seed=-1"):
        study.plan_type(first_seed=-1)
