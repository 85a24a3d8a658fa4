"""What is left to be trained of a network whose first layers stay as they were drawn: a smaller network of their outputs.

The stages below the first layer that moves are computed once for every example. A step then costs what the others cost, and a
program is compiled of them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from ticketlab.claims.start import each_part
from ticketlab.networks.network import Network, Params, pure_network
from ticketlab.networks.stages.stage import drawn_layers, reached, through
from ticketlab.networks.walk import Walk
from ticketlab.tasks.task import Task

__all__ = ["upper_part"]


def upper_part(
    network: Network, params: Params, task: Task, still: Sequence[str]
) -> tuple[Network, Params, Task]:
    """The network above the stages that no training changes, its parameters, and the task of what these stages give.

        f(x, θ) = g(h(x, θ_below), θ_above)

    Arguments:
        network: f, with a description of its stages.
        params: θ.
        still: names of layers that stay.

    Returns: g, θ_above, and the task with h(x, θ_below) in place of x. A block is cut nowhere, so θ_above may have layers that
        stay. A network that normalises over the batch comes back whole: its statistics are those of all layers.
    """
    if not still or network.statistics is not None:
        return network, params, task
    below, above = _cut(network, tuple(still))
    left = {name: params[name] for name in jax.eval_shape(above.init, jax.random.key(0))}
    return above, left, each_part(task, lambda part: replace(part, x=np.asarray(below(params, part.x))))


@lru_cache(maxsize=32)
def _cut(network: Network, still: tuple[str, ...]) -> tuple[Callable[[Params, Any], Any], Network]:
    """The function of the stages below the first that has a layer that moves, and the network of the others."""
    names = [{drawn.layer.name for drawn in drawn_layers([step])} for step in network.steps]
    at = next(i for i, of in enumerate(names) if not of <= set(still))
    below, above = network.steps[:at], network.steps[at:]
    left = set().union(*names[at:])

    def init(key: jax.Array) -> Params:
        return {name: of for name, of in network.init(key).items() if name in left}

    return jax.jit(lambda params, x: through(below, Walk(params), x)), pure_network(
        init,
        lambda params, a: through(above, Walk(params), a),
        input_shape=reached([step.stage for step in below], network.input_shape),
        outputs=network.outputs,
        name=f"{network.name}, above {' and '.join(still)}",
    )
