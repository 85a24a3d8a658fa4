"""`ticketlab pretrain`: trains one network and writes its parameters as a start for `--start`.

With permuted labels it is a control: a start that was trained as long, on examples and labels that have nothing to do with one
another. It trains to the last step, because the best point on permuted labels would be the random start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro

from ticketlab.cli.options import parse
from ticketlab.engine.controls import shown
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.tasks.sources import Digits, TaskSource
from ticketlab.training.optimisers import Adam, Optimiser

if TYPE_CHECKING:
    from ticketlab.networks.network import Network, Params
    from ticketlab.tasks.task import Task

__all__ = ["pretrain"]

DESCRIPTION = "Trains one network and writes its parameters as a safetensors file, for `ticketlab run CLAIM --start FILE`."
FORMAT = "ticketlab start 1"


@dataclass(frozen=True)
class _Pretrain:
    """What is asked.

    Arguments:
        task: the data; the training part is trained on.
        network: the network.
        out: the file.
        seed: of the split, the random start and the data order.
        steps: of training; the parameters at the last one are written.
        batch: examples in a step, or all there are where that is fewer.
        optimiser: how a step is taken.
        permuted_labels: whether the labels are permuted first, so that there is nothing to learn: a control.
    """

    task: TaskSource = field(default_factory=Digits)
    network: Architecture = field(default_factory=lambda: MLP(widths=(128, 128)))
    out: Annotated[Path, tyro.conf.arg(help="the file that is written")] = Path("start.safetensors")
    seed: int = 0
    steps: int = 1000
    batch: int = 64
    optimiser: Optimiser = field(default_factory=Adam)
    permuted_labels: bool = False


def pretrain(words: Sequence[str], studies: Mapping[str, str]) -> int:
    """`ticketlab pretrain [options]`."""
    asked = parse(_Pretrain, words, command="pretrain", description=DESCRIPTION)
    if not 0 <= asked.seed < 2**31:
        raise UserError(f"--seed {asked.seed}", f"a number from 0 to {2**31 - 1}")
    if asked.steps < 1:
        raise UserError(f"--steps {asked.steps}", "at least 1")
    if asked.out.is_dir():
        raise UserError(f"--out {asked.out}, which is a folder", "a file, or an unused name")
    if not asked.out.parent.is_dir():
        raise UserError(f"--out {asked.out}, in a folder that does not exist", "a file in a folder that does")
    for text in _data_notes(asked):
        print(shown(f"task: {text}"))
    for line in write_start(asked):
        print(shown(line))
    return 0


def _data_notes(asked: _Pretrain) -> Iterator[str]:
    """The target if it has a name, and what was guessed or left out, as a run says it."""
    from ticketlab.store.data import read_data

    own = read_data(asked)["task"]
    if own.target:
        yield f"The target is {own.target!r}."
    yield from own.notes


def write_start(asked: _Pretrain) -> list[str]:
    """Trains, writes the file, and returns what to say of it."""
    from safetensors.numpy import save

    from ticketlab.claims.start import built, drawn_task, network_scores, permuted_labels
    from ticketlab.networks.start_file import TRAINED_ON
    from ticketlab.store.whole import write_whole

    task = drawn_task(asked.task, asked.seed)
    task = permuted_labels(task, asked.seed) if asked.permuted_labels else task
    network = built(asked.network, task.input_shape, task.outputs)
    params = _trained(asked, task, network)
    labels = "permuted" if asked.permuted_labels else "as they are"
    about = {"format": FORMAT, "network": network.name, "task": task.name, "labels": labels}
    about[TRAINED_ON] = asked.task.load().content_hash
    write_whole(asked.out, content := save(_arrays(network, params), metadata=about))
    parts = {"training": task.train, "test": task.test}
    scores = {name: np.mean(network_scores(network, params, task, part)) for name, part in parts.items()}
    return [
        f"start     {asked.out}",
        f"SHA-256   {hashlib.sha256(content).hexdigest()}",
        f"network   {network.name}, {asked.steps} steps, labels {labels}",
        f"scores    {', '.join(f'{name} {score:.3f}' for name, score in scores.items())}",
    ]


def _trained(asked: _Pretrain, task: Task, network: Network) -> Params:
    """The parameters at the last step."""
    import jax

    from ticketlab import training
    from ticketlab.claims.start import loss_of, score_of, training_plan

    start, order = jax.random.split(jax.random.key(asked.seed))
    result = training.train(
        network,
        loss_of(task),
        training.TrainingData.of(task),
        training_plan(asked, task, score=score_of(task), evaluate_every=asked.steps),
        training.Replicas(training.stack([network.init(start)]), order),
    )
    if result.endings[0] is training.Ending.DIVERGED:
        raise NumericalFailure(
            f"Training diverged: use a smaller step size than {asked.optimiser.step_size:g}."
        )
    return jax.device_get(jax.tree.map(lambda a: a[0], result.params))


def _arrays(network: Network, params: Params) -> dict[str, np.ndarray]:
    """In the model's own format if it has one."""
    from ticketlab.networks.start_file import named_parameters

    if network.own_format is not None:
        return {name: np.ascontiguousarray(a) for name, a in network.own_format.state(params).items()}
    return {name: np.ascontiguousarray(a) for name, a in named_parameters(params)}
