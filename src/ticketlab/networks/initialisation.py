"""How the parameters of a layer are drawn, and where its constants go: a choice that involves no arrays.

The *initialisation* is the distribution of a layer's effective weights and biases. Their standard deviations are

    sd(weight) = σ_w / √fan,    sd(bias) = σ_b,

with fan = fan-in for He and LeCun and the mean of fan-in and fan-out for Glorot. The *parameterisation* says where
these constants go. For NTK this does not change the random function, but it changes the tangent space and training:

    standard:  z = a W + b,                       W ~ sd(weight),  b ~ sd(bias)
    NTK:       z = (σ_w/√fan) a W + σ_b b,        W ~ 1,           b ~ 1
    μP:        z = m a W + b_m b,                 W ~ sd(weight)/m,  b ~ sd(bias)/b_m  (in the last layer W ~ sd(weight))

Under NTK every parameter is of order one at any width. μP (maximal update) multiplies the first layer by √units, the
middle layers by 1 and the last layer by 1/√fan. Its outputs are then of order 1/√width at the start. With a step size
that does not depend on width, features and the tangent kernel move equally far in wide and narrow networks. With one
hidden layer μP is the mean-field parameterisation. Its random function is smaller than that of the other two. He's σ_w
= √2 preserves the mean square of ReLU activations from layer to layer; σ_w = 1 (LeCun, Glorot) suits tanh and erf.
(Glorot's fan includes the width of the layer itself, which μP does not assume.)

Sources: He et al. 2015, arXiv 1502.01852, equation 10; Glorot & Bengio 2010, equation 12; LeCun et al. 1998,
"Efficient BackProp", section 4.6; Jacot et al. 2018, arXiv 1806.07572, section 2 (whose β is σ_b = 0.1); Lee et
al. 2019, arXiv 1902.06720, equation 1; Yang & Hu 2021, arXiv 2011.14522, table 1 (μP for SGD: a = −½, 0, ½ from the first
layer to the last, b = ½, c = 0).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from ticketlab.errors import UserError

__all__ = [
    "GLOROT_NORMAL",
    "HE_NORMAL",
    "Choice",
    "Distribution",
    "Family",
    "Initialisation",
    "Parameterisation",
]


class Choice(StrEnum):
    """A choice with a name that can be written in a plan; the error for an unknown name lists the allowed ones."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise UserError(f"{value!r} as {cls.__name__.lower()}", f"one of {', '.join(cls)}")


class Family(Choice):
    """Which fan divides the weights' variance, and the default σ_w."""

    HE = "he"
    GLOROT = "glorot"
    LECUN = "lecun"


class Distribution(Choice):
    """The shape of the weights' distribution, at equal variance: Gaussian, uniform, or ± one constant."""

    NORMAL = "normal"
    UNIFORM = "uniform"
    SIGNED_CONSTANT = "signed-constant"


class Parameterisation(Choice):
    """Where the constants of the initialisation go: into the parameters (standard), in front of them (ntk), or both (mup)."""

    STANDARD = "standard"
    NTK = "ntk"
    MUP = "mup"


_TITLES = {Family.HE: "He", Family.GLOROT: "Glorot", Family.LECUN: "LeCun"}
_SIGMA_B = {Parameterisation.STANDARD: 0.0, Parameterisation.NTK: 0.1, Parameterisation.MUP: 0.0}


@dataclass(frozen=True)
class Initialisation:
    """The distribution of a layer's effective weights and biases. Biases are Gaussian, or zero.

    Arguments:
        family: he (σ_w = √2), glorot (σ_w = 1, mean of the fans) or lecun (σ_w = 1).
        distribution: normal (not truncated), uniform or signed-constant.
        sigma_w: σ_w; None for the default of the family.
        sigma_b: σ_b; None for 0.1 in the NTK parameterisation and 0 in the others.
        bias_as_weight: draw biases like weights, σ_b = σ_w/√fan in each layer, as if it had one more input that is always 1.

    Raises:
        UserError: for an unknown name, σ_w ≤ 0, σ_b < 0, or a σ_b for biases that are drawn like weights.
    """

    family: Family = Family.HE
    distribution: Distribution = Distribution.NORMAL
    sigma_w: float | None = None
    sigma_b: float | None = None
    bias_as_weight: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "family", Family(self.family))
        object.__setattr__(self, "distribution", Distribution(self.distribution))
        if self.sigma_w is not None and not 0 < self.sigma_w < math.inf:
            raise UserError(
                f"sigma_w = {self.sigma_w}", "a positive number, or none for the default of the family"
            )
        if self.sigma_b is not None and not 0 <= self.sigma_b < math.inf:
            raise UserError(
                f"sigma_b = {self.sigma_b}", "a number that is not negative, or none for the default"
            )
        if self.sigma_b is not None and self.bias_as_weight:
            raise UserError(
                f"sigma_b = {self.sigma_b} and bias_as_weight",
                "one of them, since biases that are drawn like weights have the σ_b of these",
            )

    def weight_sd(self, fan_in: int, fan_out: int) -> float:
        """σ_w / √fan, the standard deviation of an effective weight."""
        sigma_w = self.sigma_w
        if sigma_w is None:
            sigma_w = math.sqrt(2.0) if self.family is Family.HE else 1.0
        fan = (fan_in + fan_out) / 2 if self.family is Family.GLOROT else fan_in
        return sigma_w / math.sqrt(fan)

    def bias_sd(self, parameterisation: Parameterisation, weight_sd: float) -> float:
        """σ_b, the standard deviation of an effective bias in a layer whose effective weights have `weight_sd`.

        Raises:
            UserError: for σ_b = 0 in the NTK parameterisation, where a bias would have no effect and could not learn.
        """
        if self.bias_as_weight:
            return weight_sd
        sigma_b = _SIGMA_B[parameterisation] if self.sigma_b is None else self.sigma_b
        if sigma_b == 0 and parameterisation is Parameterisation.NTK:
            raise UserError(
                "sigma_b = 0 in the NTK parameterisation, where biases are multiplied by it",
                "a positive sigma_b",
                "Leave biases out (bias=False), or choose the standard parameterisation.",
            )
        return sigma_b

    def describe(self) -> str:
        """A short description: "He normal"."""
        parts = [f"{_TITLES[self.family]} {self.distribution.replace('-', ' ')}"]
        parts += [f"σ_w = {self.sigma_w:g}"] if self.sigma_w is not None else []
        parts += [f"σ_b = {self.sigma_b:g}"] if self.sigma_b is not None else []
        parts += ["biases like weights"] if self.bias_as_weight else []
        return ", ".join(parts)


HE_NORMAL = Initialisation(Family.HE)
GLOROT_NORMAL = Initialisation(Family.GLOROT)
