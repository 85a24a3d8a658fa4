"""The page of a protocol: what will be asked, the rules that will decide, sizes and looks, the plan, and the digest."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ticketlab.figures.html import prose
from ticketlab.figures.wording import listed, plural
from ticketlab.report.page import document, facts_html
from ticketlab.report.stored import choices_in_words
from ticketlab.store.protocol import Protocol

__all__ = ["render_protocol"]


def render_protocol(protocol: Protocol, plan_text: str) -> str:
    """The page as HTML text. `plan_text` is the plan as a file."""
    sections = {
        "rules": ("The rules", _rules(protocol)),
        "sizes": ("Sizes and looks", _sizes(protocol)),
        "plan": ("The plan", f"<pre><code>{escape(plan_text)}</code></pre>"),
    }
    head = (
        f'<p class="kicker">{prose(protocol.question)}</p><h1>“{escape(protocol.statement)}”</h1>'
        f"<p>This was written down before the run. Its digest is the SHA-256 of question, rules, sizes, looks and plan:</p>"
        f'<pre><code class="digest">{protocol.digest}</code></pre>'
        f"<p>Written {escape(protocol.written)} with Ticketlab {escape(protocol.version)}. The time proves nothing by itself. "
        "Publish the digest where others see when it was published: a commit, a preprint, a registry.</p>"
    )
    title = f"{protocol.claim}, a protocol – Ticketlab"
    return document(title, f"<b>Ticketlab</b> protocol of <b>{escape(protocol.claim)}</b>", head, sections)


def _rules(protocol: Protocol) -> str:
    if not protocol.rule:
        return "<p>This claim prints its rules with its verdicts alone.</p>"
    text = f"<p><b>The claim as a whole.</b> {prose(protocol.rule)}</p><h3>Questions that count</h3>{_list(protocol.rules)}"
    if protocol.gates:
        items = "".join(f"<li>{prose(gate)}</li>" for gate in protocol.gates)
        text += f"<h3>Without these the claim stays undecided</h3><ul>{items}</ul>"
    return text + (f"<h3>Side questions</h3>{_list(protocol.sides)}" if protocol.sides else "")


def _list(rules: Iterable[tuple[str, str]]) -> str:
    return f"<ul>{''.join(f'<li><b>{escape(title)}.</b> {prose(rule)}</li>' for title, rule in rules)}</ul>"


def _sizes(protocol: Protocol) -> str:
    content = (f"{where} {content[:16]}…" for where, content in protocol.data.items())
    facts = {
        **choices_in_words(protocol.plan),
        "Cells": str(protocol.cells),
        "Looks": _looks(protocol),
        "Content of the data": ", ".join(content),
    }
    return facts_html({name: text for name, text in facts.items() if text})


def _looks(protocol: Protocol) -> str:
    seeds = listed([str(look) for look in protocol.looks])
    if len(protocol.looks) == 1:
        return f"one, at {plural(protocol.looks[0], 'seed')}"
    return f"at {seeds} seeds, until the claim is decided; together they spend the level of one look"
