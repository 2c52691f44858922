"""Write docs/cli.md from the command line's own help.

python scripts/cli_reference.py           write it
python scripts/cli_reference.py --check   fail if it is not what it would write
"""

import sys
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from user_conversion.cli import app

REFERENCE = Path(__file__).parent.parent / "docs" / "cli.md"
PREFACE = """\
# Command line

Made by `task cli-reference` from the commands' own help; a test keeps it so.

Every option can also be set in the environment: `--max-rejected` is `USER_CONVERSION_MAX_REJECTED`.
Results go to standard output, everything else to standard error. Exit status: 0 done, 1 the run
failed and left the output as it was, 2 wrong usage.
"""


def reference() -> str:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    visible = [name for name, command in commands.items() if not command.hidden]
    pages = [(), *((name,) for name in visible)]
    return PREFACE + "".join(_page(words) for words in pages)


def _page(words: tuple[str, ...]) -> str:
    widths = {"terminal_width": 100, "max_content_width": 100}
    shown = (
        CliRunner().invoke(app, [*words, "--help"], prog_name="user-conversion", **widths).output
    )
    text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
    return f"\n## {' '.join(('user-conversion', *words))}\n\n```text\n{text}\n```\n"


def main() -> int:
    if "--check" in sys.argv:
        if not REFERENCE.exists() or REFERENCE.read_text() != reference():
            print("docs/cli.md is not what the help says; run: task cli-reference")
            return 1
        return 0
    REFERENCE.write_text(reference())
    return 0


if __name__ == "__main__":
    sys.exit(main())
