"""What masks and actions make of the network with no training: scores, responses, how far weights moved.

At the level that decides, the arms of the verdict besides, example by example.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ticketlab.claims.masking_is_training import formula
from ticketlab.claims.masking_is_training.named import ONES, ZEROS
from ticketlab.claims.masking_is_training.setting import Chain, Setting
from ticketlab.claims.masking_is_training.work import Work
from ticketlab.claims.rows import rows_of
from ticketlab.claims.start import guessed
from ticketlab.networks.network import Params
from ticketlab.tickets.actions import Acted, Frozen, FrozenIfGrown, FrozenIfShrunk, Rewind, Zero, acted, laid
from ticketlab.tickets.masks import Mask, kept, weights_of
from ticketlab.tickets.motion import bits, cosine, motion
from ticketlab.tickets.multigraph import edges_of, shuffled_edges, summed
from ticketlab.tickets.random_masks import shuffled
from ticketlab.tickets.responses import change

__all__ = ["Arm", "actions", "decide", "measure_untrained", "most_shrunk", "twin"]

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
    work: Work, number: int, chains: Mapping[str, Chain], about: dict[str, Any]
) -> list[Arm]:
    """Scores of all untrained networks, and what the masks do to responses and to weights; those that the plan trains too."""
    setting = work.setting
    equal = shuffled(chains[formula.PREREGISTERED].mask, setting.draw(number, 11))
    control = Chain(formula.CONTROL, chains[formula.PREREGISTERED].final, equal)
    later = []
    for name in (*setting.criteria, control.name):
        chain, of = chains.get(name, control), {**about, "criterion": name}
        for one, zero, act in actions(setting, number, chain):
            if setting.trains(number, one, zero):
                later.append(Arm((name, one, zero), chain.mask, act))
            scores = {"test_score": float(setting.score(act.params).mean())}
            scores |= dict.fromkeys(("trained_score", "early_stop_step"), float("nan"))
            work.add("arms", **of, one=one, zero=zero, **scores)
            if (one, zero) == ("rewind", "zero"):
                work.add("masks", **of, **_of_mask(setting, chain, act))
                for layer, row in _of_responses(setting, act.params).items():
                    work.add("responses", **of, layer=layer, **row)
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


def _of_mask(setting: Setting, chain: Chain, act: Acted) -> dict[str, Any]:
    network = setting.network
    start, final, masked = (weights_of(network, p) for p in (setting.initial, chain.final, act.params))
    removed = {n: ~m for n, m in chain.mask.items()}
    step = motion(start, masked)
    flipped = sum(int(np.sum((start[n] * final[n] <= 0)[m])) for n, m in chain.mask.items())
    shrank = sum(int(np.sum((np.abs(final[n]) <= np.abs(start[n]))[m])) for n, m in removed.items())
    return {
        "kept": kept(chain.mask),
        "mask_bits": bits(chain.mask),
        "flipped": flipped / max(kept(chain.mask), 1),
        "shrank": shrank / max(kept(removed), 1),
        "moved": step.distance,
        "motion_bits": step.bits,
        "aligned": cosine(start, masked, final),
    }


def _of_responses(setting: Setting, params: Params) -> dict[str, dict[str, Any]]:
    """By layer."""
    return {
        layer: {
            "units": len(of.decorrelation),
            "decorrelation": float(np.mean(of.decorrelation)),
            "lower": float(np.quantile(of.decorrelation, 0.25)),
            "upper": float(np.quantile(of.decorrelation, 0.75)),
            "relative_change": _mean(of.relative),
        }
        for layer, of in change(setting.responses, setting.responses_of(params)).items()
    }


def decide(work: Work, chains: Mapping[str, Chain], networks: Mapping[str, Params]) -> None:
    """The arms on which the verdict turns: untrained, example by example; and random masks, one by one.

    Arguments:
        networks: by chain, as it was trained, which masks of the multigraph write.
    """
    setting, chain, confused = work.setting, chains[formula.PREREGISTERED], chains[formula.PERMUTED]

    def untrained(mask: Mask, zero: Any = None) -> Params:
        return acted(setting.seen(chain), mask, Rewind(), zero or Zero(), setting.key).params

    masks = [shuffled(chain.mask, setting.draw(i, 13)) for i in range(setting.plan.random_masks)]
    random = [untrained(m) for m in masks]
    scores = np.stack([setting.score(p) for p in random])
    initial, final = (weights_of(setting.network, p) for p in (setting.initial, chain.final))
    shrank = {n: np.abs(final[n]) <= np.abs(w) for n, w in initial.items()}
    removed = {n: ~m for n, m in chain.mask.items()}
    grew = {n: np.abs(w) - np.abs(initial[n]) for n, w in weights_of(setting.network, confused.final).items()}
    arms = {
        formula.MASK: setting.score(untrained(chain.mask)),
        formula.RANDOM: scores.mean(axis=0),
        formula.GUESS: guessed(setting.task),
        formula.PERMUTED: setting.score(untrained(confused.mask)),
        formula.SHRUNK: setting.score(untrained(chain.mask, FrozenIfGrown())),
        formula.GROWN: setting.score(untrained(chain.mask, FrozenIfShrunk())),
        formula.DRAWN: setting.score(untrained(chain.mask, Frozen())),
        formula.SHRUNK_TWIN: _twin(setting, chain, shrank, 14),
        formula.GROWN_TWIN: _twin(setting, chain, {n: ~s for n, s in shrank.items()}, 15),
        formula.SHRUNK_PERMUTED: _zeroing(setting, chain, most_shrunk(shrank, removed, grew)),
        formula.MULTIGRAPH: setting.score(summed(edges_of(networks[chain.name], BITS), setting.initial)),
        formula.TRAINED: np.array([row["score"] for row in work.rows.pop(formula.TRAINED)]),
    }
    _multigraph(work, networks[chain.name], networks[confused.name])
    for row in rows_of({"id": setting.task.test.ids, **arms}):
        work.add("examples", **row)
    each = scores.mean(axis=1)
    as_good = int(np.sum(each >= arms[formula.MASK].mean()))
    for i, score in enumerate(each):
        work.add("chance", draw=i, test_score=float(score))
    surprise = float(np.log2((1 + len(masks)) / (1 + as_good)))
    work.add("surprise", random_masks=len(masks), as_good=as_good, bits=surprise)
    for arm, masked in ((formula.MASK, [untrained(confused.mask)]), (formula.RANDOM, random)):
        fitted = float(np.mean([setting.memorised(p) for p in masked]))
        work.add("memorised", arm=arm, train_score=fitted)


def _multigraph(work: Work, network: Params, confused: Params) -> None:
    """What masks of the multigraph do, by the number of digits that they can write."""
    setting = work.setting
    rng = np.random.Generator(np.random.PCG64(setting.seed))
    for digits in (1, 2, 4, BITS):
        edges, permuted = (edges_of(of, digits) for of in (network, confused))
        written, random, fitted = (
            summed(of, setting.initial) for of in (edges, shuffled_edges(edges, rng), permuted)
        )
        scored = {"test_score": written, "random_score": random}
        scores = {name: float(setting.score(params).mean()) for name, params in scored.items()}
        work.add("multigraph", bits=digits, **scores, train_score=setting.memorised(fitted))


def twin(zeroed: Mask, removed: Mask, key: Any) -> dict[str, np.ndarray]:
    """Equally many of the removed weights in each layer, chosen at random among them."""
    bits = shuffled({name: zeroed[name][of] for name, of in removed.items()}, key)
    chosen = {name: np.zeros_like(of) for name, of in removed.items()}
    for name, of in removed.items():
        chosen[name][of] = bits[name]
    return chosen


def most_shrunk(
    zeroed: Mask, removed: Mask, grew: Mapping[str, Float[np.ndarray, "..."]]
) -> dict[str, np.ndarray]:
    """Equally many of the removed weights in each layer, those that shrank most; the first of those that shrank equally.

    The removed weights are small in θ_f, so those that shrank are over-represented among them, and another training made fewer
    of them smaller. Without equal counts two choices would differ by how much they zero, not only by what.

    Arguments:
        zeroed: what is zeroed by the other choice.
        removed: the weights to choose among.
        grew: |w| after another training minus |w| before it.
    """
    chosen = {}
    for name, of in removed.items():
        order = np.argsort(np.where(of, grew[name], np.inf).ravel(), kind="stable")
        zero = np.zeros(of.size, bool)
        zero[order[: int((zeroed[name] & of).sum())]] = True
        chosen[name] = zero.reshape(of.shape)
    return chosen


def _twin(setting: Setting, chain: Chain, zeroed: Mask, purpose: int) -> np.ndarray:
    """Mean test scores where a random choice of the removed weights is zeroed, and all else as it was drawn."""
    removed = {n: ~m for n, m in chain.mask.items()}
    draws = (setting.draw(draw, purpose) for draw in range(setting.plan.random_masks))
    return np.mean([_zeroing(setting, chain, twin(zeroed, removed, key)) for key in draws], axis=0)


def _zeroing(setting: Setting, chain: Chain, zero: Mapping[str, np.ndarray]) -> np.ndarray:
    """Test scores where these of the removed weights are zero, and all else as it was drawn."""
    drawn = weights_of(setting.network, setting.initial)
    left = {name: np.where(zero[name], 0.0, w).astype(w.dtype) for name, w in drawn.items()}
    return setting.score(laid(setting.initial, chain.mask, drawn, left).params)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
