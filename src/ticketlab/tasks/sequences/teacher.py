"""Teacher and student: the targets are the outputs of a random network, so the best possible loss is the noise.

x is uniform on [−½, ½]^d. The teacher has two hidden ReLU layers and one output; its weights and biases are Gaussian, with
variances 2/fan-in and 1. How fast a student's loss falls with its size depends on d: the published prediction is a power 4/d
of the number of parameters.

Source: Sharma, Kaplan 2020, arXiv 2004.10802.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.tasks.sequences.draws import normals, uniforms

__all__ = ["drawn"]


def drawn(
    examples: int, dimensions: int, width: int, noise: float, draw: int
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, "n 1"]]:
    """Inputs and targets, scaled to variance 1 before noise of this standard deviation is added.

    Raises: UserError for impossible sizes, and for a teacher whose units are all off, so that its output is constant.
    """
    if not (1 <= dimensions <= 1000 and 1 <= width <= 10_000 and 0 <= noise < np.inf):
        raise UserError(
            f"dimensions={dimensions}, width={width}, noise={noise}",
            "1 to 1 000 dimensions, a width from 1 to 10 000, and noise of at least 0",
        )
    source = np.random.PCG64([draw, 1])  # another stream than that of a split with this seed
    x = uniforms(source, examples, dimensions) - 0.5
    a = x
    for fan in (dimensions, width):
        a = np.maximum(a @ normals(source, fan, width) * np.sqrt(2 / fan) + normals(source, width), 0)
    y = a @ normals(source, width, 1)
    if np.ptp(y) <= 1e-12 * np.abs(y).max():  # but for rounding
        raise UserError(
            f"a teacher of width {width} (draw {draw}) whose output is the same for all inputs",
            "one with units that are on for some inputs",
            "Take another draw, or a larger width.",
        )
    y = (y - y.mean()) / y.std()
    return x, y + noise * normals(source, examples, 1)
