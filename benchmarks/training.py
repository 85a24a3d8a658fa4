"""Network-steps per second: Ticketlab's replicas against PyTorch, one network at a time.

A network-step is one minibatch step of one network. Both sides train the same networks from the same parameters with plain SGD
on the same data; their agreement is checked before timing. PyTorch runs an ordinary eager loop with one thread and with two;
the better result counts. All figures come from one run, with the machine's own single-precision matrix-product rate.

    python benchmarks/training.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from ticketlab.networks import MLP
from ticketlab.networks.network import Network, Params
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


CASES = (
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


def ours(case: Case, shared_order: bool) -> Callable[[], float]:
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


def peer(case: Case) -> Callable[[], float]:
    """The same for one network in PyTorch, with the current number of threads."""
    model = _torch_model(case, case.network().init(jax.random.key(0)))
    optimiser = torch.optim.SGD(model.parameters(), lr=STEP_SIZE)
    loss = _torch_loss(case)
    x, y = (torch.from_numpy(a) for a in case.data())

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

    run(50)
    return lambda: run(case.peer_steps)


def check(case: Case) -> float:
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
        value = loss(model(torch.from_numpy(x)), torch.from_numpy(y))
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


def _torch_model(case: Case, params: Params) -> Any:
    layers: list[Any] = []
    for i, layer in enumerate(params.values()):
        linear = torch.nn.Linear(*layer["weight"].shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(np.array(layer["weight"]).T))
            linear.bias.copy_(torch.from_numpy(np.array(layer["bias"])))
        layers += [linear] + ([torch.nn.ReLU()] if i < len(params) - 1 else [])
    return torch.nn.Sequential(*layers)


def _torch_loss(case: Case) -> Callable[[Any, Any], Any]:
    if case.loss is SQUARE:
        return lambda f, y: 0.5 * ((f - y) ** 2).sum(1).mean()
    return torch.nn.functional.cross_entropy


def main() -> None:
    rate = matrix_rate()
    print(f"PyTorch {torch.__version__}, JAX {jax.__version__}; float32 matrix product: {rate:.0f} GFLOP/s")
    for case in CASES:
        print(f"\n{case.name}: losses of both sides agree to {check(case):.0e} over 20 steps")
        rounds: dict[str, list[float]] = {}
        sides = {
            "own data orders": ours(case, shared_order=False),
            "one data order": ours(case, shared_order=True),
        }
        theirs = peer(case)
        for _ in range(3):  # in turn, so that slow phases of the machine affect all equally
            for threads in (1, 2):
                torch.set_num_threads(threads)
                rounds.setdefault(f"PyTorch, {threads} thread{'s' * (threads > 1)}", []).append(theirs())
            for name, run in sides.items():
                rounds.setdefault(name, []).append(run())
        median = {name: float(np.median(values)) for name, values in rounds.items()}
        best_peer = max(value for name, value in median.items() if name.startswith("PyTorch"))
        for name, value in median.items():
            gflops = value * case.flops() / 1e9
            ratio = value / best_peer
            print(
                f"  {name:20} {value:10.0f} network-steps/s  {gflops:6.1f} GFLOP/s "
                f"({gflops / rate:4.0%} of the matrix product's)  {ratio:5.1f} × PyTorch's best"
            )
        reached = median["own data orders"] / best_peer
        print(f"  wanted: at least {case.wanted:g} ×; reached {reached:.1f} ×")


if __name__ == "__main__":
    main()
