"""Which solver takes a problem: the smallest matrix that holds it, chosen by size and said with its cost.

Forming K (rows N·k) or JᵀJ (P columns) turns the problem into one matrix of the smaller of the two sizes. The read-out alone is
a smaller problem: all outputs share one decomposition. Where neither matrix fits, products with K are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
DUAL_ROWS = 20_000  # K in float64 and a float32 factor: 5 GB; both grow with the square, a factorisation with the cube
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
        rank: of that part; less where the problem is smaller or memory does not allow it.
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
    """Neither is formed: products with K, or with the rows of some examples.

    Arguments:
        method: None for block descent where the square loss has a ridge of at least 10⁻³ mean diag(K), is spread over no
            devices, has a dozen blocks and memory for their inverses, and for conjugate gradients elsewhere.
        memory: bytes for kept activations, and the low-rank part or the blocks' inverses (default: 6 GB).
        checkpoint: a file in which the iterate of a long solve is kept every 20 seconds (square loss) or after Newton steps at
            least as far apart (others), and from which a solve of the same problem goes on; None for none.
    """

    method: ConjugateGradients | BlockDescent | None = None
    memory: int = 6 * 10**9
    checkpoint: Path | None = None


Rung = Automatic | DenseDual | DensePrimal | MatrixFree


def choose_rung(jacobian: Jacobian, rung: Rung) -> tuple[DenseDual | DensePrimal | MatrixFree, str]:
    """The rung to use and, in words, why."""
    rows, columns = jacobian.examples * jacobian.outputs_per_example, jacobian.columns
    if not isinstance(rung, Automatic | DenseDual | DensePrimal | MatrixFree):
        raise UserError(f"rung={rung!r}", "Automatic(), DenseDual(), DensePrimal() or MatrixFree()")
    if not isinstance(rung, Automatic):
        return rung, "as asked for"
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
