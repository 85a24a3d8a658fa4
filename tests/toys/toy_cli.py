"""The command line with the toy study as its only claim, for tests that need a process of their own."""

import sys

from ticketlab.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], studies={"toy": "toy_study:Toy"}))
