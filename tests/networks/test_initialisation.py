"""Initialisations: the standard deviations they promise, and the names and numbers they refuse."""

import math

import jax
import numpy as np
import pytest

from ticketlab.errors import UserError
from ticketlab.networks import MLP, Activation, Distribution, Family, Initialisation, Parameterisation


def test_weight_sd_is_that_of_the_papers() -> None:
    assert Initialisation(Family.HE).weight_sd(50, 10) == pytest.approx(math.sqrt(2 / 50))
    assert Initialisation(Family.LECUN).weight_sd(50, 10) == pytest.approx(math.sqrt(1 / 50))
    assert Initialisation(Family.GLOROT).weight_sd(50, 10) == pytest.approx(math.sqrt(2 / 60))


def test_sigma_w_replaces_the_familys() -> None:
    assert Initialisation(Family.HE, sigma_w=1.5).weight_sd(4, 1) == pytest.approx(0.75)


def test_biases_are_zero_in_the_standard_parameterisation_and_a_tenth_in_ntk() -> None:
    assert Initialisation().bias_sd(Parameterisation.STANDARD, 0.7) == 0.0
    assert Initialisation().bias_sd(Parameterisation.NTK, 0.7) == 0.1
    assert Initialisation(sigma_b=0.5).bias_sd(Parameterisation.STANDARD, 0.7) == 0.5


def test_biases_like_weights_have_their_standard_deviation() -> None:
    initialisation = Initialisation(bias_as_weight=True)
    for parameterisation in Parameterisation:
        assert initialisation.bias_sd(parameterisation, 0.7) == 0.7
    assert initialisation.describe() == "He normal, biases like weights"
    with pytest.raises(UserError, match="one of them"):
        Initialisation(sigma_b=0.1, bias_as_weight=True)
    params = MLP((2000,), initialisation=initialisation).build((8,), 1).init(jax.random.key(0))
    assert np.std(params["dense1"]["bias"]) == pytest.approx(0.5, rel=0.1)  # √(2/8)
    assert abs(float(params["output"]["bias"][0])) < 5 * (2 / 2000) ** 0.5


def test_an_ntk_bias_of_no_effect_is_refused() -> None:
    with pytest.raises(UserError, match="bias=False"):
        Initialisation(sigma_b=0.0).bias_sd(Parameterisation.NTK, 0.7)


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
