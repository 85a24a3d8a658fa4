import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from network_cases import CASES, Case, prepared


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return prepared(request.param)
