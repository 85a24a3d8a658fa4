"""The analytic limit: as a ReLU MLP becomes wide, its tangent kernel tends to the arc-cosine kernel's closed form."""

import jax
import numpy as np

from ticketlab.networks import MLP, Parameterisation
from ticketlab.tangent import Jacobian, averaged_kernel, tangent_kernel

WIDTHS, SEEDS, INPUTS, OUTPUTS = (64, 128, 256, 512), 24, 5, 2
SIGMA_W, SIGMA_B = np.sqrt(2.0), 0.1


def arc_cosine_ntk(x: np.ndarray, hidden: int) -> np.ndarray:
    """Θ `[n, n]` of a ReLU MLP of infinite width in the NTK parameterisation.

    Σ¹ = σ_w² x·x'/d + σ_b², then Σ ← σ_w² E[φ(u)φ(v)] + σ_b² and Θ ← Σ + Θ σ_w² E[φ'(u)φ'(v)] over (u, v) ~ N(0, Σ): with
    the angle cos α = Σ_xx'/√(Σ_xx Σ_x'x') these are √(Σ_xx Σ_x'x') (sin α + (π − α) cos α)/2π and (π − α)/2π.

    Source: Cho & Saul 2009, equations 3 to 6 (n = 0, 1); Jacot et al. 2018, arXiv 1806.07572, theorem 1.
    """
    sigma = SIGMA_W**2 * x @ x.T / x.shape[1] + SIGMA_B**2
    theta = sigma.copy()
    for _ in range(hidden):
        size = np.sqrt(np.outer(np.diag(sigma), np.diag(sigma)))
        alpha = np.arccos(np.clip(sigma / size, -1, 1))
        sigma = (
            SIGMA_W**2 * size * (np.sin(alpha) + (np.pi - alpha) * np.cos(alpha)) / (2 * np.pi) + SIGMA_B**2
        )
        theta = sigma + theta * SIGMA_W**2 * (np.pi - alpha) / (2 * np.pi)
    return theta


def errors(width: int, x: np.ndarray, limit: np.ndarray) -> tuple[float, float]:
    """Root mean squares relative to Θ: of K − Θ ⊗ I over draws and entries, and of the mean over draws and outputs less Θ."""
    network = MLP((width, width), parameterisation=Parameterisation.NTK).build(x.shape[1:], OUTPUTS)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    full, averaged = np.kron(limit, np.eye(OUTPUTS)), []
    squares = []
    for seed in range(SEEDS):
        draws = np.random.default_rng(1000 * width + seed)
        params = jax.tree.map(lambda leaf, d=draws: d.standard_normal(leaf.shape).astype(np.float32), shapes)
        jacobian = Jacobian(network, params, x)
        squares.append(np.mean((np.asarray(tangent_kernel(jacobian), np.float64) - full) ** 2))
        averaged.append(np.asarray(averaged_kernel(jacobian), np.float64) - limit)
    size = np.sqrt(np.mean(limit**2))
    return float(np.sqrt(np.mean(squares)) / size), float(
        np.sqrt(np.mean(np.mean(averaged, axis=0) ** 2)) / size
    )


def test_the_error_falls_as_the_inverse_root_of_the_width() -> None:
    x = np.random.default_rng(0).standard_normal((INPUTS, 8)).astype(np.float32)
    limit = arc_cosine_ntk(x.astype(np.float64), hidden=2)
    measured = np.array([errors(width, x, limit) for width in WIDTHS])
    slope = np.polyfit(np.log(WIDTHS), np.log(measured[:, 0]), 1)[0]
    assert abs(slope + 0.5) < 0.06, (slope, measured)
    assert measured[-1, 0] < 0.12
    # The mean over draws is much nearer to the limit than any one draw: what is left is not a wrong constant.
    assert measured[-1, 1] < 0.03
