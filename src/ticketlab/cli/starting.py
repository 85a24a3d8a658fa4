"""`--start FILE`: a plan's own network, started at the parameters of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ticketlab.choices import Family
from ticketlab.errors import UserError
from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP
from ticketlab.networks.pretrained import Pretrained
from ticketlab.plans import parse_choice

__all__ = ["started"]

STARTS = Family("start", {"pretrained": Pretrained}, from_path=lambda path: Pretrained(path))


def started(plan: Any, text: str, claim: str) -> Any:
    """The plan with its network started at a file.

    Arguments:
        text: the file, with or without fields: `first.safetensors:anew=output`.
        claim: for messages.

    Raises:
        UserError: for a plan without a network, or whose network has a start; where the claim needs random starts.
    """
    choice = parse_choice(text, STARTS)
    if choice.base != MLP():
        raise UserError(f"base= in --start {text}", "the file's network as --network")
    if not isinstance(getattr(plan, "network", None), Architecture):
        raise UserError(
            f"--start for {claim}", "a claim with one network", "Its plan has none that could start there."
        )
    return replace(plan, network=replace(choice, base=plan.network))
