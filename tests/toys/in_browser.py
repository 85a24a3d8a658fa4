"""What is measured on a page that Chromium has opened: texts that overlap, and what keeps people from reading it."""

from functools import cache
from importlib.resources import files
from typing import Any

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OVERLAPS = """() => {
  const found = [];
  const texts = (figure) => {
    const walker = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT), boxes = [];
    while (walker.nextNode()) {
      const node = walker.currentNode, range = document.createRange();
      if (!node.textContent.trim() || node.parentElement.closest("script, style, title, details:not([open])")) continue;
      range.selectNodeContents(node);
      for (const r of range.getClientRects()) if (r.width > 0 && r.height > 0) boxes.push([r, node]);
    }
    return boxes;
  };
  for (const figure of document.querySelectorAll("figure")) {
    const boxes = texts(figure);
    for (const [i, [p, one]] of boxes.entries())
      for (const [q, other] of boxes.slice(i + 1)) {
        const width = Math.min(p.right, q.right) - Math.max(p.left, q.left);
        const height = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
        if (one !== other && width > 2 && height > 4) found.push(`${figure.id}: ${one.textContent} | ${other.textContent}`);
      }
  }
  return [found, document.documentElement.scrollWidth - document.documentElement.clientWidth];
}"""
"""Texts of a figure that overlap, and how far the page scrolls sideways."""


@cache
def _axe() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def inaccessible(page: Any) -> list[str]:
    """The rules of axe-core that the page breaks, each with the first element that does."""
    page.evaluate(_axe())
    found = page.evaluate("axe.run()")["violations"]
    return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found]


def rgb(colour: str) -> str:
    """A colour of the palette as a browser writes it."""
    return "rgb({}, {}, {})".format(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)))
