"""A gallery: rows of small pictures, such as a filter, the stimulus it likes best, and the images it responds to most.

Every picture is part of the page, as a data address, and is drawn inside an SVG element, so that a figure that is saved has its
pictures too. Pixels stay square and sharp. Each picture has a number, its response, which the figure's file has as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape

from ticketlab.evidence.pictures import size_of
from ticketlab.evidence.tables import Table
from ticketlab.figures.figure import Point
from ticketlab.figures.palette import Mark
from ticketlab.figures.wording import fixed

__all__ = ["Gallery", "Picture", "Shelf", "gallery", "unit_note"]

HEIGHT = 26  # pixels on the page, of a strip


@dataclass(frozen=True)
class Picture:
    """A strip of images, and the response to them.

    Arguments:
        png: as `ticketlab.evidence.pictures.strip` makes it.
        value: the mean response to the images.
    """

    png: str
    value: float


@dataclass(frozen=True)
class Shelf:
    """A row: its label, its pictures by column, and a note under the label."""

    label: str
    pictures: tuple[Picture | None, ...]
    note: str = ""


@dataclass(frozen=True)
class Gallery:
    """Rows of pictures under the heads of their columns; `height` of a strip in pixels of the page."""

    heads: tuple[str, ...]
    shelves: tuple[Shelf, ...]
    height: int = HEIGHT

    def marks(self) -> Iterator[Mark]:
        yield from ()

    def points(self) -> Iterator[Point]:
        for shelf in self.shelves:
            for head, picture in zip(self.heads, shelf.pictures, strict=True):
                if picture is not None:
                    yield Point(head, shelf.label, picture.value)

    def html(self, label: str, described_by: str) -> str:
        heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in self.heads)
        rows = "".join(self._row(shelf) for shelf in self.shelves)
        about = f'aria-label="{escape(label)}" aria-describedby="{described_by}"'
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}"><table class="gallery" {about}>'
            f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _row(self, shelf: Shelf) -> str:
        note = f'<span class="note">{escape(shelf.note)}</span>' if shelf.note else ""
        cells = "".join(
            "<td></td>" if picture is None else f"<td>{self._drawn(picture, f'{shelf.label}: {head}')}</td>"
            for head, picture in zip(self.heads, shelf.pictures, strict=True)
        )
        return f'<tr><th scope="row">{escape(shelf.label)}{note}</th>{cells}</tr>'

    def _drawn(self, picture: Picture, title: str) -> str:
        width, height = size_of(picture.png)
        shown = round(width / height * self.height)
        return (
            f'<svg role="img" width="{shown}" height="{self.height}" viewBox="0 0 {width} {height}">'
            f"<title>{escape(title)}</title>"
            f'<image width="{width}" height="{height}" style="image-rendering: pixelated" '
            f'href="data:image/png;base64,{picture.png}"/></svg>'
        )


def gallery(pictures: Table, by: str, note: Callable[[Table], str] = lambda rows: "") -> Gallery:
    """A row for each value of a column, from a table with the columns "column", "png" and "response".

    Arguments:
        by: the column whose values label the rows ("class": "class 3").
        note: what is said under the label, of the rows of the table that belong to it.
    """
    heads = tuple(dict.fromkeys(pictures["column"].tolist()))
    shelves = []
    for (label,), rows in pictures.by(by).items():
        known = dict(
            zip(
                rows["column"].tolist(),
                map(Picture, rows["png"].tolist(), rows["response"].tolist()),
                strict=True,
            )
        )
        shelves.append(Shelf(f"{by} {label}", tuple(known.get(head) for head in heads), note(rows)))
    return Gallery(heads, tuple(shelves))


def unit_note(rows: Table) -> str:
    """Which unit the pictures of a row belong to, and its AUC for the class."""
    return f"{rows['unit'][0]}, AUC {fixed(float(rows['auc'][0]), 2)}"
