"""A random teacher: another random network whose answers are the labels of a task that can be learnt.

Training on permuted labels learns nothing that helps with test examples, so its network has nothing that could be lost there.
A *teacher* has the architecture of the network and other random parameters. Its labels are a function of the inputs:

    y(x) = argmax_k (t_k(x) − mean_k)/sd_k,   t = f(·, θ_teacher)

with the mean and the standard deviation of each output over the training inputs, so that no class takes nearly all of them.
"""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
from jaxtyping import Float

from ticketlab.claims.same_ticket.tables import PERMUTED, TEACHER
from ticketlab.claims.start import each_part, evaluated, permuted_labels
from ticketlab.networks.network import Network
from ticketlab.tasks.task import Split, Task

__all__ = ["control_tasks", "taught"]


def control_tasks(task: Task, network: Network, seed: int) -> dict[str, Task]:
    """The same inputs with other labels, by the control that learns them."""
    return {PERMUTED: permuted_labels(task, seed), TEACHER: taught(task, network, seed)}


def taught(task: Task, network: Network, seed: int) -> Task:
    """The task with the labels of a random teacher in every part.

    Arguments:
        network: the architecture of the teacher.
        seed: draws its parameters, independently of all that a seed draws elsewhere.
    """
    teacher = network.init(jax.random.fold_in(jax.random.key(seed), 6))
    outputs = evaluated(network, teacher, task, task.train)
    mean, deviation = outputs.mean(axis=0), outputs.std(axis=0)

    def labelled(part: Split) -> Split:
        return _answered(
            part, (evaluated(network, teacher, task, part) - mean) / np.maximum(deviation, 1e-12)
        )

    return each_part(task, labelled)


def _answered(part: Split, outputs: Float[np.ndarray, "n k"]) -> Split:
    """The examples with the classes that outputs give."""
    labels = np.argmax(outputs, axis=1)
    return replace(part, targets=np.eye(outputs.shape[1], dtype=np.float32)[labels], labels=labels)
