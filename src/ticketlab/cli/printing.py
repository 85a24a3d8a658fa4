"""Tables on the screen."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["new_table", "show_table"]

LEAST = 12  # characters of a column, with the space before it


def new_table(*columns: str) -> Table:
    """A quiet table with these heads."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=i == 0)
    return table


def show_table(table: Table) -> None:
    """Prints a table as wide as the terminal; without a terminal, wide and without trailing spaces.

    It is wider where the terminal would leave other columns no room next to the first, and rich would drop them.
    """
    from rich.cells import cell_len
    from rich.console import Console

    first, *others = table.columns
    least = max((cell_len(str(cell)) for cell in first.cells), default=0) + LEAST * len(others)
    width = max(Console().width if sys.stdout.isatty() else 200, least)
    console = Console(width=width, highlight=False, markup=False)
    with console.capture() as shown:
        console.print(table)
    print("\n".join(line.rstrip() for line in shown.get().splitlines()))
