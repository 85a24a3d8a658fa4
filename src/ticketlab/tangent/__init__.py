"""The first-order picture of a network: f(x, θ₀) + J(x)Δθ, its Jacobian, its kernel, and the minimum of a loss in it."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.tangent.alignment import centred_alignment, target_alignment
    from ticketlab.tangent.certificate import Certificate, Result
    from ticketlab.tangent.devices import Devices
    from ticketlab.tangent.flow import (
        Eigen,
        GradientDescent,
        GradientFlow,
        Lanczos,
        TrainingPath,
        training_path,
    )
    from ticketlab.tangent.function_flow import FunctionPath, function_path
    from ticketlab.tangent.gauss_newton import GaussNewtonStep, gauss_newton_steps
    from ticketlab.tangent.jacobian import Jacobian
    from ticketlab.tangent.kernel import (
        KernelPlan,
        averaged_kernel,
        kernel_cost,
        kernel_diagonal,
        tangent_kernel,
    )
    from ticketlab.tangent.ladder import (
        Automatic,
        BlockDescent,
        ConjugateGradients,
        DenseDual,
        DensePrimal,
        MatrixFree,
    )
    from ticketlab.tangent.minimise import (
        MINIMUM_NORM,
        Absolute,
        Relative,
        Tuned,
        minimise,
        ridge_path,
        tuned_minimum,
    )
    from ticketlab.tangent.newton import NewtonOptions
    from ticketlab.tangent.point import TangentPoint
    from ticketlab.tangent.processes import join
    from ticketlab.tangent.products import Products
    from ticketlab.tangent.quadrature import Estimate, Spectrum, kernel_spectrum
    from ticketlab.tangent.selection import AllParameters, Layers, Masked
    from ticketlab.tangent.solution import Solution, Stats, predict_all
    from ticketlab.tangent.spectrum import extreme_eigenvalues

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "alignment": ["centred_alignment", "target_alignment"],
        "certificate": ["Certificate", "Result"],
        "flow": ["Eigen", "GradientDescent", "GradientFlow", "Lanczos", "TrainingPath", "training_path"],
        "function_flow": ["FunctionPath", "function_path"],
        "gauss_newton": ["GaussNewtonStep", "gauss_newton_steps"],
        "devices": ["Devices"],
        "jacobian": ["Jacobian"],
        "kernel": ["KernelPlan", "averaged_kernel", "kernel_cost", "kernel_diagonal", "tangent_kernel"],
        "ladder": [
            "Automatic",
            "BlockDescent",
            "ConjugateGradients",
            "DenseDual",
            "DensePrimal",
            "MatrixFree",
        ],
        "minimise": [
            "MINIMUM_NORM",
            "Absolute",
            "Relative",
            "Tuned",
            "minimise",
            "ridge_path",
            "tuned_minimum",
        ],
        "newton": ["NewtonOptions"],
        "point": ["TangentPoint"],
        "processes": ["join"],
        "products": ["Products"],
        "quadrature": ["Estimate", "Spectrum", "kernel_spectrum"],
        "selection": ["AllParameters", "Layers", "Masked"],
        "solution": ["Solution", "Stats", "predict_all"],
        "spectrum": ["extreme_eigenvalues"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # the minimum
    "minimise",
    "ridge_path",
    "tuned_minimum",
    "Tuned",
    "Relative",
    "Absolute",
    "MINIMUM_NORM",
    "NewtonOptions",
    # training paths
    "training_path",
    "TrainingPath",
    "GradientFlow",
    "GradientDescent",
    "Eigen",
    "Lanczos",
    "function_path",
    "FunctionPath",
    "gauss_newton_steps",
    "GaussNewtonStep",
    "TangentPoint",
    # properties of the kernel
    "kernel_spectrum",
    "Spectrum",
    "Estimate",
    "centred_alignment",
    "target_alignment",
    # which parameters may move
    "AllParameters",
    "Layers",
    "Masked",
    # solvers
    "Automatic",
    "DenseDual",
    "DensePrimal",
    "MatrixFree",
    "ConjugateGradients",
    "BlockDescent",
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
