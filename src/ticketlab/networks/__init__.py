"""Networks: the choices that plans hold, and the pure functions that they build."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ticketlab.networks.architecture import Architecture
    from ticketlab.networks.architectures import MLP, VGG, AllConv, ConvNet, LeNet5, LeNet300100
    from ticketlab.networks.centred import centred, centred_apply
    from ticketlab.networks.convolution import convolve, convolve_once, patches
    from ticketlab.networks.evaluation import estimated_statistics, evaluate
    from ticketlab.networks.initialisation import Distribution, Family, Initialisation, Parameterisation
    from ticketlab.networks.layers import Layer
    from ticketlab.networks.network import (
        Features,
        Network,
        Params,
        Statistics,
        parameter_count,
        pure_network,
    )
    from ticketlab.networks.residual_architectures import PreActResNet, ResNet, ResNet20
    from ticketlab.networks.sequence_architectures import CausalCNN, GRUNet, LSTMNet, Transformer
    from ticketlab.networks.sequential import sequential
    from ticketlab.networks.stages import (
        GRU,
        LSTM,
        Activate,
        Activation,
        Attention,
        CausalConvolution,
        Convolution,
        Dense,
        Embedding,
        EveryStep,
        FeedForward,
        Flatten,
        GlobalAverage,
        LastStep,
        Normalisation,
        Normalise,
        PerStep,
        Pool,
        Pooling,
        Positions,
        Repeat,
        Residual,
        Rows,
        Stage,
    )
    from ticketlab.networks.straight_through import straight_through
    from ticketlab.networks.units import UnitAxis, UnitGroup, permute_units, rescale_units
    from ticketlab.networks.zoo import NETWORKS

# Imported on first use, so that the choices do not import JAX.
__getattr__, __dir__, _ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "architecture": ["Architecture"],
        "architectures": ["MLP", "VGG", "AllConv", "ConvNet", "LeNet5", "LeNet300100"],
        "centred": ["centred", "centred_apply"],
        "convolution": ["convolve", "convolve_once", "patches"],
        "initialisation": ["Distribution", "Family", "Initialisation", "Parameterisation"],
        "evaluation": ["estimated_statistics", "evaluate"],
        "layers": ["Layer"],
        "network": [
            "Features",
            "Network",
            "Params",
            "Statistics",
            "parameter_count",
            "pure_network",
        ],
        "residual_architectures": ["PreActResNet", "ResNet", "ResNet20"],
        "sequence_architectures": ["CausalCNN", "GRUNet", "LSTMNet", "Transformer"],
        "sequential": ["sequential"],
        "stages": [
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
            "Stage",
        ],
        "straight_through": ["straight_through"],
        "units": ["UnitAxis", "UnitGroup", "permute_units", "rescale_units"],
        "zoo": ["NETWORKS"],
    },
)

__all__ = [  # noqa: RUF022 (grouped by topic)
    # choices
    "NETWORKS",
    "Architecture",
    "MLP",
    "LeNet300100",
    "LeNet5",
    "ConvNet",
    "AllConv",
    "ResNet",
    "ResNet20",
    "PreActResNet",
    "VGG",
    "GRUNet",
    "LSTMNet",
    "Transformer",
    "CausalCNN",
    "Activation",
    "Pooling",
    "Parameterisation",
    "Initialisation",
    "Family",
    "Distribution",
    # what choices build
    "Network",
    "Layer",
    "Params",
    "Features",
    "pure_network",
    "parameter_count",
    # one example at a time, with batch statistics of training data
    "evaluate",
    "estimated_statistics",
    "Statistics",
    # the network minus its outputs at the start
    "centred",
    "centred_apply",
    # which parameters belong to which unit
    "UnitGroup",
    "UnitAxis",
    "permute_units",
    "rescale_units",
    # a network from stages
    "sequential",
    "Stage",
    "Dense",
    "Convolution",
    "Activate",
    "Pool",
    "GlobalAverage",
    "Flatten",
    "Normalise",
    "Normalisation",
    "Residual",
    "Repeat",
    # stages for sequences
    "Rows",
    "Embedding",
    "Positions",
    "GRU",
    "LSTM",
    "Attention",
    "FeedForward",
    "CausalConvolution",
    "PerStep",
    "LastStep",
    "EveryStep",
    "convolve",
    "convolve_once",
    "patches",
    # training through step functions
    "straight_through",
]
