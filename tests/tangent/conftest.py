import sys
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def single_precision_stays_the_default() -> Iterator[None]:
    """Only the package's own contexts enable float64: it is off before and after every test here."""
    assert not jax.config.jax_enable_x64
    yield
    assert not jax.config.jax_enable_x64
