"""`python -m ticketlab` is the command `ticketlab`."""

from __future__ import annotations

import sys

from ticketlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
