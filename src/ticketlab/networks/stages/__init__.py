"""The words in which networks are written: what happens to a batch of activations, one stage after the other.

Each kind of stage is one file, with all that a network needs of it: its shape, how it is drawn, what it computes, its layers'
inputs and features, and its units. Views of a network that need more of a kind keep a rule for it where they are, found by
`functools.singledispatch` on the stage: `ticketlab.tangent.contractions`, `ticketlab.store.layouts`, `ticketlab.tickets.reach`.
"""

from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.activation import Activate, Activation
from ticketlab.networks.stages.convolution import Convolution
from ticketlab.networks.stages.dense import Dense
from ticketlab.networks.stages.flatten import Flatten
from ticketlab.networks.stages.normalisation import Normalisation, Normalise
from ticketlab.networks.stages.pooling import GlobalAverage, Pool, Pooling
from ticketlab.networks.stages.repeat import Repeat
from ticketlab.networks.stages.residual import Residual
from ticketlab.networks.stages.stage import Stage

__all__ = [
    "Activate",
    "Activation",
    "Convolution",
    "Dense",
    "Flatten",
    "GlobalAverage",
    "Normalisation",
    "Normalise",
    "Pool",
    "Pooling",
    "Repeat",
    "Residual",
    "Shape",
    "Stage",
]
