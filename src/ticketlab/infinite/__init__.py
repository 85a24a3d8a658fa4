"""Infinite width: the kernels of a network's own stages in the limit, and the posteriors that follow from them."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.infinite.kernel import Kernels, kernel_function, kernels, kernels_diagonal

# Imported on first use, because it imports JAX.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={"kernel": ["Kernels", "kernel_function", "kernels", "kernels_diagonal"]},
)

__all__ = ["Kernels", "kernel_function", "kernels", "kernels_diagonal"]
