"""Rows of a Jacobian taken all at once are those taken one by one: a fault of XLA made them differ by half their size.

The fast tests compile without most optimisations, so the case runs in a process of its own, with the flags that users have.
"""

import os
import subprocess
import sys

import pytest

from ticketlab import compiler
from ticketlab.compiler import FLAG, switch_off_wrong_fusions

PROGRAM = """
import ticketlab
import jax, jax.numpy as jnp, numpy as np
from ticketlab.networks import Transformer

network = Transformer().build((17, 4), 10)
params, x = jax.jit(network.init)(jax.random.key(0)), np.random.default_rng(0).normal(size=(5, 17, 4)).astype(np.float32)
rows = jax.jit(jax.jacrev(lambda p: network.apply(p, x)))(params)
one = jax.jit(jax.grad(lambda p, u: jnp.sum(u * network.apply(p, x))))
worst = 0.0
for i, j in ((0, 0), (2, 1), (4, 2)):
    u = np.zeros((5, 10), np.float32)
    u[i, j] = 1
    alone = one(params, u)
    for a, b in zip(jax.tree.leaves(rows), jax.tree.leaves(alone)):
        worst = max(worst, float(jnp.abs(a[i, j] - b).max() / jnp.abs(b).max()))
print(worst)
"""


def worst(**more: str) -> float:
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | more
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return float(run.stdout.split()[-1])


@pytest.mark.slow
def test_rows_taken_at_once_are_those_taken_one_by_one() -> None:
    assert worst() < 1e-4


@pytest.mark.slow
def test_products_alone_do_not_have_the_fault() -> None:
    """`fast_products` switches on no more than these."""
    (kind,) = compiler.fast_products("0.10.2").values()
    assert worst(XLA_FLAGS=f"{FLAG}={kind}") < 1e-4
    assert compiler.fast_products("0.99.0") == {}


@pytest.mark.slow
def test_the_fault_is_still_there_without_the_flag() -> None:
    """When this fails, XLA is mended and `compiler` can go."""
    assert worst(XLA_FLAGS=f"{FLAG}=LIBRARY_FUSION_TYPE_REDUCE") > 1e-2


@pytest.mark.parametrize(
    ("before", "version", "after"),
    [
        ({}, "0.10.2", f"{FLAG}="),
        ({"XLA_FLAGS": "--xla_dump_to=x"}, "0.10.2", f"--xla_dump_to=x {FLAG}="),
        ({"XLA_FLAGS": f"{FLAG}=own"}, "0.10.2", f"{FLAG}=own"),
        ({}, "0.99.0", None),
    ],
)
def test_the_flag_is_added_where_it_is_known_and_not_given(before, version, after, monkeypatch) -> None:
    environment = dict(before)
    monkeypatch.setattr(compiler, "_computing", lambda: False)
    switch_off_wrong_fusions(environment, version)
    assert environment.get("XLA_FLAGS") == after


def test_an_import_that_comes_too_late_says_so(monkeypatch) -> None:
    monkeypatch.setattr(compiler, "_computing", lambda: True)
    with pytest.warns(RuntimeWarning, match="Import ticketlab first"):
        switch_off_wrong_fusions({}, "0.10.2")
    switch_off_wrong_fusions({"XLA_FLAGS": f"{FLAG}="}, "0.10.2")
