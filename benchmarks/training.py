"""Network-steps per second: Ticketlab's replicas against PyTorch, one network at a time.

A network-step is one minibatch step of one network. Both sides train the same networks from the same parameters with plain SGD
on the same data; their agreement is checked before timing. PyTorch runs an ordinary eager loop with one thread and with two;
the better result counts. All figures come from one run, with the machine's own single-precision matrix-product rate.

    python benchmarks/training.py          # all cases
    python benchmarks/training.py GRU      # those with this word in their name

PyTorch reads images in its own order of axes, and again with channels last; the better result counts there too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import torch

from ticketlab.networks import (
    MLP,
    Activate,
    Architecture,
    ConvNet,
    Convolution,
    Dense,
    Flatten,
    GlobalAverage,
    GRUNet,
    LeNet5,
    LSTMNet,
    Normalise,
    Pool,
    Residual,
    ResNet20,
    Transformer,
)
from ticketlab.networks.network import Network, Params
from ticketlab.networks.stages.stage import Step
from ticketlab.store import torch_layout
from ticketlab.tasks.losses import SOFTMAX_CROSS_ENTROPY, SQUARE, ConvexLoss
from ticketlab.training import Replicas, Sgd, TrainingData, TrainingPlan, stack, train


@dataclass(frozen=True)
class Case:
    """Networks of one shape on random data."""

    name: str
    widths: tuple[int, ...]  # input, hidden …, outputs
    networks: int
    batch: int
    examples: int
    loss: ConvexLoss
    steps: int  # of each network, for timing ours
    peer_steps: int  # of one network, for timing PyTorch
    wanted: float

    def network(self) -> Network:
        return MLP(widths=self.widths[1:-1]).build((self.widths[0],), self.widths[-1])

    def flops(self) -> float:
        """Operations of one network-step: three products per layer, without the first layer's input gradient."""
        sizes = [a * b for a, b in zip(self.widths, self.widths[1:], strict=False)]
        return 2.0 * self.batch * (3 * sum(sizes) - sizes[0])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.examples, self.widths[0])).astype(np.float32)
        if self.loss is SQUARE:
            return x, np.sign(rng.standard_normal((self.examples, self.widths[-1]))).astype(np.float32)
        return x, np.eye(self.widths[-1], dtype=np.float32)[rng.integers(0, self.widths[-1], self.examples)]


@dataclass(frozen=True)
class SequenceCase:
    """Networks that read sequences of random numbers and answer at the last step, among ten classes."""

    name: str
    architecture: Architecture
    networks: int
    batch: int
    length: int
    steps: int  # of each network, for timing ours
    peer_steps: int  # of one network, for timing PyTorch
    wanted: float
    features: int = 8
    examples: int = 640
    loss: ConvexLoss = SOFTMAX_CROSS_ENTROPY

    def network(self) -> Network:
        return self.architecture.build((self.length, self.features), 10)

    def flops(self) -> float:
        """Operations of one network-step: three products for each layer at each step of a sequence; attention's are left out."""
        layers = [layer for layer in self.network().layers if layer.stage.weighted]
        times = [float(np.prod(layer.output_shape[:-1])) for layer in layers]
        products = zip(times, layers, strict=True)
        return 6.0 * self.batch * sum(n * layer.inputs * layer.units for n, layer in products)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.examples, self.length, self.features)).astype(np.float32)
        return x, np.eye(10, dtype=np.float32)[rng.integers(0, 10, self.examples)]


@dataclass(frozen=True)
class ImageCase:
    """Networks that read random images and answer among ten classes; ReLU, and maximum pools if any."""

    name: str
    architecture: Architecture
    shape: tuple[int, int, int]
    steps: int  # of each network, for timing ours
    peer_steps: int  # of one network, for timing PyTorch
    wanted: float
    networks: int = 5
    batch: int = 60
    examples: int = 600
    loss: ConvexLoss = SOFTMAX_CROSS_ENTROPY

    def network(self) -> Network:
        return self.architecture.build(self.shape, 10)

    def flops(self) -> float:
        """Operations of one network-step: three products for each layer, without the first layer's input gradient."""
        layers = [layer for layer in self.network().layers if layer.stage.weighted]
        products = [float(np.prod(layer.output_shape)) * layer.inputs for layer in layers]
        return 2.0 * self.batch * (3 * sum(products) - products[0])

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(0)
        x = rng.standard_normal((self.examples, *self.shape)).astype(np.float32)
        return x, np.eye(10, dtype=np.float32)[rng.integers(0, 10, self.examples)]


