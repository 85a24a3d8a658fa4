"""The command line with the toy study as its only claim and a page of one word, for tests that need a process of their own."""

import sys

from ticketlab import report
from ticketlab.cli import main
from ticketlab.store import RunFolder


def write(folder: RunFolder):
    folder.report_path.write_text("page")
    return folder.report_path


if __name__ == "__main__":
    report.write = write
    sys.exit(main(sys.argv[1:], studies={"toy": "toy_study:Toy"}))
