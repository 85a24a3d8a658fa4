"""Counting in a stream against a plain counter; and functions as strings of labels."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.functions import Counts, Tally, aligned, differences, distances, packed, text, unpacked


def labels(rng, n, m):
    return rng.random((n, m)) < 0.5


@given(st.integers(0, 2**31), st.integers(1, 20), st.lists(st.integers(0, 30), max_size=4))
def test_a_tally_counts_like_a_counter(seed, examples, chunks):
    rng = np.random.default_rng(seed)
    tally, reference = Tally(examples), Counter()
    for n in chunks:
        functions, streams = labels(rng, n, examples), rng.integers(0, 8, n)
        tally.add(packed(functions), streams)
        reference.update(
            ("".join("01"[int(v)] for v in f), int(s)) for f, s in zip(functions, streams, strict=True)
        )
        tally = Tally.of(tally.counts())  # continued from a table
    counts = tally.counts()
    found = {
        (text(f, examples), s): int(c)
        for f, row in zip(counts.functions, counts.by_stream, strict=True)
        for s, c in enumerate(row)
        if c
    }
    assert found == dict(reference)
    assert counts.draws == sum(chunks)
    assert [c.draws for c in counts.halves()] == [
        sum(c for (_, s), c in reference.items() if s % 2 == parity) for parity in (0, 1)
    ]


@given(st.integers(0, 2**31), st.integers(1, 40))
def test_strings_and_distances(seed, examples):
    rng = np.random.default_rng(seed)
    one, other = labels(rng, 5, examples), labels(rng, 3, examples)
    assert (unpacked(packed(one), examples) == one).all()
    slow = np.array([[int((f != g).sum()) for g in other] for f in one])
    assert (distances(packed(one), packed(other)) == slow).all()
    assert (differences(packed(one), packed(other)[0]) == slow[:, 0]).all()


def table(rows, streams):
    tally = Tally(9)
    tally.add(packed(np.array([[int(c) for c in row] for row in rows], bool)), np.array(streams))
    return tally.counts()


def test_tables_are_aligned_by_function():
    one = table(["000000001", "110000000", "110000000"], [0, 1, 1])
    other = table(["110000000", "111111111"], [2, 3])
    a, b = aligned(one, other)
    assert a.sum(axis=1).tolist() == [1, 2, 0]
    assert b.sum(axis=1).tolist() == [0, 1, 1]
    assert (a[1, 1], b[1, 2]) == (2, 1)


def test_functions_that_nobody_drew_are_left_out():
    even, odd = table(["000000001", "110000000"], [0, 1]).halves()
    assert len(even.functions) == len(odd.functions) == 2
    assert aligned(even, even)[0].sum(axis=1).tolist() == [1]


def test_the_most_frequent_come_first():
    counts = table(["000000001"] + 3 * ["110000000"] + 2 * ["011000000"], [0, 1, 2, 3, 4, 5])
    assert [text(f, 9) for f in counts.most_frequent(2).functions] == ["110000000", "011000000"]


def test_labels_of_other_examples_are_not_compared():
    with pytest.raises(UserError, match="same examples"):
        aligned(table(["000000001"], [0]), Counts(np.zeros((0, 1), np.uint8), np.zeros((0, 8), np.int64), 8))
    with pytest.raises(UserError, match="2 for 9 labels"):
        Counts(np.zeros((0, 1), np.uint8), np.zeros((0, 8), np.int64), 9)
