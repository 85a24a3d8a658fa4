"""The similarity of two kernels, and the alignment of a kernel with the targets: cosines between matrices.

Kernels are compared after centring their features over examples, K_c = HKH with H = I − 11ᵀ/n, because a constant shared by
all examples does not distinguish them. With ⟨A, B⟩ = tr AᵀB,

    CKA(K, L) = ⟨K_c, L_c⟩ / (‖K_c‖ ‖L_c‖),    alignment(K, y) = ⟨K_c, (yyᵀ)_c⟩ / (‖K_c‖ ‖(yyᵀ)_c‖),

both between 0 and 1 for kernels, and unchanged by scaling. The drift of a tangent kernel from time 0 to T is 1 − CKA(K_0, K_T).

Sources: Cortes, Mohri & Rostamizadeh 2012, Algorithms for learning kernels based on centered alignment, definition 4;
Kornblith et al. 2019, arXiv 1905.00414 (CKA); Fort et al. 2020, arXiv 2010.15110 (the tangent kernel in time).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError

__all__ = ["centred_alignment", "centred_kernel", "target_alignment"]


def centred_kernel(kernel: Float[np.ndarray, "m m"], outputs: int = 1) -> Float[np.ndarray, "m m"]:
    """HKH, centred over examples for each output: H = (I − 11ᵀ/n) ⊗ I_k.

    Arguments:
        kernel: rows ordered by example, then output, as from `tangent_kernel`.
        outputs: k; 1 for a kernel with one row per example.
    """
    k = np.asarray(kernel, np.float64)
    if len(k) % outputs:
        raise UserError(f"a kernel of {len(k)} rows with {outputs} outputs", "whole examples")
    shape = (len(k) // outputs, outputs, len(k) // outputs, outputs)
    k = k.reshape(shape)
    k = k - k.mean(axis=0, keepdims=True)
    return (k - k.mean(axis=2, keepdims=True)).reshape(len(kernel), len(kernel))


def centred_alignment(
    one: Float[np.ndarray, "m m"], other: Float[np.ndarray, "m m"], outputs: int = 1
) -> float:
    """CKA of two kernels on the same examples, in [0, 1]; NaN where one of them is constant.

    Arguments: as for `centred_kernel`.
    """
    return _cosine(centred_kernel(one, outputs), centred_kernel(other, outputs))


def target_alignment(kernel: Float[np.ndarray, "m m"], targets: Float[np.ndarray, "n k"]) -> float:
    """The alignment of a kernel of n rows (traced over outputs) or n·k rows with the targets.

    For n·k rows the kernel of the targets is (yyᵀ) ⊗ I_k: examples are similar if their targets are, for every output.
    """
    y = np.asarray(targets, np.float64)
    y = y - y.mean(axis=0)
    n, k = y.shape
    if len(kernel) not in (n, n * k):
        raise UserError(f"a kernel of {len(kernel)} rows", f"{n} or {n * k}")
    outputs = len(kernel) // n
    wanted = np.kron(y @ y.T, np.eye(outputs))
    return _cosine(centred_kernel(kernel, outputs), wanted)


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.vdot(a, b)) / size if size > 0 else float("nan")
