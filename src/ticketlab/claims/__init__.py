"""The claims that can be put to the test, one folder each; the list of them is the list of folders.

    claims/<claim>/claim.py    what is asked: the plan, the texts, the cells; the class is named as the folder
    claims/<claim>/formula.py  what the claim says, as questions under a formula
    claims/<claim>/planted.py  its tables from a planted truth, for the calibration; `learned/` has those of two claims
    claims/<claim>/cell.py     what is measured: `measure(plan, cell, draft, progress, devices) -> tables`; needs JAX
    claims/<claim>/page.py     what is drawn: `present(record) -> Presentation`; without it a page has the forest of verdicts

`claim.py` imports neither `cell.py` nor the page: they are found by the folder. Files directly in this folder, and `learned/`,
are what several claims share.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["CLAIMS", "page_of"]


def _listed() -> dict[str, str]:
    folders = sorted(file.parent.name for file in Path(__file__).parent.glob("*/claim.py"))
    return {name.replace("_", "-"): f"{__name__}.{name}.claim:{_class_of(name)}" for name in folders}


def _class_of(folder: str) -> str:
    """`tangent_minimum` has the class `TangentMinimum`."""
    return "".join(word.capitalize() for word in folder.split("_"))


CLAIMS: dict[str, str] = _listed()
"""The study of each claim, as "module:class"."""


def page_of(claim: str) -> Callable[..., Any] | None:
    """What makes the presentation of a claim's runs; None for a claim without a page of its own."""
    module = CLAIMS.get(claim, ":").partition(":")[0].removesuffix(".claim") + ".page"
    if claim not in CLAIMS or importlib.util.find_spec(module) is None:
        return None
    present: Callable[..., Any] = importlib.import_module(module).present
    return present
