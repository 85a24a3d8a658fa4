"""The stages from which networks are built: operations on a batch of activations, applied one after the other.

Each kind of stage is one file with all that a network needs: its shape, how it is drawn, what it computes, the inputs and
features of its layers, and its units. Other packages keep their own rules for each kind, found by
`functools.singledispatch` on the stage: `ticketlab.tangent.contractions`, `ticketlab.store.layouts`,
`ticketlab.tickets.reach`.
"""

from ticketlab.networks.layers import Shape
from ticketlab.networks.stages.activation import Activate, Activation
from ticketlab.networks.stages.attention import Attention
from ticketlab.networks.stages.causal_convolution import CausalConvolution
from ticketlab.networks.stages.convolution import Convolution
from ticketlab.networks.stages.dense import Dense
from ticketlab.networks.stages.embedding import Embedding, Positions
from ticketlab.networks.stages.flatten import Flatten
from ticketlab.networks.stages.normalisation import Normalisation, Normalise
from ticketlab.networks.stages.per_step import EveryStep, FeedForward, PerStep
from ticketlab.networks.stages.pooling import GlobalAverage, Pool, Pooling
from ticketlab.networks.stages.recurrent import GRU, LSTM
from ticketlab.networks.stages.repeat import Repeat
from ticketlab.networks.stages.residual import Residual
from ticketlab.networks.stages.sequence import LastStep, Rows
from ticketlab.networks.stages.stage import Stage

__all__ = [
    "GRU",
    "LSTM",
    "Activate",
    "Activation",
    "Attention",
    "CausalConvolution",
    "Convolution",
    "Dense",
    "Embedding",
    "EveryStep",
    "FeedForward",
    "Flatten",
    "GlobalAverage",
    "LastStep",
    "Normalisation",
    "Normalise",
    "PerStep",
    "Pool",
    "Pooling",
    "Positions",
    "Repeat",
    "Residual",
    "Rows",
    "Shape",
    "Stage",
]
