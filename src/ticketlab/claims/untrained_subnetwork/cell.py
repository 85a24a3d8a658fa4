"""What a cell of `untrained-subnetwork` measures: the arms at one width."""

from __future__ import annotations

from ticketlab.claims.learned.arms import run_setting
from ticketlab.claims.learned.setting import Arm, Setting
from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.claims.untrained_subnetwork.claim import UntrainedSubnetworkPlan
from ticketlab.claims.untrained_subnetwork.formula import MULTIGRAPH
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices
from ticketlab.tickets.edge_popup import EdgePopup
from ticketlab.tickets.learned_edges import LearnedEdges
from ticketlab.tickets.supermask import Supermask

__all__ = ["measure"]


def measure(
    plan: UntrainedSubnetworkPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    return run_setting(_setting(plan, cell.settings["size"], cell.seeds), draft, progress)


def _setting(plan: UntrainedSubnetworkPlan, size: float, seeds: tuple[int, ...]) -> Setting:
    search = EdgePopup(plan.rescale) if plan.search == "edge-popup" else Supermask(plan.rescale)
    arms = [Arm("ticket", search, density=plan.density)]
    if size == 1:
        own = plan.network.staged().initialisation.distribution
        others = [d for d in plan.densities if d != plan.density]
        arms += [Arm("density", search, density=d, compared=False) for d in others]
        arms += [
            Arm("distribution", search, density=plan.density, distribution=d, compared=False)
            for d in plan.distributions
            if d != own
        ]
        arms += [Arm("permuted", search, density=plan.density, permuted=True)]
    arms += [Arm("dense")]
    if size == 1:
        arms += [Arm("permuted dense", permuted=True)]
        if plan.bits:
            arms += [Arm(MULTIGRAPH, LearnedEdges(plan.bits))]
    network = plan.network if size == 1 else plan.network.widened(size)
    return Setting(f"width {size:g}", size, plan, network, tuple(arms), seeds)
