"""Boolean functions: complexity against an independent parsing, and draws with the requested properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.tasks import Boolean, boolean, split
from ticketlab.tasks.boolean import lempel_ziv, words


def kaspar_schuster(s: str) -> int:
    """W(s) by the algorithm of Kaspar and Schuster (Phys. Rev. A 36 (1987) 842), counters named as there."""
    n, i, count, ell, k, k_max = len(s), 0, 1, 1, 1, 1
    if n == 1:
        return 1
    while True:
        if s[i + k - 1] == s[ell + k - 1]:
            k += 1
            if ell + k > n:
                return count + 1
        else:
            k_max = max(k, k_max)
            i += 1
            if i == ell:
                count += 1
                ell += k_max
                if ell + 1 > n:
                    return count
                i, k, k_max = 0, 1, 1
            else:
                k = 1


def test_words_of_the_example_in_the_paper() -> None:
    assert words("0001101001000101") == 6  # 0·001·10·100·1000·101


@given(st.text("01", min_size=1, max_size=200))
def test_words_agree_with_kaspar_and_schuster(s: str) -> None:
    assert words(s) == kaspar_schuster(s)


def test_complexity_of_constant_alternating_and_random_tables() -> None:
    assert lempel_ziv("0" * 128) == lempel_ziv("1" * 128) == 7
    assert lempel_ziv("01" * 64) == 7 * 3  # 0·1·0101…
    random = Boolean(target="random").table()
    assert lempel_ziv(random) > 140
    assert lempel_ziv(random) == lempel_ziv(random[::-1])


def test_inputs_are_in_the_order_of_the_truth_table() -> None:
    inputs = boolean.all_inputs(3)
    assert ["".join(map(str, row)) for row in inputs] == [format(i, "03b") for i in range(8)]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("parity", "01101001"),
        ("majority", "00010111"),
        ("and", "00000001"),
        ("or", "01111111"),
        ("first", "00001111"),
    ],
)
def test_named_functions(name: str, table: str) -> None:
    assert Boolean(bits=3, target=name).table() == table


def test_a_written_table_is_the_labels() -> None:
    data = Boolean(bits=2, target="0110").load()
    assert data.labels.tolist() == [0, 1, 1, 0]
    assert data.x.tolist() == [[-1, -1], [-1, 1], [1, -1], [1, 1]]


@given(bits=st.integers(2, 7), draw=st.integers(0, 1000), share=st.floats(0.01, 0.99))
def test_ones_are_exact(bits: int, draw: int, share: float) -> None:
    ones = max(1, min(2**bits - 1, round(share * 2**bits)))
    assert Boolean(bits=bits, target="random", ones=ones, draw=draw).table().count("1") == ones


@given(bits=st.integers(2, 6), draw=st.integers(0, 1000), extra=st.integers(0, 20))
def test_a_tree_has_both_values_and_two_leaves_ask_one_bit(bits: int, draw: int, extra: int) -> None:
    leaves = min(2 + extra, 2**bits)
    table = Boolean(bits=bits, target="random", leaves=leaves, draw=draw).table()
    assert set(table) == {"0", "1"}
    if leaves == 2:  # one bit, or its negation
        inputs = boolean.all_inputs(bits)
        values = np.array([int(v) for v in table])
        assert any(np.all(values == inputs[:, b]) or np.all(values != inputs[:, b]) for b in range(bits))


@pytest.mark.parametrize("complexity", [21, 50, 90, 150])
def test_complexity_is_reached_to_half_a_word(complexity: float) -> None:
    for draw in (0, 1):
        table = Boolean(target="random", complexity=complexity, draw=draw).table()
        assert abs(lempel_ziv(table) - complexity) <= 7 / 2
        assert set(table) == {"0", "1"}


def test_draws_differ_and_repeat() -> None:
    for option in ({}, {"ones": 30}, {"leaves": 9}, {"complexity": 100.0}):
        tables = [Boolean(target="random", draw=draw, **option).table() for draw in (0, 1, 0)]
        assert tables[0] == tables[2] != tables[1]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Boolean(bits=1), "bits=1"),
        (Boolean(bits=17), "bits=17"),
        (Boolean(draw=-1), "draw=-1"),
        (Boolean(target="xor"), "target='xor'.*parity, majority, and, or, first, random"),
        (Boolean(target="0110"), "4 characters.*128 characters"),
        (Boolean(target="parity", ones=3), "with ones.*only with target='random'"),
        (Boolean(target="random", ones=3, leaves=4), "ones and leaves.*at most one"),
        (Boolean(target="random", ones=128), "ones=128.*from 1 to 127"),
        (Boolean(target="random", leaves=1), "leaves=1.*from 2 to 128"),
        (Boolean(target="random", complexity=1000), "complexity=1000.*from about"),
        (Boolean(target="random", complexity=math.nan), "complexity=nan.*from about"),
        (Boolean(bits=2, target="0000"), "one class only"),
    ],
)
def test_impossible_choices_are_refused(choice: Boolean, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choice.load()


def test_the_summary_says_how_complex_the_target_is() -> None:
    notes = Boolean(bits=3, target="and").load().notes
    assert notes == (
        f"The truth table has 1 ones in 8 entries and a Lempel–Ziv complexity of {3 * 2.5:g} bits.",
    )
    assert math.isclose(lempel_ziv("00000001"), 3 * (2 + 3) / 2)


def test_a_boolean_task_can_be_split() -> None:
    task = split(Boolean().load(), 0)
    assert task.input_shape == (7,)
    assert task.outputs == 2
    assert len(task.train) + len(task.validation) + len(task.test) == 128