AnyCase: TypeAlias = Case | SequenceCase | ImageCase
CASES: tuple[AnyCase, ...] = (
    ImageCase("5 LeNet-5, 28 × 28, batch 60", LeNet5(), (28, 28, 1), 100, 200, 2.0),
    ImageCase("5 Conv-2, 32 × 32 × 3, batch 60", ConvNet(2), (32, 32, 3), 3, 6, 1.3),
    ImageCase("5 Conv-4, 32 × 32 × 3, batch 60", ConvNet(4), (32, 32, 3), 3, 6, 1.3),
    ImageCase("5 ResNet-20, 32 × 32 × 3, batch 60", ResNet20(), (32, 32, 3), 3, 6, 1.0),
    SequenceCase("16 GRUs of 32 units, 8 steps, batch 32", GRUNet((32,)), 16, 32, 8, 400, 800, 2.0),
    SequenceCase("16 LSTMs of 32 units, 8 steps, batch 32", LSTMNet((32,)), 16, 32, 8, 400, 800, 2.0),
    SequenceCase(
        "16 transformers of 2 blocks of width 32, 8 steps, batch 32",
        Transformer(32, 2, 16, "learned"),
        *(16, 32, 8, 100, 400, 2.0),
    ),
    SequenceCase("2 GRUs of 570 units (10⁶ parameters)", GRUNet((570,)), 2, 32, 8, 30, 60, 1.0),
    SequenceCase("2 LSTMs of 495 units (10⁶ parameters)", LSTMNet((495,)), 2, 32, 8, 30, 60, 1.0),
    SequenceCase(
        "2 transformers of 2 blocks of width 208 (10⁶ parameters)",
        Transformer(208, 2, 16, "learned"),
        *(2, 32, 8, 30, 60, 1.0),
    ),
    Case("1000 MLPs 7–40–40–1, batch 32", (7, 40, 40, 1), 1000, 32, 128, SQUARE, 400, 4000, 30.0),
    Case(
        "20 LeNet-300-100, batch 60",
        (784, 300, 100, 10),
        20,
        60,
        6000,
        SOFTMAX_CROSS_ENTROPY,
        300,
        1500,
        1.5,
    ),
)
STEP_SIZE = 0.01


def ours(case: AnyCase, shared_order: bool) -> Callable[[], float]:
    """A function that trains all networks once and returns network-steps per second."""
    network = case.network()
    x, y = case.data()
    keys = jax.random.split(jax.random.key(1), case.networks)
    replicas = Replicas(
        params=stack([network.init(key) for key in keys]),
        order_keys=jax.random.key(2) if shared_order else keys,
        step_sizes=np.full(case.networks, STEP_SIZE, np.float32),
    )

    def run(steps: int) -> float:
        plan = TrainingPlan(steps=steps, batch=case.batch, optimiser=Sgd(), evaluate_every=10**9)
        begin = time.perf_counter()
        train(network, case.loss, TrainingData(x, y), plan, replicas)
        return case.networks * steps / (time.perf_counter() - begin)

    run(2)  # compiles
    return lambda: run(case.steps)


def peer(case: AnyCase, channels_last: bool = False) -> Callable[[], float]:
    """The same for one network in PyTorch, with the current number of threads."""
    model = _torch_model(case, case.network().init(jax.random.key(0)))
    optimiser = torch.optim.SGD(model.parameters(), lr=STEP_SIZE)
    loss = _torch_loss(case)
    examples, targets = case.data()
    x, y = _torch_inputs(case, examples), torch.from_numpy(targets)
    if channels_last:
        model, x = (a.to(memory_format=torch.channels_last) for a in (model, x))

    def run(steps: int) -> float:
        begin, done = time.perf_counter(), 0
        while done < steps:
            order = torch.randperm(case.examples)
            for i in range(0, case.examples - case.batch + 1, case.batch):
                rows = order[i : i + case.batch]
                optimiser.zero_grad()
                loss(model(x[rows]), y[rows]).backward()
                optimiser.step()
                done += 1
        return done / (time.perf_counter() - begin)

    run(min(50, case.peer_steps))
    return lambda: run(case.peer_steps)


def check(case: AnyCase) -> float:
    """The largest relative difference between the losses of both sides over 20 full-batch steps from the same parameters."""
    network = case.network()
    params = network.init(jax.random.key(0))
    x, y = (a[:60] for a in case.data())
    plan = TrainingPlan(steps=20, batch=None, optimiser=Sgd(), evaluate_every=1, evaluate_training=True)
    replicas = Replicas(stack([params]), jax.random.key(0), step_sizes=np.array([STEP_SIZE], np.float32))
    mine = train(network, case.loss, TrainingData(x, y), plan, replicas).curves.train_loss[:, 0]
    model, loss = _torch_model(case, params), _torch_loss(case)
    optimiser = torch.optim.SGD(model.parameters(), lr=STEP_SIZE)
    theirs = []
    for _ in range(21):
        value = loss(model(_torch_inputs(case, x)), torch.from_numpy(y))
        theirs.append(float(value.detach()))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return float(np.max(np.abs(mine / np.array(theirs) - 1)))


