"""The architectures by the names that plans and the command line use."""

from __future__ import annotations

from ticketlab.networks.architecture import Architecture
from ticketlab.networks.architectures import MLP, VGG, AllConv, ConvNet, LeNet5, LeNet300100
from ticketlab.networks.residual_architectures import PreActResNet, ResNet, ResNet20
from ticketlab.networks.sequence_architectures import CausalCNN, GRUNet, LSTMNet, Transformer

__all__ = ["NETWORKS"]

NETWORKS: dict[str, type[Architecture]] = {
    "mlp": MLP,
    "lenet-300-100": LeNet300100,
    "lenet5": LeNet5,
    "conv": ConvNet,
    "all-conv": AllConv,
    "resnet": ResNet,
    "resnet-20": ResNet20,
    "preact-resnet": PreActResNet,
    "vgg": VGG,
    "gru": GRUNet,
    "lstm": LSTMNet,
    "transformer": Transformer,
    "causal-cnn": CausalCNN,
}
"""Every architecture, by its name in plans and on the command line."""
