"""The tangent kernel and the whole solve, compared with neural-tangents 0.6.5, in one command.

Kernels with all k × k outputs of an MLP 784–512–512–10 (512 examples) and of two small CNNs (128 examples); then kernel, cross
kernel to 200 test points and ridge solution on 1 000 examples with ten outputs, of random inputs, of digits, and of MNIST when
TICKETLAB_DATA is set. Every run is a separate process, ours and the peer's in turn, so that peak memory is measured for
each. The peer gets our weights and inputs; all three of its implementations are tried, and the best counts. Both are
compared with a Jacobian in float64. The peer cannot be imported with JAX 0.10, so an environment with suitable versions
is built once, in the folder given by --peer.

    python benchmarks/kernel.py [--peer FOLDER] [--rounds 3] [--limit SECONDS] [--only mlp cnn-mean cnn-pool solve]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

PEER_PACKAGES = ("neural-tangents==0.6.5", "jax==0.4.25", "jaxlib==0.4.25", "numpy<2", "scipy<1.13")
IMPLEMENTATIONS = ("STRUCTURED_DERIVATIVES", "NTK_VECTOR_PRODUCTS", "JACOBIAN_CONTRACTION")
PEER_SCRIPT = Path(__file__).parent / "peers" / "neural_tangents_kernel.py"
KERNELS = {"mlp": (512, (28, 28, 1)), "cnn-mean": (128, (16, 16, 3)), "cnn-pool": (128, (16, 16, 3))}
TITLES = {
    "mlp": "MLP 784–512–512–10, 512 examples",
    "cnn-mean": "CNN 32–64–64, mean over pixels, 128 examples of 16 × 16 × 3",
    "cnn-pool": "CNN 32–64–64, 2 × 2 average pool and flattened, 128 examples of 16 × 16 × 3",
}
# Relative duality gaps whose relative residual is at most that of the peer's Cholesky factor: 1e-6, 5e-6, 3e-6.
TOLERANCES = {"random inputs": 3e-10, "digits": 2e-8, "MNIST": 1e-8}
EXACT = 4  # examples whose kernel comes from the explicit Jacobian in float64
GIGABYTES = 10.0  # of address space for a run of the peer
EXAMPLES, TESTS, OUTPUTS, RIDGE = 1000, 200, 10, 1e-2


# Our side of the computation; `--ours` runs it in a separate process


def network_of(name: str, shape: tuple[int, ...]) -> Any:
    from ticketlab.networks import (
        MLP,
        Activate,
        Activation,
        Convolution,
        Dense,
        Flatten,
        GlobalAverage,
        Parameterisation,
        Pool,
        Pooling,
        sequential,
    )

    ntk = Parameterisation.NTK
    if name == "mlp":
        return MLP((512, 512), parameterisation=ntk).build(shape, OUTPUTS)
    act = Activate(Activation.RELU)
    tail = (GlobalAverage(),) if name == "cnn-mean" else (Pool(Pooling.AVERAGE, 2), Flatten())
    layers = [stage for units in (32, 64, 64) for stage in (Convolution(units), act)]
    return sequential((*layers, *tail, Dense(OUTPUTS)), shape, name=name, parameterisation=ntk)


def ours(path: str, out: str) -> dict[str, float]:
    """Seconds, operations and memory of the problem in a file."""
    import jax
    import jax.numpy as jnp

    from tangent import matrix_rate, peak_memory
    from ticketlab.tangent import Jacobian, kernel_cost, tangent_kernel

    problem = np.load(path)
    network = network_of(str(problem["network"]), problem["x"].shape[1:])
    params = {
        layer.name: {leaf: jnp.asarray(problem[f"{layer.name}/{leaf}"]) for leaf in ("weight", "bias")}
        for layer in network.layers
    }
    if "targets" in problem:
        return {**ours_solved(network, params, problem), "gigabytes": peak_memory()}
    jacobian = Jacobian(network, params, problem["x"])
    kernel = jax.block_until_ready(tangent_kernel(jacobian))  # compiles
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        jax.block_until_ready(tangent_kernel(jacobian))
        seconds.append(time.perf_counter() - begin)
    gigabytes = peak_memory()
    np.save(out, np.asarray(kernel))
    few = Jacobian(network, params, problem["x"][:EXACT], dtype=np.float64).dense()
    rows = few.reshape(-1, few.shape[-1])
    np.save(Path(out).with_name("exact.npy"), rows @ rows.T)
    gflop = kernel_cost(jacobian).flops / 1e9
    return {"seconds": min(seconds), "gigabytes": gigabytes, "gflop": gflop, "rate": matrix_rate(np.float32)}


def ours_solved(network: Any, params: Any, problem: Any) -> dict[str, float]:
    from ticketlab.tangent import ConjugateGradients, MatrixFree, NewtonOptions, Relative, minimise
    from ticketlab.tasks import SQUARE
    from ticketlab.tasks.task import Split

    x, targets = problem["x"], problem["targets"]
    split = Split(x, targets, np.arange(len(x)), np.argmax(targets, axis=1))
    for _ in range(2):  # the first compiles
        begin = time.perf_counter()
        solution = minimise(
            network,
            params,
            split,
            loss=SQUARE,
            ridge=Relative(float(problem["ridge"])),
            rung=MatrixFree(
                ConjugateGradients(rank=600)
            ),  # for one ridge; the dense rung is for a path of them
            options=NewtonOptions(tolerance=float(problem["tolerance"])),
        )
        solved = time.perf_counter()
        solution.predict(problem["test"])
        end = time.perf_counter()
    stats = solution.stats
    return {
        "seconds": end - begin,
        "kernel": stats.kernel_seconds,
        "cross": end - solved,
        "solve": solved - begin - stats.kernel_seconds,
        "residual": solution.certificate.relative_residual,
    }


# The comparison


def written(folder: Path, name: str, x: np.ndarray, **more: Any) -> Path:
    """A problem as a file: the network's name, θ₀ drawn by NumPy, inputs, and other arrays."""
    import jax

    network = network_of(name, x.shape[1:])
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    draws = np.random.default_rng(0)
    arrays = {
        f"{layer.name}/{leaf}": draws.standard_normal(shapes[layer.name][leaf].shape).astype(np.float32)
        for layer in network.layers
        for leaf in ("weight", "bias")
    }
    path = folder / "problem.npz"
    np.savez(path, network=name, x=x, layers=[layer.name for layer in network.layers], **arrays, **more)
    return path