def matrix_rate() -> float:
    """The machine's float32 matrix-product rate, in GFLOP/s."""
    a = jnp.asarray(np.random.default_rng(0).standard_normal((4096, 4096)), jnp.float32)
    product = jax.jit(jnp.matmul)
    product(a, a).block_until_ready()
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        product(a, a).block_until_ready()
        seconds.append(time.perf_counter() - begin)
    return 2 * 4096**3 / min(seconds) / 1e9


def _torch_model(case: AnyCase, params: Params) -> Any:
    if isinstance(case, ImageCase):
        network = case.network()
        arrays = {name: torch.from_numpy(a) for name, a in torch_layout(network, params).items()}
        return torch.nn.Sequential(*[_torch_stage(step, arrays) for step in network.steps])
    if isinstance(case, SequenceCase):
        return _torch_sequences(case, params)
    layers: list[Any] = []
    for i, layer in enumerate(params.values()):
        linear = torch.nn.Linear(*layer["weight"].shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.array(layer["weight"]).T))
            linear.bias.copy_(torch.from_numpy(np.array(layer["bias"])))
        layers += [linear] + ([torch.nn.ReLU()] if i < len(params) - 1 else [])
    return torch.nn.Sequential(*layers)


def _torch_loss(case: AnyCase) -> Callable[[Any, Any], Any]:
    if case.loss is SQUARE:
        return lambda f, y: 0.5 * ((f - y) ** 2).sum(1).mean()
    return torch.nn.functional.cross_entropy


class _Recurrent(torch.nn.Module):  # type: ignore[misc]
    """`torch.nn.GRU` or `torch.nn.LSTM`, and a read-out of the last step."""

    def __init__(self, kind: str, arrays: dict[str, Any]) -> None:
        super().__init__()
        rows, inputs = arrays[f"{kind}1.weight"].shape
        units = arrays[f"{kind}1-recurrent.weight"].shape[1]
        self.inner = getattr(torch.nn, kind.upper())(inputs, units, batch_first=True)
        self.output = torch.nn.Linear(units, 10)
        zeros = torch.zeros(rows)
        _fill(self.inner, "weight_ih_l0", arrays[f"{kind}1.weight"])
        _fill(self.inner, "weight_hh_l0", arrays[f"{kind}1-recurrent.weight"])
        _fill(self.inner, "bias_ih_l0", arrays[f"{kind}1.bias"])
        _fill(self.inner, "bias_hh_l0", arrays.get(f"{kind}1-recurrent.bias", zeros))
        if kind == "lstm":  # ours has one bias
            self.inner.bias_hh_l0.requires_grad_(False)
        _fill_layer(self.output, arrays, "output")

    def forward(self, x: Any) -> Any:
        return self.output(self.inner(x)[0][:, -1])


class _Transformer(torch.nn.Module):  # type: ignore[misc]
    """Pre-norm blocks as in any small GPT, with `scaled_dot_product_attention`."""

    def __init__(self, case: SequenceCase, arrays: dict[str, Any]) -> None:
        super().__init__()
        assert isinstance(case.architecture, Transformer)
        self.heads = case.architecture.width // case.architecture.head
        names = [layer.name for layer in case.network().layers]
        self.positions = torch.nn.Parameter(arrays["dense1-positions.weight"])
        self.names = [name for name in names if "positions.weight" not in name and name != "dense1-positions"]
        self.layers = torch.nn.ModuleDict({name: self._layer(arrays, name) for name in self.names})

    def _layer(self, arrays: dict[str, Any], name: str) -> Any:
        weight = arrays[f"{name}.weight"]
        layer = torch.nn.LayerNorm(len(weight)) if weight.ndim == 1 else torch.nn.Linear(*weight.shape[::-1])
        _fill_layer(layer, arrays, name)
        return layer

    def forward(self, x: Any) -> Any:
        first, *blocks, output = (self.layers[name] for name in self.names)
        a = first(x) + self.positions
        for i in range(0, len(blocks) - 1, 6):
            norm, qkv, out, second, up, down = blocks[i : i + 6]
            n, steps, width = a.shape
            q, k, v = (
                part.reshape(n, steps, self.heads, -1).transpose(1, 2)
                for part in qkv(norm(a)).split(width, 2)
            )
            mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            a = a + out(mixed.transpose(1, 2).reshape(n, steps, width))
            a = a + down(torch.nn.functional.gelu(up(second(a))))
        return output(blocks[-1](a)[:, -1])


