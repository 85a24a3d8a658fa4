"""Splits: exact in every class, the same for the same seed, and standardised on the training part alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketlab.errors import UserError
from ticketlab.tasks import Boolean, Bundled, Dataset, Digits, Sizes, Task, split


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return Digits().load()


def toy(counts: tuple[int, ...], official_test: int = 0) -> Dataset:
    """A data set with these numbers of examples of each class, mixed."""
    labels = np.repeat(np.arange(len(counts)), counts)
    labels = labels[np.argsort(np.random.PCG64(1).random_raw(len(labels)))]
    x = np.stack([np.arange(len(labels)), labels], axis=1).astype(np.float64)
    return Dataset(
        name="toy", x=x, classes=tuple("abcdefgh")[: len(counts)], labels=labels, official_test=official_test
    )


def parts(task: Task) -> list[np.ndarray]:
    return [task.train.ids, task.validation.ids, task.test.ids]


def test_default_parts_of_digits(digits: Dataset) -> None:
    task = split(digits, seed=0)
    assert [len(p) for p in parts(task)] == [1078, 360, 359]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts(task))), np.arange(1797))


def test_every_class_gets_its_exact_share(digits: Dataset) -> None:
    task = split(digits, seed=3)
    overall = np.bincount(digits.labels)
    for part, total in ((task.test, 359), (task.validation, 360), (task.train, 1078)):
        exact = overall * total / 1797
        assert np.abs(np.bincount(part.labels) - exact).max() < 2
    assert np.abs(np.bincount(task.test.labels) - overall * 359 / 1797).max() < 1


@given(
    counts=st.lists(st.integers(3, 40), min_size=2, max_size=6),
    seed=st.integers(0, 2**32),
    fractions=st.tuples(st.floats(0.1, 0.5), st.floats(0.1, 0.4)),
)
def test_any_split_is_disjoint_complete_in_classes_and_of_the_size_asked_for(
    counts: list[int], seed: int, fractions: tuple[float, float]
) -> None:
    data, n, k = toy(tuple(counts)), sum(counts), len(counts)
    train, validation = (max(k, round(f * n)) for f in fractions)
    if train + validation > n - k:
        return
    task = split(data, seed, Sizes(train=train, validation=validation))
    assert [len(p) for p in parts(task)] == [train, validation, n - train - validation]
    assert len(np.unique(np.concatenate(parts(task)))) == n
    for part in (task.train, task.validation, task.test):
        assert set(part.labels) == set(range(k))
        np.testing.assert_array_equal(part.labels, data.labels[part.ids])


def test_the_same_seed_gives_the_same_task_and_another_gives_another(digits: Dataset) -> None:
    first, again, other = split(digits, 7), split(digits, 7), split(digits, 8)
    assert first.content_hash == again.content_hash != other.content_hash
    np.testing.assert_array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.test.ids, other.test.ids)


def test_the_draw_is_pinned(digits: Dataset) -> None:
    """Kept results depend on it: it must be the same for every version of NumPy."""
    assert split(digits, 0).test.ids[:6].tolist() == [855, 921, 269, 1185, 11, 1271]


def test_standardisation_uses_the_training_part_only(digits: Dataset) -> None:
    task = split(digits, 1)
    changed = digits.x.copy()
    changed[task.test.ids] = 16 - changed[task.test.ids]
    again = split(replace(digits, x=changed), 1)
    np.testing.assert_array_equal(again.train.x, task.train.x)
    np.testing.assert_array_equal(again.validation.x, task.validation.x)
    assert not np.array_equal(again.test.x, task.test.x)


def test_images_are_standardised_per_channel() -> None:
    draw = np.random.default_rng(0)
    pixels = (draw.integers(0, 100, size=(60, 4, 5, 3)) + np.array([0, 50, 155])).astype(np.uint8)
    task = split(
        Dataset(name="colours", x=pixels, classes=("a", "b"), labels=np.arange(60) % 2, scale=255.0), 0
    )
    train = pixels[task.train.ids].astype(np.float64)
    expected = (train - train.mean(axis=(0, 1, 2))) / train.std(axis=(0, 1, 2))
    np.testing.assert_allclose(task.train.x, expected, atol=2e-6)
    assert task.train.x.dtype == np.float32


def test_vectors_are_standardised_per_feature_and_large_offsets_lose_nothing() -> None:
    x = np.stack([np.arange(30.0), 1e12 + np.arange(30.0)], axis=1)
    task = split(Dataset(name="offset", x=x, classes=("a", "b"), labels=np.arange(30) % 2), 0)
    np.testing.assert_allclose(task.train.x[:, 0], task.train.x[:, 1], atol=1e-3)
    np.testing.assert_allclose(task.train.x.std(axis=0), 1, atol=1e-3)


def test_features_constant_in_training_become_zero_everywhere() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[:, 1] = 0.1
    data = Dataset(name="constant", x=x, classes=("a", "b"), labels=np.arange(40) % 2)
    test = split(data, 0).test.ids
    x[test[0], 1] = 1e6  # varies, but not where anything can be learnt from it
    task = split(replace(data, x=x), 0)
    assert np.all(task.train.x[:, 1] == 0)
    assert np.all(task.test.x[:, 1] == 0)
    assert np.all(np.isfinite(task.test.x))


def test_bits_are_left_as_they_are() -> None:
    assert set(np.unique(split(Boolean().load(), 0).train.x)) == {-1.0, 1.0}
    assert set(np.unique(split(Boolean(zero=0).load(), 0).train.x)) == {0.0, 1.0}


def test_one_hot_targets(digits: Dataset) -> None:
    task = split(digits, 0)
    np.testing.assert_array_equal(np.argmax(task.train.targets, axis=1), task.train.labels)
    np.testing.assert_array_equal(task.train.targets.sum(axis=1), 1)
    assert task.train.targets.dtype == np.float32


def test_regression_targets_are_standardised_on_train() -> None:
    data = Bundled(name="linnerud").load()
    task = split(data, 0)
    assert task.kind == "regression"
    assert task.train.labels is None
    np.testing.assert_allclose(task.train.targets.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(task.train.targets.std(axis=0), 1, atol=1e-6)
    train = data.targets[task.train.ids]
    expected = (data.targets[task.test.ids] - train.mean(axis=0)) / train.std(axis=0)
    np.testing.assert_allclose(task.test.targets, expected, atol=1e-6)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_without_variance_has_no_r2(part: str) -> None:
    random = np.random.default_rng(0)
    data = Dataset(
        name="one", x=random.normal(size=(10, 2)), classes=("y",), targets=random.normal(size=(10, 1))
    )
    with pytest.raises(UserError, match=f"the same targets in all of {part}=1 of one"):
        split(data, 0, Sizes(**{part: 1, **({"validation": 3} if part == "train" else {})}))


def test_an_official_test_part_is_the_same_for_all_seeds() -> None:
    data = toy((40, 40), official_test=20)
    first, other = split(data, 0), split(data, 1)
    np.testing.assert_array_equal(first.test.ids, np.arange(60, 80))
    np.testing.assert_array_equal(first.test.ids, other.test.ids)
    assert [len(p) for p in parts(first)] == [45, 15, 20]
    assert not np.array_equal(first.train.ids, other.train.ids)


def test_part_of_an_official_test_part_is_fixed_and_stratified() -> None:
    data = toy((50, 50), official_test=40)
    first, other = (split(data, seed, Sizes(test=10)) for seed in (0, 1))
    np.testing.assert_array_equal(first.test.ids, other.test.ids)
    assert first.test.ids.min() >= 60
    overall = np.bincount(data.labels[60:])
    assert np.abs(np.bincount(first.test.labels) - overall / 4).max() < 1


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (Sizes(), (60, 20, 20)),
        (Sizes(train=30), (30, 10, 60)),
        (Sizes(train=90), (90, 5, 5)),
        (Sizes(validation=10), (68, 10, 22)),
        (Sizes(test=40), (45, 15, 40)),
        (Sizes(train=0.5, validation=0.3, test=0.1), (50, 30, 10)),
        (Sizes(train=10, validation=10, test=10), (10, 10, 10)),
    ],
)
def test_parts_that_are_not_given_share_what_is_left(sizes: Sizes, expected: tuple[int, ...]) -> None:
    assert tuple(len(p) for p in parts(split(toy((50, 50)), 0, sizes))) == expected


def test_a_class_of_the_official_test_part_alone_is_refused() -> None:
    labels = np.array([0, 1] * 20 + [2] * 4)
    data = Dataset(
        name="late", x=labels[:, None] + 0.5, classes=("a", "b", "c"), labels=labels, official_test=4
    )
    with pytest.raises(UserError, match=r"2 parts with every class of late: 'c' \(0\)"):
        split(data, 0)


def test_validation_is_at_most_a_third_of_train_with_an_official_test_part() -> None:
    task = split(toy((200, 200), official_test=100), 0, Sizes(train=30))
    assert [len(p) for p in parts(task)] == [30, 10, 100]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: split(toy((10, 10)), -1), "seed=-1"),
        (lambda: Sizes(train=0), "train=0"),
        (lambda: Sizes(train=1.5), "train=1.5"),
        (
            lambda: split(toy((10, 10)), 0, Sizes(train=18, validation=4)),
            "train=18, validation=4.*20 examples",
        ),
        (lambda: split(toy((10, 10)), 0, Sizes(train=20)), "validation=0"),
        (lambda: split(toy((10, 10), official_test=6), 0, Sizes(test=7)), "6 official test examples"),
        (lambda: split(toy((10, 2)), 0), r"3 parts with every class.*'b' \(2\)"),
        (
            lambda: split(toy((10, 10, 10)), 0, Sizes(validation=2)),
            "validation=2 of toy, which has 3 classes",
        ),
    ],
)
def test_impossible_sizes_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match=message) as caught:
        make()
    assert caught.value.expected


def test_rare_classes_are_in_every_part() -> None:
    task = split(toy((200, 3)), 0)
    for part in (task.train, task.validation, task.test):
        assert np.bincount(part.labels)[1] == 1


def test_duplicates_of_training_examples_in_test_are_counted_in_a_note() -> None:
    data = toy((50, 50))
    task = split(data, 0)
    x = data.x.copy()
    x[task.test.ids[:3]] = x[task.train.ids[0]]
    noted = split(replace(data, x=x), 0)
    assert noted.notes == ("3 of 20 test examples have the same inputs as a training example.",)
    assert task.notes == ()


def test_the_hash_covers_data_split_and_sizes(digits: Dataset) -> None:
    changed = digits.x.copy()
    changed[0, 4, 4, 0] += 1
    hashes = {
        split(digits, 0).content_hash,
        split(digits, 1).content_hash,
        split(digits, 0, Sizes(train=1000)).content_hash,
        split(replace(digits, x=changed), 0).content_hash,
        split(replace(digits, standardise=False), 0).content_hash,
    }
    assert len(hashes) == 5
