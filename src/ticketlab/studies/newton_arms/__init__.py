"""What one cell of the study `newton-step` computes: where training, one gradient step and one Newton step end, and how far
apart.

    draw split, θ₀, θ₀'  →  gradient descent to convergence from θ₀ and θ₀'  →  tangent kernel
    →  gradient and Newton steps, the linearised model's flow  →  distances  →  tables

Reading order: `start` (what all share), `descent` (training), `steps`, `flow`, `certificates` (that they arrived), `distances`
(from the trained network), `tables` (as rows), `cell` (all in turn).
"""

from ticketlab.studies.newton_arms.cell import compare

__all__ = ["compare"]
