"""A planted ticket: the searches find a small trained network hidden in a large random one, and nothing if there is none.

The inputs are digits and equally many inputs of pure noise. The small network reads the digits. In the large one its
units are a random quarter; what they read of the noise is random, and so are all other units, which read nothing but
noise. Whatever does better than guessing has to use the planted weights, and to be as good as they are it has to remove
the others. For masks over signs the planted weights are signs with a gain.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ticketlab.networks import MLP, Network
from ticketlab.tasks import SOFTMAX_CROSS_ENTROPY, Digits, Task
from ticketlab.tickets import Binarised, Biprop, EdgePopup, ScoredMask, Supermask
from ticketlab.training import Adam, Cosine, Replicas, Resources, TrainingData, TrainingPlan, stack, train

pytestmark = pytest.mark.usefixtures("optimised_training")  # thousands of steps
SEEN, SMALL, LARGE, DENSITY, DRAWS, SEARCHES = 64, 16, 64, 0.25, 10, 3
PLAN = TrainingPlan(steps=3000, batch=60, optimiser=Adam(0.01), schedule=Cosine(3000), evaluate_every=500)


@dataclass(frozen=True)
class Field:
    """The large network with the ticket in it, what is learnt, and how well the ticket does it."""

    network: Network
    params: Any
    units: np.ndarray
    data: TrainingData
    test: np.ndarray
    labels: np.ndarray
    accuracy: float


@cache
def field(signs: bool) -> Field:
    task: Task = Digits(train=1000, validation=200, test=597).task(seed=0)
    rng = np.random.default_rng(0)

    def beside_noise(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(len(x), -1)
        return np.concatenate([flat, rng.normal(size=flat.shape)], axis=1).astype(np.float32)

    # Each digit has many draws of noise, to prevent memorisation. With 10, biprop keeps a tenth of it; with 40, 3 to 4 %.
    again = np.tile(np.arange(len(task.train)), DRAWS * (4 if signs else 1))
    parts = [beside_noise(x) for x in (task.train.x[again], task.validation.x, task.test.x)]
    small = MLP((SMALL,), bias=False).build((SEEN,), 10)
    count = (
        3 if signs else 1
    )  # networks of signs learn more or less well: the best on validation data is planted
    given = stack([small.init(jax.random.key(i)) for i in range(count)])
    digits = TrainingData(parts[0][:, :SEEN], task.train.targets[again])
    seen = Binarised.of(small) if signs else None
    replicas = Replicas(given, jax.random.split(jax.random.key(1), count), effective=seen)
    found = train(small, SOFTMAX_CROSS_ENTROPY, digits, PLAN, replicas, resources=Resources(lanes=1))

    def right(params: Any, x: np.ndarray, labels: np.ndarray | None) -> float:
        return float(np.mean(np.argmax(jax.jit(small.apply)(params, x[:, :SEEN]), axis=1) == labels))

    each = [jax.tree.map(lambda a, i=i: jnp.asarray(a)[i], found.params) for i in range(count)]
    each = each if seen is None else [seen(params, None, jax.random.key(0)) for params in each]
    planted = max(each, key=lambda params: right(params, parts[1], task.validation.labels))
    network = MLP((LARGE,), bias=False).build((2 * SEEN,), 10)
    params = jax.tree.map(np.array, network.init(jax.random.key(2)))
    units = rng.permutation(LARGE)[:SMALL]
    params["dense1"]["weight"] *= 4  # the noise is as loud as the ticket
    params["dense1"]["weight"][:SEEN] = 0
    params["dense1"]["weight"][:SEEN, units] = planted["dense1"]["weight"]
    params["output"]["weight"][units] = planted["output"]["weight"]
    data = TrainingData(parts[0], task.train.targets[again], parts[1], task.validation.targets)
    assert task.test.labels is not None
    accuracy = right(planted, parts[2], task.test.labels)
    return Field(network, params, units, data, parts[2], task.test.labels, accuracy)


def searches(
    method: ScoredMask, of: Field, params: Any, optimiser: Adam, count: int = 1
) -> list[tuple[Any, dict[str, np.ndarray]]]:
    """Tickets with their masks, each search from scores of its own."""
    keys = jax.random.split(jax.random.key(5), 2 * count)
    given = method.replicas(of.network, stack([params] * count), DENSITY, keys[:count], keys[count:])
    plan = TrainingPlan(
        steps=PLAN.steps, batch=60, optimiser=optimiser, schedule=PLAN.schedule, evaluate_every=500
    )
    result = train(of.network, SOFTMAX_CROSS_ENTROPY, of.data, plan, given)
    masks = method.masks(of.network, result.params, DENSITY)
    return [(method.ticket(params, mask), mask) for mask in masks]


METHODS = {
    "edge-popup": (EdgePopup(), Adam(0.03)),
    "supermask": (Supermask(), Adam(0.3)),
    "biprop": (Biprop(), Adam(0.01)),
}
AS_IT_IS = {
    "edge-popup as it is": (EdgePopup(scaled=False), Adam(0.01)),
    "supermask as it is": (Supermask(rescale=False), Adam(0.3)),
}
each_method = pytest.mark.parametrize(
    ("method", "optimiser"),
    [
        *(
            pytest.param(*case, id=name, marks=() if name == "biprop" else pytest.mark.slow)
            for name, case in METHODS.items()
        ),
        *(pytest.param(*case, id=name, marks=pytest.mark.slow) for name, case in AS_IT_IS.items()),
    ],
)


def score(params: Any, of: Field, x: np.ndarray) -> float:
    outputs = jax.jit(of.network.apply)(params, x)
    return float(np.mean(np.argmax(outputs, axis=1) == of.labels))


def moved_by_noise(params: Any, of: Field) -> float:
    """The mean square by which other noise moves the outputs, as a share of their variance."""
    other = of.test.copy()
    other[:, SEEN:] = np.random.default_rng(1).permutation(other[:, SEEN:])
    here, there = (np.asarray(jax.jit(of.network.apply)(params, x)) for x in (of.test, other))
    return float(np.mean((here - there) ** 2) / (2 * here.var(axis=0).mean()))


@each_method
def test_a_planted_ticket_is_found(method: ScoredMask, optimiser: Adam) -> None:
    of = field(isinstance(method, Biprop))
    params = jax.tree.map(jnp.asarray, of.params)
    found = searches(method, of, params, optimiser, SEARCHES)
    assert of.accuracy > 0.9
    assert score(params, of, of.test) < of.accuracy - 0.1  # what is not the ticket is in its way
    # One search varies by nearly a point on these 597 examples.
    assert np.mean([score(ticket, of, of.test) for ticket, _ in found]) > of.accuracy - 0.02
    ticket, mask = found[0]
    assert moved_by_noise(ticket, of) < moved_by_noise(params, of) / 10
    planted = np.isin(np.arange(LARGE), of.units)
    assert mask["dense1"][:SEEN, planted].mean() > mask["dense1"][SEEN:, planted].mean() + 0.2


@each_method
def test_where_nothing_is_planted_nothing_is_found(method: ScoredMask, optimiser: Adam) -> None:
    of = field(isinstance(method, Biprop))
    params = jax.tree.map(np.array, of.params)
    params["dense1"]["weight"][:SEEN] = 0
    ((ticket, _),) = searches(method, of, params, optimiser)
    assert score(ticket, of, of.test) < 0.2
