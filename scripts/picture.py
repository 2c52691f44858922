"""Writes docs/terminal.svg, the picture of a terminal in README; --check only compares."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from user_conversion.jobs.run import run_jobs
from user_conversion.outputs import terminal
from user_conversion.settings import Settings

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "terminal.svg"


def picture() -> str:
    """What `user-conversion run` shows of the sample, as an SVG that loads nothing."""
    with tempfile.TemporaryDirectory() as folder, Path("/dev/null").open("w") as nowhere:
        done = run_jobs("run", Settings(ROOT / "data-input", f"{folder}/output"))
        out = Console(file=nowhere, width=112, record=True, force_terminal=True, highlight=False)
        out.print("$ user-conversion run")
        assert done.split
        terminal.show_events(out, done.split)
        terminal.show_conversion(out, done.record.conversion)
    svg = out.export_svg(title="user-conversion", unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


if __name__ == "__main__":
    if "--check" not in sys.argv:
        PICTURE.write_text(picture(), encoding="utf-8")
    elif picture() != PICTURE.read_text(encoding="utf-8"):
        sys.exit(f"{PICTURE.name} is not what the command shows; run: task picture")
