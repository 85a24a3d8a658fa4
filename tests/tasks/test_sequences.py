"""Sequences: floors by simulation and by a slow reference, where text is cut, and answers at every step."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import eig

from ticketlab.errors import UserError
from ticketlab.networks import GRUNet
from ticketlab.tasks import Digits, InContext, Markov, NextRow, SourceCode, SparseParity, Teacher, Text, split
from ticketlab.tasks.sequences.draws import choices, normals, uniforms, zipf
from ticketlab.tasks.sequences.in_context import bayes_predictions, bayes_risks, drawn
from ticketlab.tasks.sequences.markov import chain, entropy_rate, sequences, stationary
from ticketlab.tasks.sequences.sparse_parity import subsets
from ticketlab.tasks.sequences.text import _cut, standard_library, windows

EVERY = [
    SourceCode(examples=200, steps=6, symbols=9),
    Markov(examples=200),
    InContext(examples=200),
    NextRow(),
    SparseParity(examples=200),
    Teacher(examples=200),
]


@pytest.mark.parametrize("source", EVERY, ids=lambda s: type(s).__name__)
def test_data_are_a_function_of_the_choice(source) -> None:
    dataset = source.load()
    assert dataset.content_hash == source.load().content_hash
    task = source.task(0)
    assert len(task.train) > len(task.validation) > 0 < len(task.test)
    assert source.describe()
    if hasattr(source, "draw"):
        assert replace(source, draw=1).load().content_hash != dataset.content_hash


def test_draws_have_their_laws() -> None:
    source = np.random.PCG64(0)
    u, z = uniforms(source, 20_000), normals(source, 20_000)
    assert 0 < u.min() < 0.001 < 0.999 < u.max() < 1
    assert abs(z.mean()) < 4 / 20_000**0.5 > abs(z.var() - 1) / 2
    counts = np.bincount(choices(source, zipf(4, 1.0), 20_000), minlength=4) / 20_000
    np.testing.assert_allclose(counts, np.array([12, 6, 4, 3]) / 25, atol=0.015)


def test_entropy_rate_is_that_of_the_chain() -> None:
    """By the eigenvector of the transition matrix, by a simulation, and for chains whose entropy is plain."""
    p = chain(5, 1.2, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    values, vectors = eig(p.T)
    leading = np.real(vectors[:, np.argmin(abs(values - 1))])
    np.testing.assert_allclose(stationary(p), leading / leading.sum(), atol=1e-12)
    tokens = sequences(p, 4000, 11, 0)
    surprise = -np.log(p[tokens[:, :-1], tokens[:, 1:]])
    by_example = surprise.mean(axis=1)
    assert abs(by_example.mean() - entropy_rate(p)) < 4 * by_example.std() / len(tokens) ** 0.5
    assert entropy_rate(chain(7, 0.0, 0)) == pytest.approx(np.log(7))
    assert entropy_rate(np.roll(np.eye(3), 1, axis=1)) == 0
    assert f"{entropy_rate(chain(8, 1.5, 0)):.4f} nats" in Markov().load().notes[0]


def test_bayes_risk_is_what_ridge_regression_has() -> None:
    """The predictions agree with a ridge regression written out, and their errors with the risk."""
    d, noise = 3, 0.4
    x, y = drawn(4000, 6, d, noise, 0)
    predicted = bayes_predictions(x, y, noise)
    for t in range(6):
        w = np.linalg.solve(x[7, :t].T @ x[7, :t] + d * noise**2 * np.eye(d), x[7, :t].T @ y[7, :t])
        assert predicted[7, t] == pytest.approx(x[7, t] @ w)
    errors, risks = (predicted - y) ** 2, bayes_risks(x, noise)
    assert (abs(errors.mean(axis=0) - risks) < 4 * errors.std(axis=0) / len(x) ** 0.5).all()
    assert risks[0] == pytest.approx(1 + noise**2)
    assert (np.diff(risks) < 0).all()
    assert (risks > noise**2).all()


def test_in_context_data_show_the_answers_before_and_never_the_present_one() -> None:
    dataset = InContext(examples=50, steps=5, dimensions=2, answers="every").load()
    assert dataset.x.shape == (50, 5, 3)
    np.testing.assert_array_equal(dataset.x[:, 1:, 2], dataset.targets[:, :-1])
    np.testing.assert_array_equal(dataset.x[:, 0, 2], 0)
    last = InContext(examples=50, steps=5, dimensions=2).load()
    np.testing.assert_array_equal(last.targets[:, 0], dataset.targets[:, -1])


def test_the_next_row_is_asked_for_pixel_by_pixel() -> None:
    dataset, digits = NextRow().load(), Digits().load()
    task = NextRow().task(0)
    assert (task.input_shape, task.steps, task.outputs) == ((7, 8), 56, 112)
    rows = np.concatenate([dataset.x[:, :1], dataset.labels.reshape(-1, 7, 8)], axis=1)
    np.testing.assert_array_equal(rows, digits.x[..., 0] > 8)
    np.testing.assert_array_equal(rows[:, 1:-1], dataset.x[:, 1:])
    network = GRUNet((4,), answers="every").build(task.input_shape, task.outputs)
    assert network.layers[-1].weight_shape == (4, 16)


def test_parities_are_those_of_the_tasks_bits() -> None:
    source = SparseParity(tasks=4, bits=6, subset=2, examples=300)
    dataset, chosen = source.load(), subsets(4, 6, 2, 0)
    which = dataset.x[:, :4].argmax(axis=1)
    bits = dataset.x[:, 4:]
    wanted = [int(bits[i, chosen[t]].sum()) % 2 for i, t in enumerate(which)]
    np.testing.assert_array_equal(dataset.labels, wanted)
    assert (np.diff(np.bincount(which, minlength=4)) < 0).all()
    assert all(len(set(row)) == 2 for row in chosen.tolist())


def test_a_teacher_is_a_function_of_its_inputs() -> None:
    clean, noisy = (Teacher(examples=4000, noise=noise).load() for noise in (0.0, 0.5))
    np.testing.assert_array_equal(clean.x, noisy.x)
    assert clean.targets.var() == pytest.approx(1)
    assert (noisy.targets - clean.targets).std() == pytest.approx(0.5, rel=0.05)
    assert "R² can reach 0.8000" in noisy.notes[0]


def test_windows_are_cut_from_texts_that_share_nothing() -> None:
    found = windows("abcd" * 200, "dcba" * 50, 4, 50, 10)
    assert found.characters == ("a", "b", "c", "d", "other") or set(found.characters[:-1]) <= set("abcd")
    whole = ["".join(found.characters[i] for i in row) for row in found.tokens]
    test = found.official_test
    assert all(w in "abcd" * 4 for w in whole[:-test])
    assert all(w in "dcba" * 4 for w in whole[-test:])
    with pytest.raises(UserError, match="Give more text"):
        windows("abcd" * 20, "abcd" * 20, 4, 50, 10)
    with pytest.raises(UserError, match="at least two"):
        windows("a" * 1000, "a" * 1000, 4, 50, 10)


@given(length=st.integers(1, 12), count=st.integers(1, 20), spare=st.integers(0, 60))
def test_windows_do_not_overlap_and_are_equally_spaced(length, count, spare) -> None:
    text = "".join(chr(1000 + i) for i in range(length * count + spare))
    found = _cut(text, length, count)
    np.testing.assert_array_equal(found, found[:, :1] + np.arange(length))
    apart = np.diff(found[:, 0])
    assert all(length <= space for space in apart)
    assert len(apart) == 0 or apart.max() - apart.min() <= 1


def test_source_code_keeps_its_test_packages_apart() -> None:
    training, testing = standard_library()
    assert "class BaseEventLoop" in training
    assert "class BaseEventLoop" not in testing
    assert "class ThreadPoolExecutor" in testing
    assert "unittest.main()" not in testing
    assert "class ArgumentParser" in training  # a module that is in no package
    assert len(training) > 15 * len(testing)
    most = len(testing) // 9
    assert 0.9 * most < SourceCode(examples=6 * most, steps=8).load().official_test <= most
    dataset = SourceCode(examples=300, steps=8).load()
    assert dataset.official_test > 40
    assert {"space", "newline"} <= set(dataset.classes)
    assert "other" not in dataset.classes
    assert dataset.x.max() == len(dataset.classes)  # "other" is read, and never asked for
    assert f"symbols={len(dataset.classes) + 1}" in dataset.notes[-1]


def test_your_text_is_a_file_or_a_folder(tmp_path) -> None:
    (tmp_path / "one.txt").write_text("the cat sat on the mat. " * 60, encoding="utf-8")
    one = Text(path=str(tmp_path / "one.txt"), steps=5, examples=60, symbols=8).load()
    assert one.name == "one.txt"
    assert one.x.shape[1] == 5
    for i in range(2, 7):
        (tmp_path / f"{i}.txt").write_text(f"{i} is a number. " * 60, encoding="utf-8")
    several = Text(path=str(tmp_path), steps=5, examples=60, symbols=8).load()
    assert several.official_test > 0
    (tmp_path / "copies").mkdir()
    for i in range(3):
        (tmp_path / "copies" / f"{i}.txt").write_text("the same. " * 60, encoding="utf-8")
    with pytest.raises(UserError, match="1 text in"):
        Text(path=str(tmp_path / "copies")).load()
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(UserError, match="no UTF-8"):
        Text(path=str(tmp_path / "bad.txt")).load()
    with pytest.raises(UserError, match="no file or folder"):
        Text(path=str(tmp_path / "none.txt")).load()


def test_an_answer_at_every_step() -> None:
    every, last = (Markov(examples=300, steps=6, answers=answers) for answers in ("every", "last"))
    task = every.task(0)
    assert (task.steps, task.outputs, task.input_shape) == (6, 48, (6,))
    assert task.train.labels is not None
    np.testing.assert_array_equal(task.train.labels[:, :-1], task.train.x[:, 1:])
    by_step = task.train.targets.reshape(-1, 6, 8)
    np.testing.assert_array_equal(by_step.argmax(axis=2), task.train.labels)
    outputs = by_step.copy()
    outputs[:, :2] = -outputs[:, :2]  # wrong at the first two steps
    np.testing.assert_allclose(task.scores(outputs.reshape(-1, 48), task.train), 4 / 6)
    assert last.task(0).steps == 1
    assert dict(every.load().summary())["answers per class"]


@pytest.mark.parametrize("source", [Markov, InContext])
def test_a_floor_holds_for_those_who_do_not_see_the_answer(source) -> None:
    """A network of all steps at once sees in the inputs what is asked for at all steps but the last."""
    every, last = (source(examples=300, steps=6, answers=answers).load() for answers in ("every", "last"))
    shown = every.x[:, 1:, -1] if source is InContext else every.x[:, 1:]
    asked = every.targets if source is InContext else every.labels
    np.testing.assert_array_equal(shown, asked[:, :-1])
    assert "No network that sees at each step only the steps so far can do better" in every.notes[0]
    assert "No network can do better" in last.notes[0]


def _dead() -> int:
    """The first draw whose only unit of the first layer is off everywhere."""
    for draw in range(50):
        source = np.random.PCG64([draw, 1])
        x = uniforms(source, 10_000, 4) - 0.5
        a = np.maximum(x @ normals(source, 4, 1) * np.sqrt(0.5) + normals(source, 1), 0)
        if not a.any():
            return draw
    raise AssertionError


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Markov(symbols=1), "from 2 to 1 000 symbols"),
        (lambda: Markov(examples=3), "at least 20 examples"),
        (lambda: Markov(steps=0), "from 1 to 10 000"),
        (lambda: InContext(noise=0.0), "noise above 0"),
        (lambda: SparseParity(subset=30), "no larger"),
        (lambda: SparseParity(exponent=-1.0), "at least 0"),
        (lambda: Teacher(width=0), "a width from 1"),
        (lambda: Teacher(width=1, draw=_dead()), "the same for all inputs"),
        (lambda: SourceCode(symbols=2), "3 to 1 000 symbols"),
        (lambda: SourceCode(steps=-1), "1 to 10 000 steps"),
    ],
)
def test_impossible_sizes_are_refused(wrong, words) -> None:
    with pytest.raises(UserError, match=words):
        wrong().load()


@pytest.mark.parametrize("seed", range(3))
def test_a_split_with_the_seed_of_a_made_task_has_parts_of_one_kind(seed) -> None:
    """Inputs drawn from the stream that orders the examples would put the smallest of them into the test part."""
    for source in (Teacher(dimensions=1, draw=seed), InContext(dimensions=1, draw=seed)):
        task = split(source.load(), seed, source.sizes())
        train, test = (part.x.astype(np.float64).ravel() for part in (task.train, task.test))
        assert abs(test.mean() - train.mean()) < 0.2
        assert test.std() == pytest.approx(train.std(), rel=0.2)
