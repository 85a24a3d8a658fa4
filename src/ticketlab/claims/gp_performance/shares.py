"""Shares of training's gain over guessing, and what has to be known before a large one says anything.

    share explained = (score of the picture − score of guessing) / (score of the trained network − score of guessing)

A large share alone is no explanation. Where a task is easy, any classifier has it. And a picture that gains far more than
training does is not one of this training. So three gates stand before a share:

    known       training's gain is known to a quarter, because the share is a ratio
    telling     no arbitrary kernel has the large majority too: RBF and linear kernels of the inputs know nothing of the network
    keeps up    training has the large majority of the picture's gain: share < 1/majority

The last two keep back *holds* alone. A picture whose share is too small needs no comparison to fail.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ticketlab.claims.asking import Part, columns
from ticketlab.claims.headroom import percent, share
from ticketlab.claims.wording import number, sentence
from ticketlab.evidence.tables import Table
from ticketlab.laws.difference import paired_difference
from ticketlab.laws.formulae import Gate, Tables
from ticketlab.laws.ratio import Ratio
from ticketlab.laws.rules import ALPHA, USUAL, Levels
from ticketlab.laws.scale import Scale

__all__ = [
    "ARBITRARY", "EXPLAINED", "LINEAR", "RBF", "RBF_NOISE", "explained", "keeps_up", "known_gain", "read_share", "telling",
]  # fmt: skip

RBF, LINEAR = "RBF kernel", "linear kernel"
RBF_NOISE = "noise of the RBF kernel"
ARBITRARY = {RBF: "rbf_score", LINEAR: "linear_score"}
"""Kernels that know nothing of the network, with their columns of scores."""

EXPLAINED = Scale("% of what training gains", 100.0)
NARROW = 0.25  # the half-width of the interval of training's gain, at most, as a share of the gain


def explained(examples: Table, picture: str, trained: str) -> Ratio:
    """The share of training's gain that a picture has, a ratio of means with Fieller's interval.

        Σ (picture − guess) / Σ (trained − guess)

    Arguments:
        examples: with columns "seed", "id" and "guess".
        picture, trained: columns with a score for every seed and test example.
    """
    above, below = (examples[column] - examples["guess"] for column in (picture, trained))
    seed, example = examples["seed"], examples["id"]
    return Ratio(*(paired_difference(gain, seed, example) for gain in (above, below, above - below)))


def read_share(part: Part, picture: str, trained: str, name: str, where: str, tables: Tables) -> str:
    """The reading of a share.

    Arguments:
        part: of the tables.
        picture, trained: columns, as of `explained`.
        name: of the picture.
        where: in which setting.
    """
    of = part(tables)
    mean = explained(of, picture, trained).mean
    gain = "training gains nothing" if np.isnan(mean) else f"{number(round(100 * mean))} % of the gain"
    said = f"with {where}, guessing scores {percent(of, 'guess')}, {name} {percent(of, picture)} and training"
    return f"{sentence(said)} {percent(of, trained)}: {gain}"


def known_gain(rows: Part, trained: str) -> Gate:
    """Is training's gain, the denominator of all shares, known? It is one of precision, by the plain 95 % interval."""

    def passed(tables: Tables) -> str | None:
        gain = share(rows(tables), trained, "guess")
        if not gain.decidable or gain.half_width(ALPHA) <= NARROW * gain.mean:
            return None
        mean, half = number(100 * gain.mean), number(100 * gain.half_width(ALPHA))
        return (
            f"Training gains {mean} ± {half} % of the headroom above guessing. A share of that says something if the interval is "
            f"within {100 * NARROW:g} % of the gain."
        )

    return Gate(
        "known", "training's gain is known", passed, "More seeds or test examples would show the gain."
    )


def telling(
    rows: Part,
    picture: str,
    trained: str,
    majority: float,
    where: str,
    untuned: Callable[[str, Tables], str | None],
) -> Gate:
    """Does no arbitrary kernel have the large majority too? That each has less must be certain, at the level of *holds*,
    which alone it keeps back.

    Arguments:
        picture, trained: columns, as of `explained`.
        where: width and size, for the reason.
        untuned: from an arbitrary kernel's name and the tables, why its tuning does not count; None where it does.
    """

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        of = rows(tables)
        if not _may_hold(explained(of, picture, trained), majority, levels.fails):
            return None
        if not columns(of).issuperset(ARBITRARY.values()):
            return (
                "How much a kernel gains that knows nothing of the network was not measured in this run, so the task may just be "
                "easy."
            )
        if reasons := [why for name in ARBITRARY if (why := untuned(name, tables)) is not None]:
            return reasons[0]
        shares = {name: explained(of, column, trained) for name, column in ARBITRARY.items()}
        name = max(shares, key=lambda name: shares[name].upper(levels.holds))
        if (most := shares[name].upper(levels.holds)) < majority:
            return None
        return (
            f"{'An' if name == RBF else 'A'} {name} of the inputs, which knows nothing of the network, has "
            f"{100 * shares[name].mean:.0f} % of training's gain with {where} (at most {100 * most:.0f} %)."
        )

    opens = (
        "A task on which arbitrary kernels fall behind would open the question, or a network whose kernels suit it better, such "
        "as a convolutional one."
    )
    return Gate("telling", "arbitrary kernels do not have the large majority too", passed, opens, shows=True)


def keeps_up(rows: Part, picture: tuple[str, str], trained: str, majority: float, where: str) -> Gate:
    """Does training have the large majority of the picture's gain? That must be certain, at the level of what is asked.

    Arguments:
        picture: its column, and its name with an article.
    """
    column, name = picture

    def passed(tables: Tables, levels: Levels = USUAL) -> str | None:
        found = explained(rows(tables), column, trained)
        most = found.upper(levels.smaller)
        if not np.isfinite(most) or most < 1 / majority:
            return None
        return (
            f"{name[0].upper()}{name[1:]} has {100 * found.mean:.0f} % of training's gain with {where} (at most {100 * most:.0f} "
            f"%), so training may have less than {100 * majority:g} % of what its picture gains."
        )

    opens = "Longer training, more --step-sizes or larger --widths may bring training up to its pictures."
    return Gate("keeps-up", "training keeps up with its pictures", passed, opens, shows=True)


def _may_hold(found: Ratio, majority: float, level: float) -> bool:
    """Whether a share is known and not shown to be too small."""
    most = found.upper(level)
    return bool(np.isfinite(most)) and most >= majority
