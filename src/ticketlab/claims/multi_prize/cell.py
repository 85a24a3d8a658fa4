"""What a cell of `multi-prize` measures: the arms of one kind of network, with sign activations or without."""

from __future__ import annotations

from ticketlab.claims.learned.arms import run_setting
from ticketlab.claims.learned.setting import Arm, Setting
from ticketlab.claims.multi_prize.claim import BOTH, WEIGHTS, MultiPrizePlan, with_signs
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tickets.biprop import Biprop
from ticketlab.tickets.edge_popup import EdgePopup

__all__ = ["measure"]


def measure(
    plan: MultiPrizePlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    return run_setting(_setting(plan, cell.settings["signs"], cell.seeds), draft, progress)


def _setting(plan: MultiPrizePlan, signs: bool, seeds: tuple[int, ...]) -> Setting:
    arms = [
        Arm("ticket", Biprop(), density=plan.density),
        Arm("permuted", Biprop(), density=plan.density, permuted=True),
    ]
    arms += [Arm("mask", EdgePopup(), density=plan.density), Arm("dense"), Arm("binarised", binary=True)]
    name, network = (BOTH, with_signs(plan.network)) if signs else (WEIGHTS, plan.network)
    return Setting(name, 1.0, plan, network, tuple(arms), seeds)
