"""Contractions of one layer's part of the tangent kernel: equivalent where they apply, each cheap for different sizes.

A layer is applied to each example at T positions: the pixels of a convolution, the repetitions of a shared layer, or one for a
dense layer. At each it has an input a_p (for a convolution the patch under its window) and a cotangent δ_cp = ∂f_c/∂z_p. Its
part of K is

    K(n c, m c') = Σ_pq (s_w² a_np·a_mq + s_b²)(δ_ncp · δ_mc'q) = ⟨G_nc, G_mc'⟩,    G_nc = s_w Σ_p a_np ⊗ δ_ncp and s_b Σ_p δ_ncp.

- `FactorProduct` takes the left form: two matrix products and a Hadamard product (patches × cotangents where T > 1).
- `JacobianProduct` takes the right form: the reshaped Jacobian, with one column per parameter of the layer.
- `GatedProduct` is for the layer before a dense read-out with weights V, where δ_cpu = g_pu V_uc with a gate g that all outputs
  share: K = Σ_u V_uc V_uc' (H_nu · H_mu), H_nu = Σ_p g_pu a_p, and only the k(k + 1)/2 different products V_uc V_uc' are needed.
- `TangentProduct` never needs the rows on the left: K = J(X₁) J(X₂)ᵀ by one Jacobian-vector product for each row on the right.

With i inputs and u units they cost 2T²(i + k²u), 2k²iu, 2iu + k(k + 1)u (for T = 1 2i + k(k + 1)u), and about 2k times a
forward pass for each pair of examples. A block has shape `[n, k, m, k]`, the order of K; layers are summed while blocks
are small enough for the cache.

A rule for each kind of layer, in a file named after the kind, says which contractions apply. `TangentProduct` serves
kinds without a rule.

Source: Novak, Sohl-Dickstein, Schoenholz 2022, arXiv 2206.08720, sections 3.2 to 3.4.
"""

from ticketlab.tangent.contractions import (  # each registers its rules
    convolution,
    dense,
    normalisation,
    sequences,
)
from ticketlab.tangent.contractions.contraction import Contraction, Factor, Way, count, positions
from ticketlab.tangent.contractions.factor_product import FactorProduct
from ticketlab.tangent.contractions.gated_product import GatedProduct
from ticketlab.tangent.contractions.jacobian_product import JacobianProduct
from ticketlab.tangent.contractions.rules import ways
from ticketlab.tangent.contractions.tangent_product import TangentProduct, outputs_at

__all__ = [
    "Contraction",
    "Factor",
    "FactorProduct",
    "GatedProduct",
    "JacobianProduct",
    "TangentProduct",
    "Way",
    "convolution",
    "count",
    "dense",
    "normalisation",
    "outputs_at",
    "positions",
    "sequences",
    "ways",
]
