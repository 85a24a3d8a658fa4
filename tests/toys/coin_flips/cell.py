"""What is measured: the share of heads of each coin."""

from __future__ import annotations

import numpy as np
from ticketlab.claims.coin_flips.claim import CoinFlipsPlan

from ticketlab.claims.study import Cell, Draft, Progress
from ticketlab.evidence.tables import Table
from ticketlab.tangent.devices import Devices


def measure(
    plan: CoinFlipsPlan, cell: Cell, draft: Draft, progress: Progress, devices: Devices | None
) -> dict[str, Table]:
    """One cell's tables."""
    rows = []
    for n, seed in enumerate(cell.seeds):
        progress("flipping", n / len(cell.seeds))
        heads = np.random.default_rng(seed).random(plan.flips) < 0.5 + plan.bias
        rows.append({"seed": seed, "heads": float(heads.mean())})
    return {"coins": Table.from_rows("coins", rows, meanings={"heads": "their share of the flips"})}
