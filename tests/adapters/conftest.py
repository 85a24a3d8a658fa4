"""PyTorch's exporter warns of its own past, which is none of our tests' business."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "torch" in item.path.name:
            item.add_marker(pytest.mark.filterwarnings("ignore::FutureWarning"))
