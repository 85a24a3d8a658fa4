"""Stages for sequences: their limits are not implemented. They are refused before anything is computed, with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ticketlab.infinite.rules.rules import refuse
from ticketlab.networks.stages import (
    GRU,
    LSTM,
    Attention,
    CausalConvolution,
    Embedding,
    EveryStep,
    FeedForward,
    LastStep,
    PerStep,
    Positions,
    Rows,
    Stage,
)
from ticketlab.networks.stages.stage import Step

__all__ = ["refuse_sequences"]

_REASONS: tuple[tuple[tuple[type[Stage], ...], str], ...] = (
    (
        (GRU, LSTM),
        "whose gates multiply each other and reuse their weights at every step, for which no limit is implemented",
    ),
    (
        (Attention,),
        "whose limit depends on how the number of heads grows with their size, and is not implemented",
    ),
    (
        (Rows, LastStep, PerStep, EveryStep, FeedForward, Embedding, Positions, CausalConvolution),
        "whose covariances between the steps of a sequence are not implemented",
    ),
)


def refuse_sequences(steps: Sequence[Step]) -> None:
    """Raises a UserError if any stage is one for sequences."""
    stages = list(_stages(steps))
    for kinds, reason in _REASONS:
        for stage in stages:
            if isinstance(stage, kinds):
                raise refuse(
                    f"a stage {type(stage).__name__.lstrip('_')}",
                    reason,
                    "Average the empirical kernel of wide networks (ticketlab.tangent.averaged_kernel).",
                )


def _stages(steps: Sequence[Step]) -> Iterator[Stage]:
    for step in steps:
        yield step.stage
        yield from _stages((*step.body, *step.shortcut))
