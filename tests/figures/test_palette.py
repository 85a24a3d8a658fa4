"""Colours that can be told apart: enough contrast with the background, in light and in dark, and never colour alone."""

import importlib
import pkgutil

import pytest

from ticketlab import claims, figures
from ticketlab.claims.tangent_minimum.page import ARMS
from ticketlab.figures.key import DASHES
from ticketlab.figures.palette import DARK, LIGHT, Mark, dark_of, ramp

HUES = ("blue", "vermilion", "green", "orange", "purple")


def luminance(colour: str) -> float:
    """Relative luminance of sRGB, as in WCAG 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_with_the_background(palette):
    for name in HUES:
        assert contrast(getattr(palette, name), palette.paper) >= 3, name
    assert contrast(palette.ink, palette.paper) >= 12
    assert contrast(palette.soft, palette.paper) >= 4.5
    assert contrast(palette.soft, palette.wash) >= 4.5
    for name in ("blue", "vermilion"):  # also the colour of words: links and badges, which are large or bold
        assert contrast(getattr(palette, name), palette.paper) >= 4, name


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_the_ramp_moves_away_from_the_background(palette):
    contrasts = [contrast(colour, palette.paper) for colour in palette.ramp]
    assert contrasts == sorted(contrasts)
    assert contrasts[0] >= 2


def test_every_light_colour_has_one_dark_counterpart():
    assert len(dark_of()) == len(LIGHT.named()) == len(set(dark_of().values()))


def test_ramps_of_any_length():
    assert ramp(1) == [LIGHT.ramp[-1]]
    assert ramp(7) == list(LIGHT.ramp)
    assert (ramp(3)[0], ramp(3)[-1]) == (LIGHT.ramp[0], LIGHT.ramp[-1])
    assert len(ramp(12)) == 12


def test_arms_differ_in_symbol_and_in_colour():
    assert len({m.symbol for m in ARMS.values()}) == len({m.colour for m in ARMS.values()}) == len(ARMS)


def marks() -> dict[str, Mark]:
    """Every mark of the figures and of the claims' pages, by where it is."""
    modules = [*pkgutil.walk_packages(figures.__path__, "ticketlab.figures.")]
    modules += [m for m in pkgutil.walk_packages(claims.__path__, "ticketlab.claims.") if ".page" in m.name]
    found = {}
    for module in modules:
        for name, value in vars(importlib.import_module(module.name)).items():
            several = value.values() if isinstance(value, dict) else [value]
            found |= {f"{module.name}.{name} {i}": m for i, m in enumerate(several) if isinstance(m, Mark)}
    return found


def test_every_mark_can_be_drawn_in_a_key() -> None:
    assert len(marks()) > 20
    assert {where: m.dash for where, m in marks().items() if m.dash not in DASHES} == {}
