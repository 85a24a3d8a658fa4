"""The command line: it sets the thread counts, parses, calls, prints, and turns every ending into an exit code."""

from __future__ import annotations

from ticketlab.cli.main import main

__all__ = ["main"]
