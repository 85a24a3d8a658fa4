"""A ticket hidden in a network eight times as wide, among random weights that carry the task too: which method finds it?

A small network of 16 hidden units is trained on digits. Its units take the places of a random eighth of those of a network with
128, scaled so that in every layer its weights are as large as the random ones. The other units read the same digits, so random
features alone do far better than guessing, and a method may find other tickets than the planted one. Every search, magnitude
pruning and every mask criterion keeps an eighth of the weights of every layer: as many as were planted. A method is judged by

    recall      the share of the planted weights that it keeps; by chance an eighth, with a standard error of a hundredth
    accuracy    of the untrained network under its mask; the planted ticket has that of the small network

The table in docs/choosing-a-ticket.md has what these tests compute, and is compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.claims.masking_is_training.named import CRITERIA
from ticketlab.networks import MLP, Network
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, Digits, Task
from ticketlab.tickets import Binarised, Biprop, EdgePopup, LayerWise, ScoredMask, Supermask, full_mask
from ticketlab.tickets.criterion import Seen, chosen
from ticketlab.tickets.magnitude import Search, first_level, next_level, trained
from ticketlab.tickets.masks import Mask, over_parameters
from ticketlab.training import Adam, Cosine, Replicas, TrainingData, TrainingPlan, stack, train

pytestmark = pytest.mark.slow

SMALL, LARGE = 16, 128
DENSITY = SMALL / LARGE
STEPS = 3000
SEARCHES: dict[str, tuple[ScoredMask, float]] = {
    "edge-popup": (EdgePopup(), 0.01),
    "supermask": (Supermask(), 0.3),
    "biprop": (Biprop(), 0.01),
}
PRUNING = "magnitude pruning"
METHODS = (*SEARCHES, PRUNING, *CRITERIA)
TABLE = Path(__file__).parents[2] / "docs" / "choosing-a-ticket.md"


@dataclass(frozen=True)
class Hidden:
    """The large network with the ticket in it.

    Arguments:
        network, params: as they are before any search.
        planted: the mask of the ticket.
        task: what is learnt.
    """

    network: Network
    params: Any
    planted: Mask
    task: Task

    @property
    def data(self) -> TrainingData:
        return TrainingData.of(self.task)

    def accuracy(self, params: Any, mask: Mask | None = None) -> float:
        """Of the network under a mask, without training."""
        if mask is not None:
            params = jax.tree.map(lambda a, m: a * m, params, over_parameters(mask, params))
        outputs = jax.jit(self.network.apply)(params, self.task.test.x)
        return float(np.mean(self.task.scores(np.asarray(outputs), self.task.test)))

    def recall(self, mask: Mask) -> float:
        """The share of the planted weights that a mask keeps."""
        kept = sum(int(np.sum(mask[n] & p)) for n, p in self.planted.items())
        return kept / sum(int(np.sum(p)) for p in self.planted.values())


def plan(step_size: float, steps: int = STEPS) -> TrainingPlan:
    return TrainingPlan(
        steps=steps, batch=60, optimiser=Adam(step_size), schedule=Cosine(steps), evaluate_every=500
    )


@cache
def hidden(signs: bool) -> Hidden:
    """Biprop masks a network of signs, so what is planted for it has binary weights."""
    task = Digits(train=1000, validation=200, test=597).task(seed=0)
    small = MLP((SMALL,), bias=False).build(task.input_shape, task.outputs)
    given = stack([small.init(jax.random.key(0))])
    seen = Binarised.of(small) if signs else None
    replicas = Replicas(given, jax.random.split(jax.random.key(1), 1), effective=seen)
    found = train(small, SOFTMAX_CROSS_ENTROPY, TrainingData.of(task), plan(0.01), replicas)
    ticket = jax.tree.map(lambda a: jnp.asarray(a)[0], found.params)
    ticket = ticket if seen is None else seen(ticket, None, jax.random.key(0))
    network = MLP((LARGE,), bias=False).build(task.input_shape, task.outputs)
    params = jax.tree.map(np.array, network.init(jax.random.key(2)))
    units = np.random.default_rng(0).permutation(LARGE)[:SMALL]
    planted = {name: np.zeros(array.shape, bool) for name, array in full_mask(network).items()}
    for name, place in (("dense1", np.s_[:, units]), ("output", np.s_[units])):
        weights, values = params[name]["weight"], np.asarray(ticket[name]["weight"])
        weights[place] = values * np.sqrt(np.mean(weights**2) / np.mean(values**2))
        planted[name][place] = True
    return Hidden(network, params, planted, task)


def searched(of: Hidden, method: ScoredMask, step_size: float) -> tuple[Mask, float]:
    keys = jax.random.split(jax.random.key(5), 2)
    given = method.replicas(of.network, stack([of.params]), DENSITY, keys[:1], keys[1:])
    result = train(of.network, SOFTMAX_CROSS_ENTROPY, of.data, plan(step_size), given)
    (mask,) = method.masks(of.network, result.params, DENSITY)
    params = jax.tree.map(jnp.asarray, of.params)
    return mask, of.accuracy(method.ticket(params, mask))


def pruned(of: Hidden) -> Mask:
    """Three rounds of half of the weights each, rewound to the start."""
    search = Search(
        of.network,
        SOFTMAX_CROSS_ENTROPY,
        of.data,
        TrainingPlan(steps=600, batch=60, optimiser=Adam(4e-3), evaluate_every=100),
        stack([of.params]),
        jax.random.split(jax.random.key(6), 1),
        LayerWise(fraction=0.5, output=0.5),
    )
    level = first_level(search)
    for _ in range(3):
        level = next_level(search, trained(search, level, 600))
    return level.masks[0]


@cache
def seen() -> Seen:
    """What the criteria look at: the network, and where training takes it."""
    of = hidden(False)
    replicas = Replicas(stack([of.params]), jax.random.split(jax.random.key(6), 1))
    found = train(
        of.network,
        SOFTMAX_CROSS_ENTROPY,
        of.data,
        TrainingPlan(steps=600, batch=60, optimiser=Adam(4e-3), evaluate_every=100),
        replicas,
    )
    final = jax.tree.map(lambda a: np.asarray(a)[0], found.params)
    x, y = of.task.train.x, of.task.train.targets
    return Seen(of.network, of.params, final, SOFTMAX_CROSS_ENTROPY, x, y, jax.random.key(7))


@cache
def found(method: str) -> tuple[float, float]:
    """Recall and accuracy."""
    of = hidden(method == "biprop")
    if method in SEARCHES:
        mask, accuracy = searched(of, *SEARCHES[method])
        return of.recall(mask), accuracy
    counts = {name: round(DENSITY * array.size) for name, array in of.planted.items()}
    mask = pruned(of) if method == PRUNING else chosen(CRITERIA[method], seen(), counts)
    return of.recall(mask), of.accuracy(of.params, mask)


def words(method: str, recall: float, accuracy: float) -> tuple[str, str]:
    """Whether it finds the planted weights, and whether its mask does the task."""
    of = hidden(method == "biprop")
    sure = 3 * np.sqrt(DENSITY * (1 - DENSITY) / sum(int(np.sum(p)) for p in of.planted.values()))
    finds = "half of it" if recall > 0.5 else "above chance" if recall > DENSITY + sure else "chance"
    ticket = of.accuracy(of.params, of.planted)
    does = "does the task" if accuracy > ticket - 0.02 else "in part" if accuracy > 0.5 else "does not"
    return finds, does


def in_the_docs() -> dict[str, tuple[float, float, tuple[str, str]]]:
    """Recall, accuracy and what is said of both by method, from the table."""
    rows = {}
    for line in TABLE.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if cells[0] in METHODS and len(cells) == 5:
            rows[cells[0]] = (float(cells[1]) / 100, float(cells[2]) / 100, (cells[3], cells[4]))
    return rows


def test_the_random_weights_carry_the_task_too() -> None:
    """Where nothing is planted, edge-popup finds a ticket that is equally good, without the planted weights."""
    of = hidden(False)
    ticket = of.accuracy(of.params, of.planted)
    assert ticket > 0.9
    assert of.accuracy(of.params) < ticket - 0.03  # what is not the ticket is in its way
    plain = jax.tree.map(np.array, of.network.init(jax.random.key(2)))
    mask, accuracy = searched(Hidden(of.network, plain, of.planted, of.task), *SEARCHES["edge-popup"])
    assert accuracy > ticket - 0.02
    assert abs(of.recall(mask) - DENSITY) < 0.04


@pytest.mark.parametrize("method", METHODS)
def test_what_each_method_finds_is_what_the_docs_say(method: str) -> None:
    recall, accuracy = found(method)
    said = in_the_docs()[method]
    assert recall == pytest.approx(said[0], abs=0.05)
    assert accuracy == pytest.approx(said[1], abs=0.05)
    assert words(method, *said[:2]) == said[2]


def test_the_docs_name_every_method_once() -> None:
    assert list(in_the_docs()) == list(METHODS)
