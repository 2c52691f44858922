"""Where things are in the repository."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "user_conversion"
GOLDEN = ROOT / "tests" / "golden"
# The committed log, whose figures are published.
SAMPLE = ROOT / "data-input" / "dataset.json"
