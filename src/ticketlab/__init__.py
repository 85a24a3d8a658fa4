"""Ticketlab: a laboratory for the lottery-ticket hypotheses of neural networks.

Give it a network and a data set; it finds the tickets in the random network, measures them against training, and says which
of the claims that people make hold, with the uncertainty. To read the code, read the folders in this order; each file
imports only from those above it, and opens with the idea that it is about.

    networks    what is drawn: a random network, as two pure functions and a description of its layers
    tasks       what is learnt: data, read and checked, split and standardised; and the convex losses
    training    how it is learnt: one compiled program that trains many replicas at once
    tangent     the first-order picture: the Jacobian as an operator, its kernel, the minimum and its certificate
    tickets     subnetworks: masks, how they are compared, and the searches that find them
    laws        what many measurements say: intervals, and the rules from which verdicts follow
    evidence    the tables that were measured, and the record of a run
    figures     charts made from tables and verdicts, and the words and numbers on them
    claims      one folder a claim: what is asked, what it says as a formula, what is measured, what is drawn
    choices     how a task or a network is written in words: `mlp:widths=512x512`
    plans       how a plan is written in Python, in a file and on the command line
    estimators  the tangent minimum as scikit-learn estimators, for pipelines and grid search
    engine      where the cells run, and how a run that was killed goes on
    store       what is kept: the run folder, and what makes a run the same run
    report      the page of a run, from stored records only
    cli         parses, calls, prints

Nothing heavy is imported before it is used, so that `ticketlab --help` answers at once.
"""

from typing import TYPE_CHECKING

import lazy_loader

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ticketlab import (
        claims,
        engine,
        estimators,
        evidence,
        figures,
        laws,
        networks,
        report,
        store,
        tangent,
        tasks,
        tickets,
        training,
    )
    from ticketlab.errors import NumericalFailure, UserError
    from ticketlab.estimators import TangentClassifier, TangentRegressor

__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submodules=[
        "claims",
        "engine",
        "estimators",
        "evidence",
        "figures",
        "laws",
        "networks",
        "report",
        "store",
        "tangent",
        "tasks",
        "tickets",
        "training",
    ],
    submod_attrs={
        "errors": ["NumericalFailure", "UserError"],
        "estimators": ["TangentClassifier", "TangentRegressor"],
    },
)

__all__ = [  # noqa: RUF022 (in reading order)
    "networks",
    "tasks",
    "training",
    "tangent",
    "tickets",
    "laws",
    "evidence",
    "figures",
    "claims",
    "estimators",
    "engine",
    "store",
    "report",
    # for scikit-learn
    "TangentClassifier",
    "TangentRegressor",
    # how things end badly
    "NumericalFailure",
    "UserError",
]
