"""The colours and signs of the page, in light and in dark, said once for charts and text.

Hues are those of Okabe and Ito, which colour-blind readers tell apart, darkened or lightened until each has a contrast of at
least 3 with its background, and of 4.5 where it writes words (blue and vermilion). No meaning hangs on colour alone: every
series also has its own symbol or dash. Charts are drawn with the light palette; the page's script exchanges each colour for
its dark counterpart when the reader's system is dark.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DARK", "LIGHT", "Mark", "Palette", "dark_of", "ramp", "variable"]


@dataclass(frozen=True)
class Palette:
    """Named colours: `ink` and `soft` write, `rule` and `faint` draw lines, `wash` and `band` fill, hues tell series apart.

    `ramp` is for ordered values (step sizes): steps of lightness away from the background, so that order survives without hue.
    """

    paper: str
    ink: str
    soft: str
    rule: str
    faint: str
    wash: str
    band: str
    blue: str
    vermilion: str
    green: str
    orange: str
    purple: str
    ramp: tuple[str, ...]

    def named(self) -> dict[str, str]:
        """Every colour by name, those of the ramp as "ramp-0", …"""
        single = {name: colour for name, colour in vars(self).items() if name != "ramp"}
        return {**single, **{f"ramp-{i}": colour for i, colour in enumerate(self.ramp)}}

    def css(self) -> str:
        """As custom properties of a style sheet."""
        return " ".join(f"--{name}: {colour};" for name, colour in self.named().items())


LIGHT = Palette(
    paper="#ffffff",
    ink="#1a1d21",
    soft="#59616a",
    rule="#d5dae0",
    faint="#e9ecef",
    wash="#f5f7f9",
    band="rgba(0, 114, 178, 0.11)",
    blue="#0072b2",
    vermilion="#c45100",
    green="#008f68",
    orange="#b37700",
    purple="#b5598c",
    ramp=("#7fb3d9", "#659fcb", "#4a89ba", "#3274a8", "#1f5d91", "#124676", "#0a3058"),
)
DARK = Palette(
    paper="#14171b",
    ink="#e9ebee",
    soft="#a4adb7",
    rule="#3a424b",
    faint="#272d34",
    wash="#1c2126",
    band="rgba(86, 180, 233, 0.16)",
    blue="#56b4e9",
    vermilion="#ff8a4c",
    green="#2cc295",
    orange="#e9b13b",
    purple="#e39cc5",
    ramp=("#41749c", "#4b86b2", "#5899c7", "#6cacdb", "#88c1ea", "#abd6f5", "#d3ebfc"),
)


def ramp(count: int) -> list[str]:
    """`count` colours in order, faint to strong, spread over the ramp (repeating neighbours beyond its length)."""
    last = len(LIGHT.ramp) - 1
    return [LIGHT.ramp[round(i * last / (count - 1)) if count > 1 else last] for i in range(count)]


def dark_of() -> dict[str, str]:
    """Each light colour's dark counterpart."""
    return dict(zip(LIGHT.named().values(), DARK.named().values(), strict=True))


def variable(colour: str) -> str:
    """A light colour as the custom property that follows light and dark."""
    return f"var(--{next(name for name, value in LIGHT.named().items() if value == colour)})"


@dataclass(frozen=True)
class Mark:
    """How one series looks: a colour, and a symbol or a dash (plotly's names); `line` if it is drawn as a line."""

    label: str
    colour: str
    symbol: str = "circle"
    dash: str = "solid"
    line: bool = False
