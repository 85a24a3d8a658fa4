"""One run among many, in a lab or a sweep: what cannot be run is left out with its reason, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

from ticketlab.engine.controls import shown
from ticketlab.errors import NumericalFailure, UserError
from ticketlab.lab import AskedFolder

__all__ = ["LeftOut"]


@dataclass(frozen=True)
class LeftOut:
    """What was left out so far.

    Arguments:
        record: where it is kept.
        console: where it is said.
        whole: the name of all runs together: "lab", "sweep".
        again: the command that continues them.
    """

    record: AskedFolder
    console: Console
    whole: str
    again: str
    reasons: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def unless_refused(self, name: str) -> Iterator[None]:
        """Around one run. A failure of the disk is not of this run alone, and is raised."""
        try:
            yield
        except (UserError, NumericalFailure) as reason:
            if isinstance(reason.__cause__, OSError):
                raise
            self.reasons[name] = str(reason)
            self.console.print(shown(f"{name} was left out: {reason}"), soft_wrap=True)
        except KeyboardInterrupt:
            said = f"The {self.whole} is not finished. Continue from there: {self.again}"
            self.console.print(shown(said), soft_wrap=True)
            raise
        finally:
            self.record.leave(self.reasons)
