"""What masks and actions make of the network with no training: scores, responses, how far weights moved.

At the level that decides, the arms of the verdict besides, example by example.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ticketlab.claims.masking_is_training.formula import (
    CONTROL,
    DRAWN,
    GROWN,
    GROWN_TWIN,
    GUESS,
    MASK,
    MULTIGRAPH,
    PERMUTED,
    PREREGISTERED,
    RANDOM,
    SHRUNK,
    SHRUNK_PERMUTED,
    SHRUNK_TWIN,
    TRAINED,
)
from ticketlab.claims.masking_is_training.named import ONES, ZEROS
from ticketlab.claims.masking_is_training.setting import Chain, Setting
from ticketlab.claims.masking_is_training.work import Work
from ticketlab.claims.rows import Rows
from ticketlab.claims.start import guessed
from ticketlab.networks.network import Params
from ticketlab.tickets.actions import Acted, Frozen, FrozenIfGrown, FrozenIfShrunk, Rewind, Zero, acted, laid
from ticketlab.tickets.masks import Mask, kept, weights_of
from ticketlab.tickets.motion import bits, cosine, motion
from ticketlab.tickets.multigraph import edges_of, shuffled_edges, summed
from ticketlab.tickets.random_masks import shuffled
from ticketlab.tickets.responses import change

__all__ = ["Arm", "actions", "decide", "measure_untrained", "twin"]

BITS = 8  # that the multigraph's edges can write of a weight, besides its sign


@dataclass(frozen=True)
class Arm:
    """A network that is trained too.

    Arguments:
        name: of the criterion, the mask-1 and the mask-0 action.
    """

    name: tuple[str, str, str]
    mask: Mask
    act: Acted


def measure_untrained(
    setting: Setting, number: int, chains: Mapping[str, Chain], about: dict[str, Any], rows: Rows, work: Work
) -> list[Arm]:
    """Scores of all untrained networks, and what the masks do to responses and to weights; those that the plan trains too."""
    equal = shuffled(chains[PREREGISTERED].mask, setting.draw(number, 11))
    control = Chain(CONTROL, chains[PREREGISTERED].final, equal)
    later = []
    for name in (*setting.criteria, control.name):
        chain = chains.get(name, control)
        for one, zero, act in actions(setting, number, chain):
            if setting.trains(number, one, zero):
                later.append(Arm((name, one, zero), chain.mask, act))
            rows.setdefault("arms", []).append(
                {
                    **about,
                    "criterion": name,
                    "one": one,
                    "zero": zero,
                    "test_score": float(setting.score(act.params).mean()),
                    "trained_score": float("nan"),
                    "early_stop_step": float("nan"),
                }
            )
            if (one, zero) == ("rewind", "zero"):
                rows.setdefault("masks", []).append(_mask_row(setting, chain, about, act))
                rows.setdefault("responses", []).extend(_response_rows(setting, name, about, act.params))
        work.done(f"level {number}, untrained", work.LEVEL / (len(setting.criteria) + 1))
    return later


def actions(setting: Setting, number: int, chain: Chain) -> Iterator[tuple[str, str, Acted]]:
    """What the plan's actions make of a chain's mask; rewound with zeros always, and first. Draws are the same for all chains."""
    seen, plan, key = setting.seen(chain), setting.plan, setting.draw(number, 12)
    ones = {one: ONES[one].values(seen, chain.mask, key) for one in dict.fromkeys(("rewind", *plan.ones))}
    zeros = {zero: ZEROS[zero].values(seen) for zero in dict.fromkeys(("zero", *plan.zeros))}
    for one, zero in itertools.product(ones, zeros):
        if (one in plan.ones and zero in plan.zeros) or (one, zero) == ("rewind", "zero"):
            yield one, zero, laid(setting.initial, chain.mask, ones[one], zeros[zero])


def _mask_row(setting: Setting, chain: Chain, about: dict[str, Any], act: Acted) -> dict[str, Any]:
    network = setting.network
    start, final, masked = (weights_of(network, p) for p in (setting.initial, chain.final, act.params))
    removed = {n: ~m for n, m in chain.mask.items()}
    step = motion(start, masked)
    flipped = sum(int(np.sum((start[n] * final[n] <= 0)[m])) for n, m in chain.mask.items())
    shrank = sum(int(np.sum((np.abs(final[n]) <= np.abs(start[n]))[m])) for n, m in removed.items())
    return {
        **about,
        "criterion": chain.name,
        "kept": kept(chain.mask),
        "mask_bits": bits(chain.mask),
        "flipped": flipped / max(kept(chain.mask), 1),
        "shrank": shrank / max(kept(removed), 1),
        "moved": step.distance,
        "motion_bits": step.bits,
        "aligned": cosine(start, masked, final),
    }


def _response_rows(
    setting: Setting, criterion: str, about: dict[str, Any], params: Params
) -> list[dict[str, Any]]:
    changed = change(setting.responses, setting.responses_of(params))
    return [
        {
            **about,
            "criterion": criterion,
            "layer": layer,
            "units": len(of.decorrelation),
            "decorrelation": float(np.mean(of.decorrelation)),
            "lower": float(np.quantile(of.decorrelation, 0.25)),
            "upper": float(np.quantile(of.decorrelation, 0.75)),
            "relative_change": _mean(of.relative),
        }
        for layer, of in changed.items()
    ]


def decide(setting: Setting, chains: Mapping[str, Chain], rows: Rows) -> None:
    """The arms on which the verdict turns: untrained, example by example; and random masks, one by one."""
    chain = chains[PREREGISTERED]
    seen, key = setting.seen(chain), setting.key

    def untrained(mask: Mask, zero: Any = None) -> Params:
        return acted(seen, mask, Rewind(), zero or Zero(), key).params

    masks = [shuffled(chain.mask, setting.draw(i, 13)) for i in range(setting.plan.random_masks)]
    random = [untrained(m) for m in masks]
    scores = np.stack([setting.score(p) for p in random])
    initial, final = (weights_of(setting.network, p) for p in (setting.initial, chain.final))
    shrank = {n: np.abs(final[n]) <= np.abs(w) for n, w in initial.items()}
    confused = setting.seen(chains[PERMUTED])
    arms = {
        MASK: setting.score(untrained(chain.mask)),
        RANDOM: scores.mean(axis=0),
        GUESS: guessed(setting.task),
        PERMUTED: setting.score(untrained(chains[PERMUTED].mask)),
        SHRUNK: setting.score(untrained(chain.mask, FrozenIfGrown())),
        GROWN: setting.score(untrained(chain.mask, FrozenIfShrunk())),
        DRAWN: setting.score(untrained(chain.mask, Frozen())),
        SHRUNK_TWIN: _twin(setting, chain, shrank, 14),
        GROWN_TWIN: _twin(setting, chain, {n: ~s for n, s in shrank.items()}, 15),
        SHRUNK_PERMUTED: setting.score(acted(confused, chain.mask, Rewind(), FrozenIfGrown(), key).params),
        MULTIGRAPH: setting.score(summed(edges_of(chain.final, BITS), setting.initial)),
        TRAINED: np.array([row["score"] for row in rows.pop(TRAINED)]),
    }
    rows["multigraph"] = _multigraph(setting, chain, chains[PERMUTED])
    rows["examples"] = [
        {"seed": setting.seed, "id": int(i), **{arm: float(values[n]) for arm, values in arms.items()}}
        for n, i in enumerate(setting.task.test.ids)
    ]
    each = scores.mean(axis=1)
    as_good = 1 + int(np.sum(each >= arms[MASK].mean()))
    rows["chance"] = [
        {"seed": setting.seed, "draw": i, "test_score": float(score)} for i, score in enumerate(each)
    ]
    rows["surprise"] = [
        {
            "seed": setting.seed,
            "random_masks": len(masks),
            "as_good": as_good - 1,
            "bits": float(np.log2((1 + len(masks)) / as_good)),
        }
    ]
    fits = {
        MASK: [setting.memorised(untrained(chains[PERMUTED].mask))],
        RANDOM: [setting.memorised(p) for p in random],
    }
    rows["memorised"] = [
        {"seed": setting.seed, "arm": arm, "train_score": float(np.mean(values))}
        for arm, values in fits.items()
    ]


def _multigraph(setting: Setting, chain: Chain, confused: Chain) -> list[dict[str, Any]]:
    """What masks of the multigraph do, by the number of digits that they can write."""
    rng = np.random.Generator(np.random.PCG64(setting.seed))
    found = []
    for digits in (1, 2, 4, BITS):
        edges, permuted = (edges_of(of.final, digits) for of in (chain, confused))
        network, random, fitted = (
            summed(of, setting.initial) for of in (edges, shuffled_edges(edges, rng), permuted)
        )
        found.append(
            {
                "seed": setting.seed,
                "bits": digits,
                "test_score": float(setting.score(network).mean()),
                "random_score": float(setting.score(random).mean()),
                "train_score": setting.memorised(fitted),
            }
        )
    return found


def twin(zeroed: Mask, removed: Mask, key: Any) -> dict[str, np.ndarray]:
    """Equally many of the removed weights in each layer, chosen at random among them."""
    bits = shuffled({name: zeroed[name][of] for name, of in removed.items()}, key)
    chosen = {name: np.zeros_like(of) for name, of in removed.items()}
    for name, of in removed.items():
        chosen[name][of] = bits[name]
    return chosen


def _twin(setting: Setting, chain: Chain, zeroed: Mask, purpose: int) -> np.ndarray:
    """Mean test scores where a random choice of the removed weights is zeroed, and all else as it was drawn."""
    drawn, removed = weights_of(setting.network, setting.initial), {n: ~m for n, m in chain.mask.items()}

    def one(draw: int) -> np.ndarray:
        random = twin(zeroed, removed, setting.draw(draw, purpose))
        left = {name: np.where(random[name], 0.0, w).astype(w.dtype) for name, w in drawn.items()}
        return setting.score(laid(setting.initial, chain.mask, drawn, left).params)

    return np.mean([one(draw) for draw in range(setting.plan.random_masks)], axis=0)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
