"""Axes are read as the command line reads options, and every combination is a plan with a folder name of its own."""

import pytest
from toy_study import Gaussian, ToyPlan

from ticketlab.errors import UserError
from ticketlab.lab import grid_of
from ticketlab.lab.grid import _axis, with_value
from ticketlab.networks import MLP, LeNet5
from ticketlab.report.sweep_page import _quoted, render_sweep
from ticketlab.tasks.sources import Digits


def test_every_combination_is_a_plan_and_the_rest_stays() -> None:
    grid = grid_of(ToyPlan(seeds=7), ["law.scale=0.5,2", "task.train=50,100,200"])
    assert [place.index for place in grid.places] == [(i, j) for i in range(2) for j in range(3)]
    assert grid.places[4].plan == ToyPlan(seeds=7, law=Gaussian(2.0), task=Digits(train=100))
    assert grid.places[4].name == "law.scale=2,task.train=100"


def test_width_makes_all_layers_equally_wide() -> None:
    plan = ToyPlan(network=MLP(widths=(3, 4, 5)))
    assert with_value(plan, "network.width", "16").network.widths == (16, 16, 16)
    assert with_value(plan, "network.widths", "16x8").network.widths == (16, 8)


def test_values_are_choices_lists_and_nothing() -> None:
    grid = grid_of(ToyPlan(), ["network=mlp:64,lenet5", "signs=plus,plus+minus"])
    assert [place.plan.network for place in grid.places] == [MLP(widths=(64,))] * 2 + [LeNet5()] * 2
    assert grid.places[1].plan.signs == ("plus", "minus")
    assert with_value(ToyPlan(offset=1.0), "offset", "none").offset is None


def test_a_comma_in_quotes_is_part_of_a_value() -> None:
    grid = grid_of(ToyPlan(), ['network="mlp:widths=64,activation=tanh",lenet5'])
    assert grid.axes[0].values == ("mlp:widths=64,activation=tanh", "lenet5")
    assert grid.places[0].plan.network.activation == "tanh"


def test_names_that_fall_together_are_refused() -> None:
    with pytest.raises(UserError, match="both called"):
        grid_of(ToyPlan(), ["network=mlp:64,mlp: 64"])


def test_an_option_within_another_is_set_after_it_and_has_a_page() -> None:
    grid = grid_of(ToyPlan(), ["network.activation=relu,tanh", "network=mlp:8,mlp:8x8"])
    assert [(p.plan.network.activation, p.plan.network.widths) for p in grid.places] == [
        ("relu", (8,)),
        ("relu", (8, 8)),
        ("tanh", (8,)),
        ("tanh", (8, 8)),
    ]
    page = render_sweep("toy", "Zero.", grid, {}, {})
    assert "<dt>Task</dt><dd>digits" in page
    assert "<dt>Network</dt><dd>mlp:8, mlp:8x8</dd>" in page


@pytest.mark.parametrize("over", [["margin=0.1,.1"], ["network.width=3,4", "network.widths=5,6"]])
def test_a_plan_twice_is_refused(over) -> None:
    with pytest.raises(UserError, match="which are the same plan; expected plans that differ"):
        grid_of(ToyPlan(network=MLP(widths=(8,))), over)


@pytest.mark.parametrize("over", ["margin=1,,2", "margin=,1", "margin", "margin=", 'network=mlp:6"4'])
def test_values_that_would_be_lost_are_refused(over) -> None:
    with pytest.raises(UserError, match="an option and its values"):
        grid_of(ToyPlan(), [over])


def test_quotes_that_are_not_json_are_explained() -> None:
    with pytest.raises(UserError, match="text in quotes as in JSON"):
        grid_of(ToyPlan(), ['task="C:\\data.csv"'])


@pytest.mark.parametrize("value", ["0.5", "a,b", 'a"b', 'npz:path="a, b.npz"', '"a"'])
def test_the_printed_values_are_read_back(value) -> None:
    assert _axis(f"task={_quoted(value)}").values == (value,)
