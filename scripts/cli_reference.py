"""Write docs/reference/cli.md from the command line's own help.

python scripts/cli_reference.py           write it
python scripts/cli_reference.py --check   fail if it is not what it would write
"""

import sys
from pathlib import Path

from user_conversion.commands.app import app
from user_conversion.commands.usage import commands, help_page
from user_conversion.rules.errors import Status

REFERENCE = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"
PREFACE = """\
# Command line

`task cli-reference` writes this page from the help of the commands; a test keeps it up to date.

**Where options come from.** The command line, else a variable, else the project file, else the
default. `--max-rejected` reads the variable `USER_CONVERSION_MAX_REJECTED` (an empty one is not
set) and the key `max_rejected`. Options under *Only on the command line* have neither;
`--config` has no key.

**Project file.** `user-conversion.toml` of the working folder, or the file of `--config`:

```toml
input = ["logs", "archive/*.gz"]     # paths are relative to the working folder
timezone = "Europe/Berlin"
by = "plan"
conf = { "spark.driver.memory" = "4g" }
log_format = "segment"               # a preset, a file, or a table:

[field]
plan = "context.plan"
```

A command ignores the keys of other commands. An unknown key is an error. In place of the name of a
log format, `[log_format]` may be the [log format](log-format.md) itself: `[log_format.events]`,
`[log_format.fields]`, ….

**Output.** Results go to standard output, messages and progress to standard error.

**Exit status.**

| Status | Meaning |
|---|---|
"""
CALLS = """
`./task run -- OPTIONS` and its siblings pass options to these commands.
`eval "$(user-conversion completion bash)"` in `~/.bashrc` completes commands and options.
"""


def reference() -> str:
    statuses = "".join(f"| {status.value} | {status.meaning} |\n" for status in Status)
    pages = ((), *((name,) for name in commands(app)))
    return PREFACE + statuses + CALLS + "".join(map(_page, pages))


def _page(words: tuple[str, ...]) -> str:
    title = " ".join(("user-conversion", *words))
    return f"\n## {title}\n\n```text\n{help_page(app, words)}\n```\n"


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
