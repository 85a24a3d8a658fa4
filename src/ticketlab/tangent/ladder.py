"""The ladder of solvers: a problem goes to the solver with the smallest matrix, chosen by size, with its cost as the reason.

Forming K (N·k rows) or JᵀJ (P columns) reduces the problem to one matrix of the smaller size. The read-out alone is a smaller
problem, because all outputs share one decomposition. If neither matrix fits, products with K are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ticketlab.errors import UserError
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import only_readout_moves

__all__ = [
    "Automatic",
    "BlockDescent",
    "ConjugateGradients",
    "DenseDual",
    "DensePrimal",
    "MatrixFree",
    "Rung",
    "choose_rung",
]

EIGEN_ROWS = 2500  # up to here an eigendecomposition takes seconds, and serves every ridge exactly
DUAL_ROWS = 20_000  # K in float64 and a float32 factor take 5 GB; memory grows with the square, a factorisation with the cube
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


@dataclass(frozen=True)
class ConjugateGradients:
    """All examples at once, preconditioned by a low-rank part of K.

    Arguments:
        rank: of that part; lower if the problem is smaller or memory does not allow it.
    """

    rank: int = 1500


@dataclass(frozen=True)
class BlockDescent:
    """A block of examples at a time, with momentum. For the square loss and a ridge above zero.

    Arguments:
        rows: of K in a block.
    """

    rows: int = 1000


@dataclass(frozen=True)
class MatrixFree:
    """No matrix is formed; uses products with K, or with the rows of some examples.

    Arguments:
        method: None chooses. Block descent needs the square loss, a ridge of at least 10⁻³ mean diag(K), one device, a dozen
            blocks and memory for their inverses; otherwise conjugate gradients are used.
        memory: bytes for kept activations, and the low-rank part or the inverses of the blocks (default: 6 GB).
        checkpoint: a file for the iterate of a long solve, written at most every 20 seconds (for losses other than the
            square, after a Newton step). A solve of the same problem continues from it. None: no file.
    """

    method: ConjugateGradients | BlockDescent | None = None
    memory: int = 6 * 10**9
    checkpoint: Path | None = None


Rung = Automatic | DenseDual | DensePrimal | MatrixFree


def choose_rung(jacobian: Jacobian, rung: Rung) -> tuple[DenseDual | DensePrimal | MatrixFree, str]:
    """The rung to use, and the reason in words."""
    rows, columns = jacobian.examples * jacobian.outputs_per_example, jacobian.columns
    if not isinstance(rung, Automatic | DenseDual | DensePrimal | MatrixFree):
        raise UserError(f"rung={rung!r}", "Automatic(), DenseDual(), DensePrimal() or MatrixFree()")
    if not isinstance(rung, Automatic):
        return rung, "as requested"
    if only_readout_moves(jacobian):
        return DenseDual("eigen"), "only the read-out moves: one eigenvalue serves all outputs"
    if rows > DUAL_ROWS and columns > PRIMAL_COLUMNS:
        size = min(rows, columns)
        return (
            MatrixFree(),
            f"{rows} rows, {columns} parameters: the smaller matrix takes {8 * size**2 / 1e9:.0f} GB",
        )
    if columns < rows and columns <= PRIMAL_COLUMNS and rows > EIGEN_ROWS:
        return DensePrimal(), f"{columns} parameters are fewer than {rows} rows"
    return DenseDual(), f"{rows} rows, {columns} parameters"
