"""What is read from a trained network besides its loss: how its features serve a second task, and its loss along a sequence.

**Second task.** A network that has learnt to predict the next token reads the same windows, moved by one step, so that the last
token is hidden and its answer is the token after the next. The oldest step, of which nothing is known, is that of another window.
The features before the read-out get a linear read-out of their own: ridge regression, its penalty chosen on validation data. Its
error is the share of the variance of the test labels (0 or 1 for each token) that is left. Read-outs of wide layers are
better even if nothing was learnt, so the network at its start is probed too.

**Along a sequence.** Where a network answers at every step, its loss early in the sequence (the first quarter of its steps) is
set against that late in it (the last quarter). In linear regression in context Bayes' risk at each step is known.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.claims.fair_search import inputs_of, labels_of
from ticketlab.claims.start import each_part, taken
from ticketlab.networks.network import Network, Params
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE
from ticketlab.tasks.sources import InContext, TaskSource
from ticketlab.tasks.task import Split, Task
from ticketlab.units.probes import Parts, Ridge, probe

__all__ = ["early_and_late", "least_losses", "losses_by_step", "probe_error", "second_task"]

PROBED = 8192  # training examples of the read-out
ROWS = 2048  # examples at once


# --- a second task ---


def second_task(task: Task, rng: np.random.Generator) -> Task:
    """The token after the next: windows moved by one step, with the same labels. Of training windows there are fewer.

    Arguments:
        task: windows of tokens, with the next one as label.
    """
    labels = task.train.labels
    assert labels is not None
    firsts = np.unique(labels, return_index=True)[1]  # every class has to be there
    some = np.unique(np.concatenate([firsts, rng.permutation(len(labels))[:PROBED]]))
    return each_part(replace(task, train=taken(task.train, some)), lambda part: _moved(part, rng))


def _moved(part: Split, rng: np.random.Generator) -> Split:
    oldest = part.x[rng.permutation(len(part)), :1]
    return replace(part, x=np.concatenate([oldest, part.x[:, :-1]], axis=1))


def probe_error(network: Network, params: Params, task: Task) -> float:
    """The share of the variance of test labels that a ridge read-out of the last hidden features leaves.

    Cost: a forward pass of every example, and O(np²) for n training examples and p features.
    """
    features = Parts(*(_features(network, params, x) for x in inputs_of(task)))
    return probe(features, labels_of(task), Ridge()).residual


def _features(network: Network, params: Params, x: np.ndarray) -> np.ndarray:
    compiled = _read_out_inputs(network)
    return np.concatenate([np.asarray(compiled(params, x[i : i + ROWS])) for i in range(0, len(x), ROWS)])


@lru_cache(maxsize=16)
def _read_out_inputs(network: Network) -> Any:
    last, tapped = network.require_layers("a second read-out")[-1].name, network.tapped
    assert tapped is not None
    return jax.jit(lambda params, x: tapped(params, x, {})[1][last])


# --- along a sequence ---


def losses_by_step(
    outputs: Float[np.ndarray, "n k"], targets: Float[np.ndarray, "n k"], steps: int, classes: bool
) -> Float[np.ndarray, "t"]:
    """The mean loss at each step.

    Arguments:
        outputs, targets: of all steps, one after the other.
        classes: whether answers are classes (cross-entropy) or numbers (half the square).
    """
    loss = SOFTMAX_CROSS_ENTROPY if classes else SQUARE
    f, y = (a.reshape(len(a) * steps, -1) for a in (outputs, targets))
    return np.asarray(loss.values(f, y)).reshape(-1, steps).mean(axis=0)


def early_and_late(losses: Float[np.ndarray, "t"]) -> tuple[float, float]:
    """Means over the first and the last quarter of the steps, at least one each."""
    few = max(1, len(losses) // 4)
    return float(losses[:few].mean()), float(losses[-few:].mean())


def least_losses(source: TaskSource) -> Float[np.ndarray, "t"] | None:
    """The smallest possible loss at each step, for answers of variance 1; None where it is not known."""
    if not isinstance(source, InContext):
        return None
    from ticketlab.tasks.sequences.in_context import bayes_risks, drawn

    x, _ = drawn(source.examples, source.steps, source.dimensions, source.noise, source.draw)
    return bayes_risks(x, source.noise) / (1 + source.noise**2) / 2
