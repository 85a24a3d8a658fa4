"""The networks and planted symmetries lie next to the tests of symmetries."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