def run(command: list[str], limit: float | None) -> dict[str, float] | str:
    """The last line of a process's output as JSON, or the reason why there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"not finished after {limit:.0f} s"
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "Error" in line or "memory" in line]
        return f"ended with {done.returncode}: {(lines or ['no message'])[-1].strip()[:120]}"
    return json.loads(done.stdout.strip().splitlines()[-1])


def in_turn(
    path: Path, peer: Path, rounds: int, limit: float, implementations: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, dict[str, float] | str]]:
    """Ours and each of the peer's in turn, round after round; keeps the fastest of each."""
    mine: dict[str, float] = {}
    theirs: dict[str, dict[str, float] | str] = {}
    for _ in range(rounds):
        found = run([sys.executable, __file__, "--ours", str(path), str(path.parent / "ours.npy")], None)
        assert not isinstance(found, str), found
        mine = min(mine or found, found, key=lambda f: f["seconds"])
        for name in implementations:
            so_far = theirs.get(name)
            if isinstance(so_far, str):
                continue  # it would not finish this time either
            out = str(path.parent / f"{name}.npy")
            again = run([str(peer), str(PEER_SCRIPT), str(path), name, out, str(GIGABYTES)], limit)
            if isinstance(again, str) or so_far is None or again["seconds"] < so_far["seconds"]:
                theirs[name] = again
    return mine, theirs


def compare_kernels(name: str, peer: Path, rounds: int, limit: float) -> None:
    examples, shape = KERNELS[name]
    print(f"\n{TITLES[name]}, all {OUTPUTS} × {OUTPUTS} outputs")
    with tempfile.TemporaryDirectory() as folder:
        x = np.random.default_rng(1).standard_normal((examples, *shape)).astype(np.float32)
        mine, theirs = in_turn(written(Path(folder), name, x), peer, rounds, limit, IMPLEMENTATIONS)
        speed = mine["gflop"] / mine["seconds"]
        exact = np.load(Path(folder) / "exact.npy")

        def error(file: str) -> float:
            found = np.load(Path(folder) / file)[: len(exact), : len(exact)]
            return float(np.abs(found - exact).max() / np.abs(exact).max())

        print(
            f"  Ticketlab               {mine['seconds']:6.2f} s, {mine['gigabytes']:.2f} GB, error {error('ours.npy'):.0e}; "
            f"{mine['gflop']:.0f} GFLOP needed, {speed:.0f} GFLOP/s, "
            f"{speed / mine['rate']:.0%} of a matrix product's {mine['rate']:.0f}"
        )
        for implementation, found in theirs.items():
            if isinstance(found, str):
                print(f"  {implementation.lower():23} {found}")
                continue
            print(
                f"  {implementation.lower():23} {found['seconds']:6.2f} s, {found['gigabytes']:.2f} GB, "
                f"error {error(f'{implementation}.npy'):.0e}; Ticketlab is {found['seconds'] / mine['seconds']:.1f} × as fast"
            )


