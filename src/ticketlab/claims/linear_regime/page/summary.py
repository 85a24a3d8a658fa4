"""The numbers behind the figures, as tables: the fitted exponents, every measure at every width, and how long it took."""

from __future__ import annotations

from ticketlab.claims.linear_regime.page.widths import MEASURES, TITLES, names_in
from ticketlab.evidence.tables import Table
from ticketlab.figures.setting import seeds
from ticketlab.figures.spread import spread
from ticketlab.figures.text_tables import TextTable
from ticketlab.figures.times import seconds_table
from ticketlab.figures.wording import MISSING, estimate, extent, fixed, measure, plus_minus, power, quantity

__all__ = ["fit_table", "time_table", "width_table"]


def fit_table(fits: Table) -> TextTable:
    """Exponents with their intervals, by parameterisation and measure."""
    rows = [
        (
            TITLES[row["parameterisation"]],
            MEASURES[row["measure"]][0],
            estimate(row["exponent"], (row["low"], row["high"])),
            power(row["level"]),
            fixed(row["misfit"], 2),
        )
        for row in fits.rows()
    ]
    return TextTable(
        "Fitted power laws, level × width to the power −α, with 95 % intervals of α over seeds. Misfit is the root mean square "
        "of the residuals in natural logarithms.",
        ("parameterisation", "measure", "α", "level", "misfit"),
        tuple(rows),
        2,
    )


def width_table(widths: Table) -> TextTable:
    """Means over seeds with 95 % intervals, by parameterisation and width."""
    rows: list[tuple[str, ...]] = []
    groups: list[tuple[int, str]] = []
    for p in names_in(widths):
        groups.append((len(rows), TITLES[p]))
        of = widths.where(parameterisation=p)
        for width in sorted(set(of["width"].tolist())):
            at = of.where(width=width)
            cells = [spread(at[column]) for column in MEASURES]
            scores = [spread(100 * at[column]) for column in ("test_score", "linear_test_score")]
            rows.append(
                (
                    quantity(width),
                    quantity(int(at["parameters"][0])),
                    *(plus_minus(s.mean, s.interval) if s.values else MISSING for s in cells),
                    *(measure(s.mean) for s in scores),
                    extent(at["step_size"]),
                )
            )
    head = ("width", "parameters", *MEASURES, "test, %", "linear, %", "step size")
    caption = (
        f"Every width: means over {seeds(widths)}, with 95 % intervals (±). Test and linear are the test scores of the network "
        "and of its linearisation."
    )
    return TextTable(caption, head, tuple(rows), 1, tuple(groups))


def time_table(timings: Table) -> TextTable:
    """Seconds by parameterisation and width, over seeds."""
    groups = []
    for p in names_in(timings):
        of = timings.where(parameterisation=p)
        groups += [((TITLES[p], quantity(w)), of.where(width=w)) for w in sorted(set(of["width"].tolist()))]
    return seconds_table(("parameterisation", "width"), groups, "; the first run of a width compiles")
