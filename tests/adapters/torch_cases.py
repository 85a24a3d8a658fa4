"""Four PyTorch models: a perceptron, a CNN with batch normalisation, a small ResNet, a small transformer on patches."""

import torch
from torch import nn

OUTPUTS = 3


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 12), nn.GELU(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, OUTPUTS)
    )


def cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 8, 3, padding=1, groups=2),
        nn.BatchNorm2d(8),
        nn.SiLU(),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, OUTPUTS),
    )


class Block(nn.Module):
    def __init__(self, inputs: int, units: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(inputs, units, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(units)
        self.two = nn.Conv2d(units, units, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(units)
        self.short = nn.Conv2d(inputs, units, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.norm2(self.two(torch.relu(self.norm(self.one(x)))))
        return torch.relu(z + self.short(x))


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.blocks = nn.Sequential(Block(4, 4, 1), Block(4, 6, 2))
        self.head = nn.Linear(6, OUTPUTS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class Transformer(nn.Module):
    """A class token, learnt positions, pre-norm blocks with GELU: 17 tokens of 8 features."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 2, 2)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.positions = nn.Parameter(0.1 * torch.randn(1, 17, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, OUTPUTS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.patches(x).flatten(2).transpose(1, 2)
        z = torch.cat([self.token.expand(len(x), -1, -1), z], dim=1) + self.positions
        return self.head(self.norm(self.encoder(z))[:, 0])


CASES = {"mlp": mlp, "cnn": cnn, "resnet": ResNet, "transformer": Transformer}


def trained_statistics(module: nn.Module) -> nn.Module:
    """The module with running statistics that are not those of the start."""
    generator = torch.Generator().manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.copy_(0.3 * torch.randn(part.num_features, generator=generator))
            part.running_var.copy_(0.5 + torch.rand(part.num_features, generator=generator))
    return module
