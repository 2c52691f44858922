"""Compile the metric's expressions into the SQL files that the engines run.

python scripts/compile_metric.py          write src/user_conversion/metric/sql/
python scripts/compile_metric.py --check  fail if a file is not what it would write
"""

import sys
from pathlib import Path

from user_conversion.metric.compiled import DIALECTS, compile_statement, statements

FOLDER = Path(__file__).parent.parent / "src" / "user_conversion" / "metric" / "sql"


def compiled() -> dict[Path, str]:
    return {
        FOLDER / dialect / f"{name}.sql": compile_statement(dialect, name)
        for dialect in DIALECTS
        for name in statements()
    }


def main() -> int:
    wanted = compiled()
    stale = [path for path in FOLDER.glob("*/*.sql") if path not in wanted]
    stale += [path for path, sql in wanted.items() if not path.exists() or path.read_text() != sql]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.name} is not what conversion.py compiles to; run: task compile-metric")
        return bool(stale)
    for path in stale:
        path.unlink(missing_ok=True)
    for path, sql in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql)
    return 0


if __name__ == "__main__":
    sys.exit(main())
