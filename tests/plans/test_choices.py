import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.choices import (
    CHOICE,
    Family,
    choice_table,
    choice_text,
    families,
    family,
    meanings,
    text_table,
)
from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP, LeNet300100
from ticketlab.networks.initialisation import GLOROT_NORMAL
from ticketlab.networks.stages import Activation
from ticketlab.plans import parse_choice, structure_choice
from ticketlab.tasks.sources import Boolean, Bundled, Digits, Hub, Npz, TaskSource

TASKS, NETWORKS = family(TaskSource), family(Architecture)


class Shade(StrEnum):
    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class Inner:
    """Inside.

    Arguments:
        steps: how many.
    """

    steps: int = 3
    rate: float | None = None


@dataclass(frozen=True)
class Many:
    """Every kind of field.

    Arguments:
        count: a number,
            explained over two lines (note: with a colon).
        rate, share: two numbers.

    Not an argument: this.
    """

    text: str = "a"
    count: int = 1
    rate: float = 0.5
    share: float | None = None
    flag: bool = False
    shade: Shade = Shade.LIGHT
    mode: Literal["up", "down", 3] = "up"
    widths: tuple[int, ...] = (1, 2)
    rates: tuple[float, ...] = ()
    words: tuple[Literal["a", "b-c"], ...] = ()
    inner: Inner = Inner(steps=7)


MANY = Family("thing", {"many": Many, "inner": Inner})

numbers = st.floats(allow_nan=False)
many = st.builds(
    Many,
    text=st.text(),
    count=st.integers(),
    rate=numbers,
    share=st.none() | numbers,
    flag=st.booleans(),
    shade=st.sampled_from(Shade),
    mode=st.sampled_from(["up", "down", 3]),
    widths=st.lists(st.integers()).map(tuple),
    rates=st.lists(numbers).map(tuple),
    words=st.lists(st.sampled_from(["a", "b-c"])).map(tuple),
    inner=st.builds(Inner, steps=st.integers(), rate=st.none() | numbers),
)


@given(many)
def test_text_and_table_both_give_the_same_choice_back(choice):
    assert parse_choice(choice_text(choice, MANY), MANY) == choice
    assert structure_choice(choice_table(choice, MANY), MANY) == choice


@pytest.mark.parametrize(
    ("text", "choice", "within"),
    [
        ("digits", Digits(), TASKS),
        (" digits:train=100,validation=50 ", Digits(train=100, validation=50), TASKS),
        ("boolean:bits=7,target=parity", Boolean(bits=7, target="parity"), TASKS),
        ("boolean:7,target=parity", Boolean(bits=7, target="parity"), TASKS),
        ("bundled:wine", Bundled(name="wine"), TASKS),
        ("hub:owner/name", Hub(id="owner/name"), TASKS),
        ('npz:path="a, b.npz"', Npz(path="a, b.npz"), TASKS),
        ("mlp:256x256", MLP(widths=(256, 256)), NETWORKS),
        ("mlp:widths=,activation=tanh", MLP(widths=(), activation=Activation.TANH), NETWORKS),
        ("mlp:bias=false", MLP(bias=False), NETWORKS),
        (
            "lenet-300-100:initialisation.sigma_w=2",
            LeNet300100(initialisation=dataclasses.replace(LeNet300100().initialisation, sigma_w=2.0)),
            NETWORKS,
        ),
        ("mlp:initialisation.family=glorot", MLP(initialisation=GLOROT_NORMAL), NETWORKS),
    ],
)
def test_choices_are_written_as_a_name_and_fields(text, choice, within):
    assert parse_choice(text, within) == choice
    assert parse_choice(choice_text(choice, within), within) == choice


@pytest.mark.parametrize(
    ("text", "within", "said"),
    [
        (
            "digit",
            TASKS,
            ["task 'digit'", "digits, boolean", "or the path of a file", "Did you mean 'digits'?"],
        ),
        ("", TASKS, ["task ''"]),
        ("mpl:widths=3", NETWORKS, ["network 'mpl'", "mlp, lenet-300-100", "Did you mean 'mlp'?"]),
        ("mlp:wdths=3", NETWORKS, ["'wdths' in network mlp", "Did you mean 'widths'?"]),
        ("mlp:widths=3xa", NETWORKS, ["'a' for widths in network mlp", "a whole number"]),
        ("mlp:widths=3,widths=4", NETWORKS, ["widths twice", "each field once"]),
        ("mlp:bias=perhaps", NETWORKS, ["'perhaps' for bias", "true or false"]),
        ("mlp:activation=relo", NETWORKS, ["'relo'", "relu, tanh, gelu, erf"]),
        ("mlp:initialisation.famly=he", NETWORKS, ["'famly' for initialisation", "Did you mean 'family'?"]),
        ("mlp:widths=3,", NETWORKS, []),
        ("mlp:widths=3,4", NETWORKS, ["'4' in 'widths=3,4'", "field=value"]),
        ("mlp:,bias=false", NETWORKS, ["',bias=false' in ',bias=false'", "field=value"]),
        ("digits:train=many", TASKS, ["'many' for train in task digits", "a whole number, or none"]),
        ("digits:5", TASKS, ["'5'", "field=value"]),
        ("nowhere/data.npz", TASKS, ["no file or folder"]),
    ],
)
def test_mistakes_name_what_was_found_what_is_allowed_and_what_is_near(text, within, said):
    if not said:
        parse_choice(text, within)  # a comma too many does no harm
        return
    with pytest.raises(UserError) as caught:
        parse_choice(text, within)
    for words in said:
        assert words in str(caught.value)


def test_a_path_is_a_task_with_or_without_fields(tmp_path):
    import numpy as np

    path = tmp_path / "my data.npz"
    np.savez(path, x=np.eye(4), y=np.array([0, 1, 0, 1]))
    assert parse_choice(str(path), TASKS) == Npz(path=str(path))
    assert parse_choice(f"{path}:train=2,kind=classification", TASKS) == Npz(
        path=str(path), train=2, kind="classification"
    )


def test_a_union_of_dataclasses_is_a_family_and_other_types_are_not():
    union = family(Many | Inner)
    assert dict(union.members) == {"many": Many, "inner": Inner}
    for other in (int, Many, int | None, Many | None, tuple[int, ...], Shade, None):
        assert family(other) is None


def test_no_registered_choice_has_a_field_with_the_key_of_the_name():
    for within in families().values():
        for member in within.members.values():
            assert CHOICE not in {f.name for f in dataclasses.fields(member)}


def test_every_field_of_every_registered_choice_has_a_meaning():
    for within in families().values():
        for name, member in within.members.items():
            assert set(meanings(member)) == {f.name for f in dataclasses.fields(member)}, name


def test_an_object_without_a_name_cannot_be_written():
    @dataclass(frozen=True)
    class Own:
        pass

    with pytest.raises(UserError, match="can be used from Python"):
        choice_text(Own(), NETWORKS)


def test_meanings_come_from_the_docstring():
    assert meanings(Many) == {
        "count": "a number, explained over two lines (note: with a colon).",
        "rate": "two numbers.",
        "share": "two numbers.",
    }


def test_text_table_keeps_what_it_cannot_convert_for_the_message():
    assert text_table("mlp:widths=3xa", NETWORKS) == {CHOICE: "mlp", "widths": [3, "a"]}
