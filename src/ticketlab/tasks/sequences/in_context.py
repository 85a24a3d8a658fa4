"""Linear regression in context: each example is a small data set of its own, and the answer to its next question.

An example has its own w ~ N(0, 1/d) and points x_i ~ N(0, 1) in d dimensions, with y_i = w·x_i + noise. Step i shows x_i and
the answer y_{i−1} to the step before; y_i is to be predicted. No w is ever repeated, so whatever predicts well has learnt to
regress. The best prediction is Bayes', a ridge regression on the steps so far, with mean square error at step i

    noise² + noise² E tr(XᵀX + d noise² 1)⁻¹,    X the points before step i (all of them count as steps 1 … i − 1).

The expectation over X is a mean over the examples.

Source: Garg, Tsipras, Liang, Valiant 2022, arXiv 2208.01066, section 2; the risk follows from the posterior covariance of w,
noise² (XᵀX + d noise² 1)⁻¹.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ticketlab.errors import UserError
from ticketlab.tasks.sequences.draws import normals

__all__ = ["bayes_predictions", "bayes_risks", "drawn"]


def drawn(
    examples: int, steps: int, dimensions: int, noise: float, draw: int
) -> tuple[Float[np.ndarray, "n t d"], Float[np.ndarray, "n t"]]:
    """Points x and answers y of every step."""
    if not (1 <= dimensions <= 1000 and 2 <= steps <= 1000 and 0 < noise < np.inf):
        raise UserError(
            f"steps={steps}, dimensions={dimensions}, noise={noise}",
            "2 to 1 000 steps, 1 to 1 000 dimensions, and noise above 0",
        )
    source = np.random.PCG64([draw, 1])  # another stream than that of a split with this seed
    w = normals(source, examples, dimensions) / np.sqrt(dimensions)
    x = normals(source, examples, steps, dimensions)
    y = np.einsum("ntd,nd->nt", x, w) + noise * normals(source, examples, steps)
    return x, y


def bayes_risks(x: Float[np.ndarray, "n t d"], noise: float) -> Float[np.ndarray, "t"]:
    """The smallest possible mean square error at each step, noise included."""
    d = x.shape[2]
    gram = np.zeros((len(x), d, d)) + d * noise**2 * np.eye(d)
    risks = []
    for t in range(x.shape[1]):
        risks.append(noise**2 * (1 + np.trace(np.linalg.inv(gram), axis1=1, axis2=2).mean()))
        gram = gram + x[:, t, :, None] * x[:, t, None, :]
    return np.array(risks)


def bayes_predictions(
    x: Float[np.ndarray, "n t d"], y: Float[np.ndarray, "n t"], noise: float
) -> Float[np.ndarray, "n t"]:
    """The ridge predictions of every step from the steps before it, which attain these risks."""
    d = x.shape[2]
    gram = np.zeros((len(x), d, d)) + d * noise**2 * np.eye(d)
    moment = np.zeros((len(x), d))
    found = np.empty_like(y)
    for t in range(x.shape[1]):
        found[:, t] = np.einsum("nd,nd->n", x[:, t], np.linalg.solve(gram, moment[:, :, None])[:, :, 0])
        gram = gram + x[:, t, :, None] * x[:, t, None, :]
        moment = moment + x[:, t] * y[:, t, None]
    return found
