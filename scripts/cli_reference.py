"""Write docs/reference/cli.md from the command line's own help.

python scripts/cli_reference.py           write it
python scripts/cli_reference.py --check   fail if it is not what it would write
"""

import sys
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from user_conversion.cli import app

REFERENCE = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"
PREFACE = """\
# Command line

`task cli-reference` writes this page from the help of the commands; a test keeps it up to date.

**Environment.** Every option also reads a variable: `--max-rejected` reads
`USER_CONVERSION_MAX_REJECTED`. For `--registered`, `--app-loaded`, `--field` and `--conf`, write
one value per line in the variable. The command line has precedence.

**Output.** Results go to standard output, messages and progress to standard error.

**Exit status.**

| Status | Meaning |
|---|---|
| 0 | done |
| 1 | the run failed; one sentence says why, the previous output is unchanged |
| 2 | an option cannot be used |
| 130 | interrupted (Ctrl-C or SIGTERM); the previous output is unchanged |

`./task run -- OPTIONS` and its siblings pass options to these commands.
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
            print("docs/reference/cli.md is not what the help says; run: task cli-reference")
            return 1
        return 0
    REFERENCE.write_text(reference())
    return 0


if __name__ == "__main__":
    sys.exit(main())
