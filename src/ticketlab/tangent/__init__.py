"""The first-order picture of a network: f(x, θ₀) + J(x)Δθ, its Jacobian, its kernel, and the minimum of a loss in it."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.tangent.certificate import Certificate, Result
    from ticketlab.tangent.devices import Devices, join
    from ticketlab.tangent.jacobian import Jacobian
    from ticketlab.tangent.kernel import (
        KernelPlan,
        averaged_kernel,
        kernel_cost,
        kernel_diagonal,
        tangent_kernel,
    )
    from ticketlab.tangent.ladder import Automatic, DenseDual, DensePrimal, MatrixFree
    from ticketlab.tangent.minimise import MINIMUM_NORM, Absolute, Relative, minimise, ridge_path
    from ticketlab.tangent.newton import NewtonOptions
    from ticketlab.tangent.products import Products
    from ticketlab.tangent.selection import AllParameters, Layers, Masked
    from ticketlab.tangent.solution import Solution, Stats, predict_all
    from ticketlab.tangent.spectrum import extreme_eigenvalues

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "certificate": ["Certificate", "Result"],
        "devices": ["Devices", "join"],
        "jacobian": ["Jacobian"],
        "kernel": ["KernelPlan", "averaged_kernel", "kernel_cost", "kernel_diagonal", "tangent_kernel"],
        "ladder": ["Automatic", "DenseDual", "DensePrimal", "MatrixFree"],
        "minimise": ["MINIMUM_NORM", "Absolute", "Relative", "minimise", "ridge_path"],
        "newton": ["NewtonOptions"],
        "products": ["Products"],
        "selection": ["AllParameters", "Layers", "Masked"],
        "solution": ["Solution", "Stats", "predict_all"],
        "spectrum": ["extreme_eigenvalues"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # the minimum
    "minimise",
    "ridge_path",
    "Relative",
    "Absolute",
    "MINIMUM_NORM",
    "NewtonOptions",
    # which parameters may move
    "AllParameters",
    "Layers",
    "Masked",
    # solvers
    "Automatic",
    "DenseDual",
    "DensePrimal",
    "MatrixFree",
    # results
    "Solution",
    "Certificate",
    "Result",
    "Stats",
    "predict_all",
    # many devices
    "Devices",
    "join",
    # operators
    "Jacobian",
    "Products",
    "tangent_kernel",
    "averaged_kernel",
    "kernel_diagonal",
    "kernel_cost",
    "KernelPlan",
    "extreme_eigenvalues",
]
