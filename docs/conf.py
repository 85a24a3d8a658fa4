"""How the pages are built: Markdown by MyST, the API from the docstrings, formulas as MathML, the look by Furo.

The pages need no network: browsers show MathML themselves.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

import ticketlab

project = "Ticketlab"
author = copyright = "The Ticketlab developers"
version = release = ticketlab.__version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "claim_pages"]
myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
html_math_renderer = "mathml"

html_theme = "furo"
html_title = f"Ticketlab {release}"
html_copy_source = html_show_sourcelink = False

default_role = "code"  # `x` in a docstring is code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "imported-members": True, "show-inheritance": True}
napoleon_numpy_docstring = False

_CODE = re.compile(r"(`[^`]*`)")
_SIGN = re.compile(r"([*|\\]|_(?!\w))")
_HEADED = re.compile(r"^(Returns|Raises|Cost|Source|Sources): ")


def _plain_text(app, what, name, obj, options, lines):
    """Docstrings are plain text with `code`: signs that mean something to reStructuredText (|x|, θ*, w_) mean themselves.

    An indented block that is not the content of a section ("Arguments:") is an equation or a table, kept as it was set.
    """
    written, unindented, literal = [], "", False
    for line in lines:
        if line and not line.startswith(" "):
            unindented, literal = line, False
        elif line and not literal and not written[-1] and not re.fullmatch(r"[A-Z][\w ]*:", unindented):
            written += ["::", ""]
            literal = True
        written.append(line if literal else _HEADED.sub(r"**\1:** ", _escaped(line)))
    lines[:] = written


def _escaped(line):
    pieces = _CODE.split(line)
    pieces[::2] = [_SIGN.sub(r"\\\1", piece) for piece in pieces[::2]]
    for i in range(2, len(pieces), 2):
        if pieces[i] and re.match(
            r"[^\s\\.,;:!?)\]}/'\"-]", pieces[i]
        ):  # reStructuredText wants `code` to end a word
            pieces[i] = "\\ " + pieces[i]
    return "".join(pieces)


def _inline_formula(self, node):
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def _displayed_formula(self, node):
    self.body.append(f'<div style="margin: 1.2em 0">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app):
    app.connect("autodoc-process-docstring", _plain_text, priority=100)  # before napoleon, at 500
    app.add_html_math_renderer("mathml", (_inline_formula, None), (_displayed_formula, None))
