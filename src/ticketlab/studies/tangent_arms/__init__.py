"""What one cell of the study `tangent-minimum` computes: every arm for one loss and one seed, with f₀ kept and centred away.

    draw split, θ₀, data order  →  linear model, read-out, tangent minimum, its limit, the network at θ₀ + Δθ
    →  gradient descent  →  tables

All candidates of an arm are computed at once: one kernel serves all ridges and both offsets, one training program all step sizes.

Reading order: `start` (what all arms share, and how the best candidate is chosen), `minima` (the arms in tangent spaces),
`descent`, `tables` (as rows), `cell` (all in turn).
"""

from ticketlab.studies.tangent_arms.cell import compare

__all__ = ["compare"]
