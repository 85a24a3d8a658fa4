"""The ladder of solvers: a problem goes to the solver that is predicted to take the least time among those that fit in memory.

Forming K (N·k rows) or JᵀJ (P columns) reduces the problem to one matrix. The square loss then takes one decomposition; another
loss takes a JᵀHJ for every Newton step, or some tens of products with K. So the smaller matrix is not always the faster one.
The read-out alone is a smaller problem, because all outputs share one decomposition. If neither matrix fits, products with K
are enough. The prediction counts operations and bytes and divides them by rates of one processor, so that the choice does not
depend on the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ticketlab.errors import UserError
from ticketlab.tangent.jacobian import Jacobian
from ticketlab.tangent.kernel import kernel_cost, only_readout_moves

__all__ = [
    "Automatic",
    "BlockDescent",
    "Choice",
    "ConjugateGradients",
    "DenseDual",
    "DensePrimal",
    "MatrixFree",
    "Rung",
    "choose_rung",
]

PRODUCTS = 2e10  # operations a second of a float64 matrix product, on one processor
FACTORS = 1.5e10  # of Cholesky factors, and of products in a Newton step, with what is copied in between
EIGEN, EIGEN_COLUMN = (
    2.5e10,
    1e-4,
)  # of 9 m³ operations of an eigendecomposition, and seconds for each of its m columns
PANELS = 1e10  # of a float32 Cholesky factor by panels
BLOCKS = 2e9  # of products with the k × k blocks of the curvature
SWEEPS = 4e9  # of products with J
WRITING = 1e9  # bytes a second of J written down
BYTES = 8e9  # bytes a second of matrix–vector products
OVERHEAD = 5e-3  # seconds of a step
NEWTON_STEPS = 8  # of one problem
ITERATIONS, CHOLESKY_STEPS = 12, 40  # products of a Newton step, and of a square loss whose K has one factor
LANCZOS = 40  # products for the ends of the spectrum
EIGEN_ROWS = (
    2500  # up to here a decomposition takes seconds; an eigendecomposition serves every ridge exactly
)
DUAL_ROWS = 20_000  # K in float64 and a float32 factor take 5 GB; memory grows with the square, a factorisation with the cube
PRIMAL_COLUMNS = 20_000


@dataclass(frozen=True)
class Automatic:
    """The rung that is predicted to be the fastest."""


@dataclass(frozen=True)
class DenseDual:
    """K = JJᵀ is formed. `factor`: by eigendecomposition, Cholesky (square loss) or a low rank (other losses); None: by size."""

    factor: Literal["eigen", "iterative"] | None = None
    rank: int = 600

    def __post_init__(self) -> None:
        if self.factor not in (None, "eigen", "iterative") or self.rank < 1:
            raise UserError(
                f"factor={self.factor!r}, rank={self.rank}",
                "a factor of None, 'eigen' or 'iterative', and a rank of at least 1",
            )


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

    def __post_init__(self) -> None:
        if self.rank < 0:
            raise UserError(f"rank={self.rank}", "at least 0, for no preconditioner")


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


@dataclass(frozen=True)
class Choice:
    """The rung to use, with the reason in words and the predicted seconds; NaN if nothing is predicted."""

    rung: DenseDual | DensePrimal | MatrixFree
    reason: str
    seconds: float


def choose_rung(jacobian: Jacobian, rung: Rung, *, quadratic: bool = True, problems: int = 1) -> Choice:
    """The rung for a loss that is quadratic or not, and this number of ridges and offsets."""
    rows, columns = jacobian.examples * jacobian.outputs_per_example, jacobian.columns
    if not isinstance(rung, Automatic | DenseDual | DensePrimal | MatrixFree):
        raise UserError(f"rung={rung!r}", "Automatic(), DenseDual(), DensePrimal() or MatrixFree()")
    if isinstance(rung, MatrixFree):
        return Choice(rung, "as requested", float("nan"))
    if only_readout_moves(jacobian):
        if not isinstance(rung, Automatic):
            return Choice(rung, "as requested", float("nan"))
        reason = "only the read-out moves: one eigenvalue serves all outputs"
        return Choice(DenseDual("eigen"), reason, float("nan"))
    seconds: dict[DenseDual | DensePrimal, float] = {}
    if rows <= DUAL_ROWS or isinstance(rung, DenseDual):
        dual = rung if isinstance(rung, DenseDual) else DenseDual()
        seconds[dual] = _dual_seconds(jacobian, dual, quadratic, problems)
    if columns <= PRIMAL_COLUMNS or isinstance(rung, DensePrimal):
        seconds[DensePrimal()] = _primal_seconds(rows, columns, jacobian, quadratic, problems)
    if not isinstance(rung, Automatic):
        return Choice(rung, "as requested", seconds[rung])
    if not seconds:
        size = min(rows, columns)
        reason = f"{rows} rows, {columns} parameters: the smaller matrix takes {8 * size**2 / 1e9:.0f} GB"
        return Choice(MatrixFree(), reason, float("nan"))
    best = min(seconds, key=lambda each: seconds[each])
    compared = ", ".join(f"{_NAMES[type(each)]} {took:.2g} s" for each, took in seconds.items())
    return Choice(best, f"{rows} rows, {columns} parameters: predicted {compared}", seconds[best])


_NAMES = {DenseDual: "dual", DensePrimal: "primal"}


def _eigen_seconds(rows: int) -> float:
    return EIGEN_COLUMN * rows + 9.0 * rows**3 / EIGEN


def _dual_seconds(jacobian: Jacobian, rung: DenseDual, quadratic: bool, problems: int) -> float:
    """Of forming K, decomposing it, the steps of all problems, and their certificates."""
    rows, columns = jacobian.examples * jacobian.outputs_per_example, jacobian.columns
    forming = kernel_cost(jacobian).flops / PRODUCTS
    products = 12.0 * jacobian.examples * columns / SWEEPS  # with J and Jᵀ, which certify
    multiply = 8.0 * rows**2 / BYTES
    if rung.factor == "eigen" or (quadratic and rung.factor is None and rows <= EIGEN_ROWS):
        return forming + _eigen_seconds(rows) + problems * (products + 4 * multiply)
    if quadratic:
        factor = rows**3 / 3 / PANELS
        return forming + factor + problems * (3 * products + CHOLESKY_STEPS * multiply)
    if rung.factor is None and rows <= EIGEN_ROWS:
        step = rows**3 / 3 / FACTORS + 24 * multiply + OVERHEAD
        return forming + LANCZOS * multiply + problems * (NEWTON_STEPS * step + 3 * products)
    rank = min(rung.rank, rows)
    pivots = 4.0 * rows * rank**2 / PRODUCTS
    item = 8.0 if rows <= EIGEN_ROWS else 4.0
    prepare = 2.0 * rows * rank**2 / (2 * PRODUCTS) + 3.0 * rank**3 / PRODUCTS
    iterations = ITERATIONS * (item * rows**2 + 16.0 * rows * rank) / BYTES
    step = prepare + iterations + 3 * multiply + OVERHEAD
    return forming + pivots + problems * (NEWTON_STEPS * step + 3 * products)


def _primal_seconds(rows: int, columns: int, jacobian: Jacobian, quadratic: bool, problems: int) -> float:
    """Of writing J down, forming JᵀJ, and decomposing it, or a JᵀHJ and its factor for every step."""
    k = jacobian.outputs_per_example
    written = 8.0 * rows * columns / WRITING
    forming = 2.0 * rows * columns**2 / PRODUCTS
    kept = 1 if 8.0 * rows * columns <= 2**31 else 3  # otherwise J is computed again for every sweep
    sweeps = 8.0 * rows * columns / BYTES
    cholesky = columns**3 / 3 / FACTORS
    if quadratic:
        factor = _eigen_seconds(columns) if columns <= EIGEN_ROWS else cholesky
        return kept * written + forming + factor + problems * 6 * sweeps
    curved = 2.0 * rows * columns**2 / FACTORS + 2.0 * rows * columns * k / BLOCKS
    step = curved + cholesky + 16 * 8.0 * columns**2 / BYTES + 4 * sweeps + OVERHEAD
    again = 0.0 if kept == 1 else 4 * written
    return written + forming + problems * NEWTON_STEPS * (step + again)
