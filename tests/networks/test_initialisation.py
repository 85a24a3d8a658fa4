"""Initialisations: the standard deviations they promise, and the names and numbers they refuse."""

import math

import pytest

from ticketlab.errors import UserError
from ticketlab.networks import Activation, Distribution, Family, Initialisation, Parameterisation


def test_weight_sd_is_that_of_the_papers() -> None:
    assert Initialisation(Family.HE).weight_sd(50, 10) == pytest.approx(math.sqrt(2 / 50))
    assert Initialisation(Family.LECUN).weight_sd(50, 10) == pytest.approx(math.sqrt(1 / 50))
    assert Initialisation(Family.GLOROT).weight_sd(50, 10) == pytest.approx(math.sqrt(2 / 60))


def test_sigma_w_replaces_the_familys() -> None:
    assert Initialisation(Family.HE, sigma_w=1.5).weight_sd(4, 1) == pytest.approx(0.75)


def test_biases_are_zero_in_the_standard_parameterisation_and_a_tenth_in_ntk() -> None:
    assert Initialisation().bias_sd(Parameterisation.STANDARD) == 0.0
    assert Initialisation().bias_sd(Parameterisation.NTK) == 0.1
    assert Initialisation(sigma_b=0.5).bias_sd(Parameterisation.STANDARD) == 0.5


def test_an_ntk_bias_of_no_effect_is_refused() -> None:
    with pytest.raises(UserError, match="bias=False"):
        Initialisation(sigma_b=0.0).bias_sd(Parameterisation.NTK)


@pytest.mark.parametrize("options", [{"sigma_w": 0.0}, {"sigma_w": math.inf}, {"sigma_w": math.nan}])
def test_an_impossible_sigma_w_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"sigma_w.*positive"):
        Initialisation(**options)


def test_a_negative_sigma_b_is_refused() -> None:
    with pytest.raises(UserError, match="sigma_b = -1"):
        Initialisation(sigma_b=-1.0)


@pytest.mark.parametrize("choice", [Activation, Distribution, Family, Parameterisation])
def test_an_unknown_name_is_answered_with_those_that_exist(choice: type) -> None:
    with pytest.raises(UserError) as caught:
        choice("swish")
    assert "'swish'" in str(caught.value)
    assert all(str(member) in str(caught.value) for member in choice)


def test_it_describes_itself() -> None:
    assert Initialisation().describe() == "He normal"
    drawn = Initialisation(Family.LECUN, Distribution.SIGNED_CONSTANT, sigma_w=1.5, sigma_b=0.05)
    assert drawn.describe() == "LeCun signed constant, σ_w = 1.5, σ_b = 0.05"
