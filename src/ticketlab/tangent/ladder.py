"""Which solver takes a problem: the smallest matrix that holds it, chosen by size and said with its cost.

Forming K (rows N·k) or JᵀJ (P columns) turns the problem into one matrix of the smaller of the two sizes. The read-out alone is
a smaller problem: all outputs share one decomposition. Neither matrix fits when both are above some tens of thousands: that is
for a matrix-free solver, which this version does not have yet; the error says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ticketlab.errors import UserError
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import only_readout_moves

__all__ = ["Automatic", "DenseDual", "DensePrimal", "Rung", "choose_rung"]

EIGEN_ROWS = 2500  # up to here an eigendecomposition takes seconds, and serves every ridge exactly
DUAL_ROWS = 40_000  # K in float64 and a float32 factor: 18 GB
PRIMAL_COLUMNS = 20_000


@dataclass(frozen=True)
class Automatic:
    """The rung with the smaller matrix."""


@dataclass(frozen=True)
class DenseDual:
    """K = JJᵀ is formed. `factor`: by eigendecomposition, Cholesky (square loss) or a low rank (other losses); None: by size."""

    factor: Literal["eigen", "iterative"] | None = None
    rank: int = 600


@dataclass(frozen=True)
class DensePrimal:
    """JᵀJ is formed, in batches of examples."""


Rung = Automatic | DenseDual | DensePrimal


def choose_rung(jacobian: Jacobian, rung: Rung) -> tuple[DenseDual | DensePrimal, str]:
    """The rung to use and, in words, why.

    Raises:
        UserError: when neither matrix fits.
    """
    rows, columns = jacobian.examples * jacobian.outputs_per_example, jacobian.columns
    if not isinstance(rung, Automatic):
        return rung, "as asked for"
    if only_readout_moves(jacobian):
        return DenseDual("eigen"), "only the read-out moves: one eigenvalue serves all outputs"
    if rows > DUAL_ROWS and columns > PRIMAL_COLUMNS:
        raise UserError(
            f"{rows} rows (examples × outputs) and {columns} parameters that may move",
            f"at most {DUAL_ROWS} rows, or at most {PRIMAL_COLUMNS} parameters",
            "Use fewer training examples, or restrict the tangent space to some layers.",
        )
    if columns < rows and columns <= PRIMAL_COLUMNS and rows > EIGEN_ROWS:
        return DensePrimal(), f"{columns} parameters are fewer than {rows} rows"
    return DenseDual(), f"{rows} rows, {columns} parameters"