def _torch_sequences(case: SequenceCase, params: Params) -> Any:
    arrays = {name: torch.from_numpy(a) for name, a in torch_layout(case.network(), params).items()}
    if isinstance(case.architecture, Transformer):
        return _Transformer(case, arrays)
    return _Recurrent("gru" if isinstance(case.architecture, GRUNet) else "lstm", arrays)


class _Sum(torch.nn.Module):  # type: ignore[misc]
    """The body of a residual sum plus its shortcut."""

    def __init__(self, body: Any, shortcut: Any) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Any) -> Any:
        return self.body(x) + self.shortcut(x)


def _torch_stage(step: Step, arrays: dict[str, Any]) -> Any:
    """PyTorch's module of a stage, with our parameters."""
    nn, stage = torch.nn, step.stage
    match stage:
        case Activate():
            return nn.ReLU()
        case Flatten():
            return nn.Flatten()
        case Pool():
            return nn.MaxPool2d(stage.window)
        case GlobalAverage():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case Residual():
            body, shortcut = (
                nn.Sequential(*[_torch_stage(inner, arrays) for inner in steps])
                for steps in (step.body, step.shortcut)
            )
            return _Sum(body, shortcut)
    name = step.layer.name
    weight, bias = arrays[f"{name}.weight"], f"{name}.bias" in arrays
    match stage:
        case Normalise():
            module = nn.BatchNorm2d(len(weight))
        case Dense():
            module = nn.Linear(*weight.shape[::-1], bias=bias)
        case Convolution():
            same = stage.padding == "SAME"
            padding = stage.window // 2 if same and stage.stride == 1 else 0
            sizes = (weight.shape[1], weight.shape[0], stage.window, stage.stride, padding)
            module = nn.Conv2d(*sizes, bias=bias)
    _fill(module, "weight", weight)
    if bias:
        _fill(module, "bias", arrays[f"{name}.bias"])
    if (
        isinstance(stage, Convolution) and stage.stride > 1
    ):  # the zeros of "same" lie at the right and the bottom
        after = stage.window - stage.stride if stage.window > stage.stride else 0
        return nn.Sequential(nn.ZeroPad2d((0, after, 0, after)), module) if after else module
    return module


def _torch_inputs(case: AnyCase, x: np.ndarray) -> Any:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, 3, 1)) if isinstance(case, ImageCase) else x)


def _fill(module: Any, name: str, values: Any) -> None:
    with torch.no_grad():
        getattr(module, name).copy_(values)


def _fill_layer(layer: Any, arrays: dict[str, Any], name: str) -> None:
    _fill(layer, "weight", arrays[f"{name}.weight"])
    _fill(layer, "bias", arrays[f"{name}.bias"])


def main(only: str = "") -> None:
    rate = matrix_rate()
    print(f"PyTorch {torch.__version__}, JAX {jax.__version__}; float32 matrix product: {rate:.0f} GFLOP/s")
    for case in CASES:
        if only not in case.name:
            continue
        print(f"\n{case.name}: losses of both sides agree to {check(case):.0e} over 20 steps")
        rounds: dict[str, list[float]] = {}
        sides = {
            "own data orders": ours(case, shared_order=False),
            "one data order": ours(case, shared_order=True),
        }
        orders = (False, True) if isinstance(case, ImageCase) else (False,)
        theirs = {last: peer(case, last) for last in orders}
        for _ in range(3):  # in turn, so that slow phases of the machine affect all equally
            for threads in (1, 2):
                torch.set_num_threads(threads)
                for last, run in theirs.items():
                    name = f"PyTorch, {threads} thread{'s' * (threads > 1)}{', channels last' * last}"
                    rounds.setdefault(name, []).append(run())
            for name, run in sides.items():
                rounds.setdefault(name, []).append(run())
        median = {name: float(np.median(values)) for name, values in rounds.items()}
        best_peer = max(value for name, value in median.items() if name.startswith("PyTorch"))
        for name, value in median.items():
            gflops = value * case.flops() / 1e9
            ratio = value / best_peer
            print(
                f"  {name:34} {value:10.4g} network-steps/s  {gflops:6.1f} GFLOP/s "
                f"({gflops / rate:4.0%} of the matrix product's)  {ratio:5.1f} × PyTorch's best"
            )
        reached = median["own data orders"] / best_peer
        print(f"  wanted: at least {case.wanted:g} ×; reached {reached:.1f} ×")


if __name__ == "__main__":
    main(*sys.argv[1:])