def solve_problems() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, inputs (training, then test) and one-hot targets of the training examples."""
    from ticketlab.tasks import Digits, Mnist

    rng = np.random.default_rng(0)
    labels = rng.integers(0, OUTPUTS, EXAMPLES)
    random = rng.standard_normal((EXAMPLES + TESTS, 28, 28, 1)).astype(np.float32)
    yield "random inputs", random, np.eye(OUTPUTS, dtype=np.float32)[labels]
    sources: dict[str, Any] = {"digits": Digits()}
    if "TICKETLAB_DATA" in os.environ:
        sources["MNIST"] = Mnist(train=EXAMPLES, validation=100, test=TESTS)
    for name, source in sources.items():
        task = source.task(seed=0)
        x = np.concatenate([task.train.x[:EXAMPLES], task.test.x[:TESTS]])
        yield name, x.astype(np.float32), np.asarray(task.train.targets[:EXAMPLES], np.float32)


def compare_solves(peer: Path, rounds: int, limit: float) -> None:
    for name, x, targets in solve_problems():
        size = "–".join(map(str, (int(np.prod(x.shape[1:])), 512, 512, OUTPUTS)))
        print(f"\nWhole solve, MLP {size}, {len(targets)} examples, {TESTS} test points, {name}")
        with tempfile.TemporaryDirectory() as folder:
            more = {
                "targets": targets,
                "test": x[len(targets) :],
                "ridge": RIDGE,
                "tolerance": TOLERANCES[name],
            }
            path = written(Path(folder), "mlp", x[: len(targets)], **more)
            mine, theirs = in_turn(path, peer, rounds, limit, IMPLEMENTATIONS[:1])
        for title, found in (("Ticketlab", mine), ("neural-tangents", theirs[IMPLEMENTATIONS[0]])):
            if isinstance(found, str):
                print(f"  {title:16} {found}")
                continue
            print(
                f"  {title:16} {found['seconds']:5.1f} s (kernel {found['kernel']:.1f}, predictions {found['cross']:.1f}, "
                f"solve {found['solve']:.1f}), {found['gigabytes']:.2f} GB, relative residual {found['residual']:.0e}; "
                f"{found['seconds'] / mine['seconds']:.1f} × Ticketlab's time"
            )


def peer_python(folder: Path) -> Path:
    """The interpreter of the peer's environment, which is built if it is missing."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = folder / "installed"
    if ready.exists():
        return python
    print(f"Building an environment for {PEER_PACKAGES[0]} in {folder}, only once …", flush=True)
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", "3.11", str(folder)], check=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python)]
    else:
        if sys.version_info >= (3, 13):
            sys.exit(
                "jax 0.4.25 has no wheels for Python 3.13: install uv, which can fetch an older Python, or use 3.11 or 3.12."
            )
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *PEER_PACKAGES], check=True)
    ready.touch()
    return python


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    parser.add_argument("--peer", type=Path, default=cache / "ticketlab" / "neural-tangents-0.6.5")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--limit", type=float, default=120, help="time limit in seconds for a run of the peer"
    )
    parser.add_argument("--only", nargs="*", choices=[*KERNELS, "solve"], default=[*KERNELS, "solve"])
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.ours:
        print(json.dumps(ours(*chosen.ours)))
        return
    peer = peer_python(chosen.peer)
    for name in chosen.only:
        if name == "solve":
            compare_solves(peer, chosen.rounds, chosen.limit)
        else:
            compare_kernels(name, peer, chosen.rounds, chosen.limit)


if __name__ == "__main__":
    main()
