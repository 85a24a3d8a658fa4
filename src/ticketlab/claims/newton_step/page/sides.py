"""The words and signs that all figures of this claim share: its arms in their two forms, and shares in per cent."""

from __future__ import annotations

from collections.abc import Iterator

from ticketlab.evidence.tables import Table
from ticketlab.figures.palette import LIGHT, Mark
from ticketlab.figures.setting import Setting
from ticketlab.figures.spread import Spread, spread

__all__ = [
    "DAMPED",
    "FORMS",
    "GRADIENT",
    "NEWTON",
    "START",
    "STEPS",
    "STOPPED",
    "TRAINED",
    "TWIN",
    "forms_in",
    "of_arm",
]

TRAINED, TWIN, START = "gradient descent", "second training", "random start"
NEWTON, DAMPED, GRADIENT, STOPPED = "Newton step", "damped Newton step", "gradient step", "stopped flow"
STEPS = (GRADIENT, NEWTON, DAMPED, STOPPED, TWIN)
FORMS = {
    "tangent": Mark("to first order, in the tangent space", LIGHT.blue, "diamond"),
    "network": Mark("the network itself", LIGHT.green, "triangle-up"),
}


def of_arm(table: Table, setting: Setting, arm: str, form: str, column: str, factor: float = 100.0) -> Spread:
    """An arm's numbers in one setting and form, in per cent."""
    return spread(factor * setting.of(table, arm=arm, form=form)[column])


def forms_in(table: Table, setting: Setting, arm: str) -> Iterator[str]:
    """The forms in which an arm was measured."""
    present = set(setting.of(table, arm=arm)["form"].tolist())
    return (form for form in FORMS if form in present)
