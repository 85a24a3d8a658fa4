"""Stages fitted to the shapes that reach them: the layers of a whole network, their names, and the read-out layer.

Layers are named `conv1`, …, `dense1`, …, `output`. A normalisation takes its name from the layer before it, `conv1-norm`, and
so does the second layer of a stage that has two, `gru1-recurrent`.
JAX sorts dictionaries, so names sort in order of depth. The shortcut of a residual sum counts as the layer after its body.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ticketlab.errors import UserError
from ticketlab.networks.initialisation import Initialisation, Parameterisation
from ticketlab.networks.layers import Parametrised, Shape
from ticketlab.networks.stages.stage import Fitting, Stage, Step, fitted

__all__ = ["fit"]


def fit(
    stages: Sequence[Stage],
    shape: Shape,
    bias: bool,
    parameterisation: Parameterisation,
    initialisation: Initialisation,
) -> tuple[Step, ...]:
    """The stages fitted to an input shape.

    Raises:
        UserError: if a stage cannot take the shape that reaches it, or there is no layer.
    """
    layers: list[Parametrised] = []

    def counted(stage: Parametrised) -> str:
        layers.append(stage)
        return ""

    fitting = Fitting(counted, bias, parameterisation, initialisation)
    fitted(stages, shape, fitting)  # first without names, which depend on the number of layers
    if not any(stage.weighted for stage in layers):
        raise UserError("a network without layers", "at least one dense layer or convolution")
    names = _names(layers)
    hidden = [
        name for name, stage in zip(names, layers, strict=True) if stage.weighted and not stage.continues
    ][:-1]
    naming = iter(names)
    fitting = replace(fitting, name=lambda _: next(naming), first=hidden[0] if hidden else "")
    steps = list(fitted(stages, shape, fitting))
    if stages[-1].reads_out:
        steps[-1] = steps[-1].marked(readout=True)
        behind = next((i for i in reversed(range(len(stages) - 1)) if not stages[i].gates), None)
        if behind is not None and (drawn := steps[behind].drawn) and drawn.layer.stage.weighted:
            steps[behind] = steps[behind].marked(gated=True)
    return tuple(steps)


def _names(layers: Sequence[Parametrised]) -> list[str]:
    """conv1, conv1-norm, conv2, dense1, output, …; with ten layers or more, zeros pad the numbers to keep them sorted."""
    numbered = [i for i, stage in enumerate(layers) if stage.weighted and not stage.continues]
    digits = len(str(len(numbered)))
    names: list[str] = []
    for i, stage in enumerate(layers):
        if not stage.weighted or stage.continues:
            names.append(f"{names[-1] if names else 'before'}-{stage.prefix}")
        elif i == numbered[-1]:
            names.append("output")
        else:
            count = sum(other.prefix == stage.prefix for other in layers[: i + 1])
            names.append(f"{stage.prefix}{count:0{digits}d}")
    return names
