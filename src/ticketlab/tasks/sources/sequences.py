"""Sequences, and other data with a known floor; `ticketlab.tasks.sequences` makes them.

Tokens are whole numbers, one a step. A network for them needs the number of `symbols`; their inputs are not standardised.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ticketlab.errors import UserError
from ticketlab.tasks.sources.own import OwnFile
from ticketlab.tasks.sources.source import TaskSource

if TYPE_CHECKING:
    from jaxtyping import Int
    from numpy import ndarray

    from ticketlab.tasks.dataset import Dataset
    from ticketlab.tasks.sequences.text import Windows

__all__ = ["InContext", "Markov", "NextRow", "SourceCode", "SparseParity", "Teacher", "Text"]

Answers = Literal["last", "every"]


@dataclass(frozen=True, kw_only=True)
class SourceCode(TaskSource):
    """Characters of Python's standard library; the next one is asked for. Test windows come from other packages.

    The text differs between releases of Python, and so does the content hash.

    Arguments:
        steps: characters that are read.
        examples: windows, a fifth of them for testing, or what the text for testing has.
        symbols: different characters at most; the last stands for all others.
        answers: "last": the character after the window; "every": that after each of its characters.
    """

    steps: int = 32
    examples: int = 5000
    symbols: int = 48
    answers: Answers = "last"

    what: ClassVar[str] = "characters of Python's standard library, the next one to be predicted"
    size: ClassVar[str] = "5 000"

    def load(self) -> Dataset:
        from ticketlab.tasks.sequences.text import TEST_EVERY, standard_library, windows

        training, testing = standard_library()
        held = min(self.examples // TEST_EVERY, len(testing) // (max(self.steps, 0) + 1))
        found = windows(training, testing, self.steps, self.examples, self.symbols, held)
        return _of_windows("source code", found, self.answers)

    def describe(self) -> str:
        return f"characters of the standard library, {self.examples} windows of {self.steps}"


@dataclass(frozen=True, kw_only=True)
class Text(OwnFile):
    """Characters of your text; the next one is asked for. The last fifth of a file is for testing, every fifth of several files.

    Arguments:
        steps: characters that are read.
        examples: windows, a fifth of them for testing.
        symbols: different characters at most; the last stands for all others.
        answers: "last": the character after the window; "every": that after each of its characters.
    """

    steps: int = 32
    examples: int = 5000
    symbols: int = 48
    answers: Answers = "last"

    what: ClassVar[str] = "characters of a text file or a folder of them, the next one to be predicted"
    how: ClassVar[str] = "text:PATH"

    def load(self) -> Dataset:
        from ticketlab.tasks.sequences.text import own_text, windows

        found = windows(*own_text(self.where()), self.steps, self.examples, self.symbols)
        return _of_windows(self.where().name, found, self.answers)


@dataclass(frozen=True, kw_only=True)
class Markov(TaskSource):
    """Sequences of a Markov chain with Zipf weights; the next token is asked for, and the smallest possible loss is known.

    Arguments:
        symbols: different tokens.
        exponent: of the weights of the next token, ∝ rank^(−exponent).
        steps: tokens that are read.
        examples: sequences.
        answers: "last": the token after the sequence; "every": that after each of its tokens.
        draw: the seed of chain and sequences.
    """

    symbols: int = 8
    exponent: float = 1.5
    steps: int = 16
    examples: int = 5000
    answers: Answers = "last"
    draw: int = 0

    what: ClassVar[str] = "sequences of a Markov chain with Zipf weights, of known entropy"
    size: ClassVar[str] = "5 000"

    def load(self) -> Dataset:
        from ticketlab.tasks.sequences.draws import check_draw
        from ticketlab.tasks.sequences.markov import chain, entropy_rate, sequences, stationary

        check_draw(self.draw, self.examples)
        if not 1 <= self.steps <= 10_000:
            raise UserError(f"steps={self.steps}", "from 1 to 10 000")
        p = chain(self.symbols, self.exponent, self.draw)
        best = float(stationary(p) @ p.max(axis=1))
        note = (
            f"{_nobody(self.answers)} can do better than a cross-entropy of {entropy_rate(p):.4f} nats a token "
            f"(the entropy rate), or an accuracy of {best:.4f}."
        )
        tokens = sequences(p, self.examples, self.steps + 1, self.draw)
        names = tuple(str(i) for i in range(self.symbols))
        return _tokens(f"Markov chain of {self.symbols} symbols", tokens, names, self.answers, 0, (note,))

    def describe(self) -> str:
        return f"Markov chain of {self.symbols} symbols, {self.examples} sequences of {self.steps} (draw {self.draw})"


@dataclass(frozen=True, kw_only=True)
class InContext(TaskSource):
    """Linear regression in context: every example is a data set of its own, and its next answer is asked for.

    Step i has the d numbers of x_i and the answer to step i − 1 (0 at first). The risk of the best prediction is known.

    Arguments:
        steps: points of an example.
        dimensions: d.
        noise: standard deviation of the answers' noise; those without noise have variance 1.
        examples: data sets.
        answers: "last": the answer to the last step; "every": those to all steps.
        draw: the seed.
    """

    steps: int = 16
    dimensions: int = 4
    noise: float = 0.3
    examples: int = 5000
    answers: Answers = "last"
    draw: int = 0

    what: ClassVar[str] = "linear regression in context, of known Bayes risk"
    size: ClassVar[str] = "5 000"

    def load(self) -> Dataset:
        import numpy as np

        from ticketlab.tasks.dataset import Dataset
        from ticketlab.tasks.sequences.draws import check_draw
        from ticketlab.tasks.sequences.in_context import bayes_risks, drawn

        check_draw(self.draw, self.examples)
        x, y = drawn(self.examples, self.steps, self.dimensions, self.noise, self.draw)
        if self.answers not in ("last", "every"):
            raise UserError(f"answers={self.answers!r}", "'last' or 'every'")
        asked = slice(-1, None) if self.answers == "last" else slice(None)
        share = bayes_risks(x, self.noise)[asked] / (1 + self.noise**2)
        before = np.pad(y[:, :-1], ((0, 0), (1, 0)))
        steps = np.arange(self.steps)[asked]
        return Dataset(
            name=f"in-context regression in {self.dimensions} dimensions",
            x=np.concatenate([x, before[:, :, None]], axis=2),
            classes=tuple(f"y{i + 1}" for i in steps),
            targets=y[:, asked],
            notes=(
                f"{_nobody(self.answers)} can do better than a mean square error of {share.mean():.4f} of the answers' "
                f"variance (Bayes' risk), an R² of {1 - share.mean():.4f}.",
            ),
        )

    def describe(self) -> str:
        return (
            f"in-context regression, {self.steps} points in {self.dimensions} dimensions (draw {self.draw})"
        )


@dataclass(frozen=True, kw_only=True)
class NextRow(TaskSource):
    """Black-and-white images row by row: after each row but the last, every pixel of the next row is asked for.

    A pixel is on above half of the largest value. Every pixel is an answer of two classes, so the loss is the Bernoulli
    likelihood in nats a pixel. The network needs answers=every.

    Arguments:
        images: digits or mnist (from the folder that TICKETLAB_DATA names).
    """

    images: Literal["digits", "mnist"] = "digits"

    what: ClassVar[str] = "black-and-white digits row by row, the next row to be predicted"
    size: ClassVar[str] = "1 797"

    def load(self) -> Dataset:
        import numpy as np

        from ticketlab.tasks.dataset import Dataset
        from ticketlab.tasks.sources.bundled import Digits
        from ticketlab.tasks.sources.named import Mnist

        if self.images not in ("digits", "mnist"):
            raise UserError(f"images={self.images!r}", "digits or mnist")
        images = (Digits() if self.images == "digits" else Mnist()).load()
        on = (images.x[..., 0] > images.scale / 2).astype(np.int64)
        return Dataset(
            name=f"next row of {self.images}",
            x=on[:, :-1],
            classes=("off", "on"),
            labels=on[:, 1:].reshape(len(on), -1),
            standardise=False,
            official_test=images.official_test,
        )

    def describe(self) -> str:
        return f"black-and-white {self.images} row by row, the next row to be predicted"


@dataclass(frozen=True, kw_only=True)
class SparseParity(TaskSource):
    """Parities of a few bits, a different few for each of many tasks; the frequency of tasks follows Zipf's law.

    Arguments:
        tasks: their number.
        bits: of each input, after the task's one-hot code.
        subset: bits in each parity.
        exponent: a; task t has probability ∝ t^(−(a + 1)).
        examples: inputs.
        draw: the seed.
    """

    tasks: int = 20
    bits: int = 20
    subset: int = 3
    exponent: float = 0.4
    examples: int = 10_000
    draw: int = 0

    what: ClassVar[str] = "sparse parities of many tasks, each rarer than the one before"
    size: ClassVar[str] = "10 000"

    def load(self) -> Dataset:
        from ticketlab.tasks.dataset import Dataset
        from ticketlab.tasks.sequences.draws import check_draw
        from ticketlab.tasks.sequences.sparse_parity import drawn

        check_draw(self.draw, self.examples)
        x, labels = drawn(self.examples, self.tasks, self.bits, self.subset, self.exponent, self.draw)
        return Dataset(
            name=f"{self.tasks} sparse parities",
            x=x,
            classes=("even", "odd"),
            labels=labels,
            standardise=False,
            notes=("The labels are a function of the inputs: the smallest possible loss is 0.",),
        )

    def describe(self) -> str:
        return f"parities of {self.subset} of {self.bits} bits, {self.tasks} tasks (draw {self.draw})"


@dataclass(frozen=True, kw_only=True)
class Teacher(TaskSource):
    """Regression on the outputs of a random network of the inputs, of intrinsic dimension d.

    Arguments:
        dimensions: d, of the inputs, uniform on a cube.
        width: units in each of the teacher's two hidden layers.
        noise: standard deviation of noise on targets of variance 1.
        examples: inputs.
        draw: the seed.
    """

    dimensions: int = 4
    width: int = 16
    noise: float = 0.0
    examples: int = 10_000
    draw: int = 0

    what: ClassVar[str] = "regression on a random network's outputs, of known noise"
    size: ClassVar[str] = "10 000"

    def load(self) -> Dataset:
        from ticketlab.tasks.dataset import Dataset
        from ticketlab.tasks.sequences.draws import check_draw
        from ticketlab.tasks.sequences.teacher import drawn

        check_draw(self.draw, self.examples)
        x, y = drawn(self.examples, self.dimensions, self.width, self.noise, self.draw)
        best = 1 / (1 + self.noise**2)
        return Dataset(
            name=f"teacher in {self.dimensions} dimensions",
            x=x,
            classes=("y",),
            targets=y,
            features=tuple(f"x{i + 1}" for i in range(self.dimensions)),
            notes=(f"The targets are a function of the inputs and noise: R² can reach {best:.4f}.",),
        )

    def describe(self) -> str:
        return f"teacher of width {self.width} in {self.dimensions} dimensions (draw {self.draw})"


def _nobody(answers: Answers) -> str:
    """Whom a floor holds for: at later steps the inputs show the answers to the steps before."""
    return "No network" + ("" if answers == "last" else " that sees at each step only the steps so far")


def _of_windows(name: str, found: Windows, answers: Answers) -> Dataset:
    return _tokens(name, found.tokens, found.characters, answers, found.official_test, (found.note,))


def _tokens(
    name: str,
    tokens: Int[ndarray, "n length"],
    names: tuple[str, ...],
    answers: Answers,
    official_test: int,
    notes: tuple[str, ...],
) -> Dataset:
    """Sequences of tokens, and the token after each."""
    from ticketlab.tasks.dataset import Dataset

    if answers not in ("last", "every"):
        raise UserError(f"answers={answers!r}", "'last' or 'every'")
    symbols = int(tokens.max()) + 1
    labels = tokens[:, 1:] if answers == "every" else tokens[:, -1]
    return Dataset(
        name=name,
        x=tokens[:, :-1],
        classes=names[: int(labels.max()) + 1],
        labels=labels,
        standardise=False,
        official_test=official_test,
        notes=(*notes, f"Inputs are tokens: a network for sequences needs symbols={symbols}."),
    )
