"""Numbers as they are read: sensible digits, a true minus sign, units, and intervals; and lists as sentences have them.

An estimate is shown to two significant digits of its uncertainty, because further digits say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

__all__ = [
    "MISSING", "decimals", "estimate", "extent", "fixed", "listed", "measure", "percent", "plural", "plus_minus",
    "power", "quantity", "setting", "signed", "span", "tens",
]  # fmt: skip

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MISSING = "–"


def decimals(half_width: float) -> int:
    """How many decimals show two significant digits of an uncertainty (at most 4)."""
    if not math.isfinite(half_width) or half_width <= 0:
        return 2
    return min(4, max(0, 1 - math.floor(math.log10(half_width))))


def fixed(value: float, places: int) -> str:
    """A number with a fixed count of decimals and a true minus; "–" where there is none."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:.{places}f}"
    return text.replace("-", "−") if float(text) else f"{0:.{places}f}"


def signed(value: float, places: int) -> str:
    """As `fixed`, with a plus sign before positive numbers."""
    text = fixed(value, places)
    return f"+{text}" if math.isfinite(value) and float(text.replace("−", "-")) > 0 else text


def span(interval: tuple[float, float] | None, places: int, *, sign: bool = False) -> str:
    """An interval as "low to high"; in powers of ten where four decimals would show nothing of it."""
    if interval is None or not all(map(math.isfinite, interval)):
        return ""
    return " to ".join(_written(end, places, sign, _tiny(*interval)) for end in interval)


def _tiny(*values: float) -> bool:
    """Whether four decimals would show zero for all of them, and they are not."""
    return bool(0 < max(map(abs, values)) < 5e-5)  # of NumPy's numbers too


def _written(value: float, places: int, sign: bool, tiny: bool) -> str:
    if tiny:
        return f"+{power(value)}" if sign and value > 0 else power(value)
    return (signed if sign else fixed)(value, places)


def estimate(
    value: float | None, interval: tuple[float, float] | None, *, sign: bool = False, least: int = 0
) -> str:
    """A number with its interval, "+0.31 (−0.20 to +0.82)", in as many decimals as the interval supports, or `least`."""
    if value is None:
        return MISSING
    known = interval is not None and all(map(math.isfinite, interval))
    places = max(least, decimals((interval[1] - interval[0]) / 2)) if known and interval else 2
    number = _written(value, places, sign, bool(known and interval and _tiny(value, *interval)))
    return f"{number} ({span(interval, places, sign=sign)})" if known else number


def power(value: float) -> str:
    """A number of any size in two digits, "3.2 × 10⁻⁹", or plainly where that is shorter."""
    if not math.isfinite(value):
        return MISSING
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return quantity(value)
    mantissa, exponent = f"{value:.1e}".split("e")
    unit = tens(int(exponent))
    mantissa = mantissa.removesuffix(".0").replace("-", "−")
    return {"1": unit, "−1": f"−{unit}"}.get(mantissa, f"{mantissa} × {unit}")


def tens(exponent: int) -> str:
    """A power of ten, "10⁻⁹"."""
    return f"10{str(exponent).translate(_SUPERSCRIPT)}"


def quantity(value: float) -> str:
    """A number to three significant digits, but its whole part in full, without an exponent; a narrow space after thousands."""
    if not math.isfinite(value):
        return MISSING
    if value == round(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "−")
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}".rstrip("0").rstrip(".") if places else f"{value:,.0f}"
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "−")


def measure(value: float) -> str:
    """A measured number to three significant digits, zeros at its end kept: "3.00", "98.1", "110"; tiny ones as `power` does."""
    if not math.isfinite(value):
        return MISSING
    if 0 < abs(value) < 1e-5:
        return power(value)
    places = 2 - math.floor(math.log10(abs(value))) if value else 2
    return fixed(round(value, places), min(6, max(0, places)))


def plus_minus(value: float, interval: tuple[float, float] | None) -> str:
    """A mean with its interval, "2.59 ± 0.25", or "99.2 −0.9 +0.4" where the two sides read differently."""
    if interval is None or not math.isfinite(value):
        return measure(value)
    half = (interval[1] - interval[0]) / 2
    places, tiny = decimals(half), _tiny(value, *interval)
    below, above = value - interval[0], interval[1] - value
    even = power(below) == power(above) if tiny else abs(above - below) < 10**-places
    mean, middle, low, high = (_written(v, places, False, tiny) for v in (value, half, below, above))
    return f"{mean} ± {middle}" if even else f"{mean} −{low} +{high}"


def percent(fraction: float) -> str:
    """ "21.5 %"."""
    return f"{quantity(float(f'{100 * fraction:.3g}'))} %" if math.isfinite(fraction) else MISSING


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def plural(count: int, one: str, many: str = "") -> str:
    """ "1 seed", "5 seeds"."""
    return f"{quantity(count)} {one if count == 1 else many or one + 's'}"


def extent(values: Iterable[float], write: Callable[[float], str] = power) -> str:
    """The least and the greatest, "2.1 to 3.4", or one number where they read the same."""
    known = [v for v in values if math.isfinite(v)]
    if not known:
        return MISSING
    low, high = write(min(known)), write(max(known))
    return low if low == high else f"{low} to {high}"


def setting(loss: str, offset: str) -> str:
    """A loss, with f₀ kept or centred away: "square loss, f₀ kept"."""
    return f"{loss} loss, f₀ {offset}"
