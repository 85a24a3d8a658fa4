"""A fault of XLA, switched off before JAX starts, and a part of it that is good for some programs.

With jaxlib 0.10.2 on processors, some fused reductions in single precision are compiled wrongly: rows of the Jacobian of a
network with normalisation over channels, all taken at once, were off by half of their largest entry. They are right one at a
time, in double precision, and without this kind of fusion. XLA reads its flags when JAX starts to compute, so `import ticketlab`
adds one to the environment, and warns if it comes too late; a user's own choice of it has priority. A version that does not
know a flag would end the process, so only versions that were tried are named here. `tests/networks/test_compiled_derivatives.py`
has the case.

What is switched off is a library of kernels, YNN, that XLA can use in the place of Eigen. Products alone are right with it, and
on processors with AVX-512 those in double precision are two to three times as fast. `fast_products` are the options for that.
"""

from __future__ import annotations

import importlib.metadata
import sys
import warnings
from collections.abc import MutableMapping

__all__ = ["FLAG", "fast_products", "switch_off_wrong_fusions"]

FLAG = "--xla_cpu_experimental_ynn_fusion_type"
VERSIONS = ("0.10.2",)


def switch_off_wrong_fusions(environment: MutableMapping[str, str], version: str | None = None) -> None:
    """Adds the flag, unless it is there.

    Arguments:
        environment: the variables of the process.
        version: of jaxlib; by default the one that is installed.
    """
    flags = environment.get("XLA_FLAGS", "")
    if _known(version) and FLAG not in flags:
        environment["XLA_FLAGS"] = f"{flags} {FLAG}=".strip()
        if _computing():
            warnings.warn(
                "JAX has computed something before Ticketlab was imported. On processors this version compiles some derivatives "
                f"wrongly. Import ticketlab first, or set XLA_FLAGS={FLAG}= in the environment.",
                RuntimeWarning,
                stacklevel=3,
            )


def fast_products(version: str | None = None) -> dict[str, str]:
    """Options for `jax.jit` with which a program's products, and nothing else, are YNN's; none for a version that was not tried.

    Arguments:
        version: of jaxlib; by default the one that is installed.
    """
    return {FLAG.removeprefix("--"): "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"} if _known(version) else {}


def _known(version: str | None) -> bool:
    try:
        return (version or importlib.metadata.version("jaxlib")) in VERSIONS
    except importlib.metadata.PackageNotFoundError:
        return False


def _computing() -> bool:
    """Whether JAX has read its flags."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bool(bridge and getattr(bridge, "backends_are_initialized", bool)())
