"""Ticketlab: a laboratory for the lottery-ticket hypotheses of neural networks.

Give it a network and a data set. It finds the tickets in the random network, compares them with training, and says
which claims hold, with the uncertainty. To read the code, read the folders in this order. Each file imports only from
those above it and opens with its idea.

    compiler    a fault of XLA that is switched off
    compiled_programs  where JAX keeps compiled programs between processes
    networks    random networks, as two pure functions and a description of their layers
    adapters    the user's own model in PyTorch, Flax or Equinox as such a network, and the way back
    tasks       what is learnt: data, read and checked, split and standardised; and the convex losses
    training    one compiled program that trains many replicas at once
    tangent     the first-order picture: the Jacobian as an operator, its kernel, the minimum and its certificate
    infinite    the limit of infinite width: kernels of the same networks, and the posteriors that follow
    units       what single units and layers compute: every unit against every class, with the null of the best
    tickets     subnetworks: masks, their comparison, and the searches that find them
    symmetry    networks that are the same up to rescaling and permuting units; matching, barriers, overlap
    functions   which function: the laws over functions of training and of random networks, drawn and compared
    laws        conclusions from many measurements: intervals, and the rules that give verdicts
    evidence    measured tables, and the record of a run
    figures     charts of tables and verdicts, with their words and numbers
    claims      one folder for each claim: its question, its formula, its measurement, its page
    choices     how a task or a network is written in text: `mlp:widths=512x512`
    plans       how a plan is written in Python, in a file and on the command line
    estimators  the tangent minimum as scikit-learn estimators, for pipelines and grid search
    engine      where the cells run, and how a killed run continues
    store       the run folder, and the identity of a run
    lab         every claim on one network and one data set: the argument, and how its parts stand
    report      the page of a run, and that of a lab, from stored records only
    cli         parses, calls, prints

Nothing heavy is imported before it is used, so that `ticketlab --help` answers at once.
"""

import os
from typing import TYPE_CHECKING

import lazy_loader

from ticketlab.compiler import switch_off_wrong_fusions

__version__ = "0.1.0"

switch_off_wrong_fusions(os.environ)

if TYPE_CHECKING:
    from ticketlab import (
        adapters,
        choices,
        claims,
        cli,
        compiled_programs,
        compiler,
        engine,
        estimators,
        evidence,
        figures,
        functions,
        infinite,
        lab,
        laws,
        networks,
        plans,
        report,
        store,
        symmetry,
        tangent,
        tasks,
        tickets,
        training,
        units,
    )
    from ticketlab.errors import NumericalFailure, UserError
    from ticketlab.estimators import (
        InfiniteWidthClassifier,
        InfiniteWidthRegressor,
        TangentClassifier,
        TangentRegressor,
    )

__all__ = [  # noqa: RUF022 (in reading order)
    "compiler",
    "compiled_programs",
    "networks",
    "adapters",
    "tasks",
    "training",
    "tangent",
    "infinite",
    "units",
    "tickets",
    "symmetry",
    "functions",
    "laws",
    "evidence",
    "figures",
    "claims",
    "choices",
    "plans",
    "estimators",
    "engine",
    "store",
    "lab",
    "report",
    "cli",
    # for scikit-learn
    "TangentClassifier",
    "TangentRegressor",
    "InfiniteWidthClassifier",
    "InfiniteWidthRegressor",
    # errors
    "NumericalFailure",
    "UserError",
]

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=[name for name in __all__ if name.islower()],
    submod_attrs={
        "errors": ["NumericalFailure", "UserError"],
        "estimators": [
            "InfiniteWidthClassifier",
            "InfiniteWidthRegressor",
            "TangentClassifier",
            "TangentRegressor",
        ],
    },
)
