"""The engine: where the cells of a study run, how long they take, and how progress is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "keeper": ["Keeper", "WorkingMemory"],
        "runner": ["Done", "InProcess", "Runner", "Work"],
        "jobs": ["Jobs"],
        "places": ["Address", "Local", "Slurm", "parse_place"],
        "cluster": ["Cluster"],
        "run": ["Observer", "Silence", "run_study"],
        "estimate": ["Estimate"],
        "threads": ["available_cores", "limit_threads"],
    },
)

if TYPE_CHECKING:
    from ticketlab.engine.cluster import Cluster as Cluster
    from ticketlab.engine.estimate import Estimate as Estimate
    from ticketlab.engine.jobs import Jobs as Jobs
    from ticketlab.engine.keeper import Keeper as Keeper
    from ticketlab.engine.keeper import WorkingMemory as WorkingMemory
    from ticketlab.engine.places import Address as Address
    from ticketlab.engine.places import Local as Local
    from ticketlab.engine.places import Slurm as Slurm
    from ticketlab.engine.places import parse_place as parse_place
    from ticketlab.engine.run import Observer as Observer
    from ticketlab.engine.run import Silence as Silence
    from ticketlab.engine.run import run_study as run_study
    from ticketlab.engine.runner import Done as Done
    from ticketlab.engine.runner import InProcess as InProcess
    from ticketlab.engine.runner import Runner as Runner
    from ticketlab.engine.runner import Work as Work
    from ticketlab.engine.threads import available_cores as available_cores
    from ticketlab.engine.threads import limit_threads as limit_threads
