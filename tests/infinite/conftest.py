"""The slow reference lies beside these tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
