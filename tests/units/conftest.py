"""The slow references lie next to the tests of units."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
