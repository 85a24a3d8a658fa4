"""Scaling of the matrix-free solve: seconds against examples N and parameters P, with fitted exponents, as a plot; and two
host devices against one.

MNIST, MLP 784–w–w–10 in the NTK parameterisation, square loss, ridge 0.01 × mean diag(K), f₀ kept. N varies at w = 512
(P = 670 000), P at 4 000 examples; both to the same certified gap. Each solve is a separate process, so that none reuses
compiled programs or memory. Its seconds are those of the solve, including compilation. Two devices share the host's cores, so
the comparison shows the cost of distribution.

    TICKETLAB_DATA=… python benchmarks/scaling.py [scaling.html] [gap] [largest N] [largest P]
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time

import numpy as np

EXAMPLES = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000)
WIDTHS = (12, 40, 120, 360, 1_000, 2_800)  # P from 10⁴ to 10⁷
FEW, WIDTH = 4_000, 512


def parameters(width: int) -> int:
    return 785 * width + (width + 1) * width + (width + 1) * 10


def solve(examples: int, width: int, gap: float, devices: int) -> dict[str, float]:
    """One solve, in this process."""
    import jax

    from full_mnist import mnist, peak_memory
    from ticketlab.networks import MLP, Parameterisation
    from ticketlab.tangent import (
        BlockDescent,
        ConjugateGradients,
        Devices,
        MatrixFree,
        NewtonOptions,
        Relative,
        minimise,
    )

    train, _ = mnist(examples)
    network = MLP(widths=(width, width), parameterisation=Parameterisation.NTK).build(train.x.shape[1:], 10)
    params = network.init(jax.random.key(0))
    begin = time.perf_counter()
    solution = minimise(
        network,
        params,
        train,
        ridge=Relative(1e-2),
        rung=MatrixFree(BlockDescent() if devices == 0 else ConjugateGradients(300)),
        options=NewtonOptions(tolerance=gap),
        devices=Devices.found(devices) if devices else None,
    )
    return {
        "seconds": time.perf_counter() - begin,
        "iterations": solution.certificate.iterations,
        "gap": solution.certificate.duality_gap,
        "memory": peak_memory(),
    }


def measured(examples: int, width: int, gap: float, devices: int = 0) -> dict[str, float]:
    """One solve in a separate process."""
    flags = f"--xla_force_host_platform_device_count={devices}" if devices > 1 else ""
    command = [sys.executable, __file__, "--one", str(examples), str(width), str(gap), str(devices)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "XLA_FLAGS": flags}, check=False
    )
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    print(
        f"N {examples:>6}  P {parameters(width):>9}  devices {max(devices, 1)}: {found['seconds']:7.1f} s, "
        f"{found['iterations']:.0f} iterations, gap {found['gap']:.1e}, {found['memory']:.1f} GB",
        flush=True,
    )
    return found


def fit(sizes: list[int], seconds: list[float]) -> tuple[float, float, float]:
    """Slope of log seconds against log size by least squares, over the larger half of the sizes, its standard error, and log
    seconds at size 1."""
    half = _half(sizes)
    x, y = np.log(sizes[half:]), np.log(seconds[half:])
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - slope * x - intercept
    error = math.sqrt(residual @ residual / max(len(x) - 2, 1) / np.sum((x - x.mean()) ** 2))
    return float(slope), error, float(intercept)


def _half(sizes: list[int]) -> int:
    return len(sizes) // 2 if len(sizes) > 4 else 0


def picture(path: str, curves: dict[str, tuple[list[int], list[float]]]) -> None:
    from plotly.subplots import make_subplots

    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.05)
    for column, (name, (sizes, seconds)) in enumerate(curves.items(), start=1):
        slope, error, intercept = fit(sizes, seconds)
        at = np.array(sizes[_half(sizes) :], float)
        place = {"row": 1, "col": column}
        figure.add_scatter(
            x=at,
            y=np.exp(intercept) * at**slope,
            mode="lines",
            line={"color": "#999", "dash": "dot", "width": 3},
            **place,
        )
        line = {"color": "#1f5f99"}
        figure.add_scatter(x=sizes, y=seconds, mode="lines+markers", line=line, marker={"size": 8}, **place)
        said = f"~ {name[-1]}<sup>{slope:.2f} ± {error:.2f}</sup> over the larger half"
        figure.add_annotation(
            text=said, x=0.04, y=0.95, xref="x domain", yref="y domain", showarrow=False, **place
        )
        figure.update_xaxes(type="log", dtick=1, title=name, **place)
    figure.update_yaxes(type="log", dtick=1)
    figure.update_yaxes(title="seconds to the certified minimum", row=1, col=1)
    figure.update_layout(template="plotly_white", showlegend=False, font={"size": 15}, margin={"t": 20})
    figure.write_html(path, include_plotlyjs=True, config={"displayModeBar": False})


def main() -> None:
    path, gap, most, widest = [*sys.argv[1:], *("scaling.html", "1e-2", "60000", "1e7")[len(sys.argv) - 1 :]]
    sizes = [n for n in EXAMPLES if n <= float(most)]
    widths = [w for w in WIDTHS if parameters(w) <= 1.1 * float(widest)]
    curves = {
        "examples N": (sizes, [measured(n, WIDTH, float(gap))["seconds"] for n in sizes]),
        "parameters P": (
            [parameters(w) for w in widths],
            [measured(FEW, w, float(gap))["seconds"] for w in widths],
        ),
    }
    for name, (at, seconds) in curves.items():
        slope, error, _ = fit(at, seconds)
        print(f"seconds ~ {name[-1]}^{slope:.2f} ± {error:.2f} over the larger half")
    one, two = (measured(FEW, WIDTH, float(gap), devices)["seconds"] for devices in (1, 2))
    print(f"conjugate gradients on two host devices take {two / one:.2f} × the time on one")
    picture(path, curves)
    print(f"plot: {path}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        examples, width, gap, devices = sys.argv[2:6]
        print(json.dumps(solve(int(examples), int(width), float(gap), int(devices))))
    else:
        main()
