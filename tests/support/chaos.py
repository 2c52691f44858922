"""What the kill tests write, and a process that reads it all the time.

    python tests/chaos.py OUTPUT STOP     read until the file STOP is there, then say what was seen

The log comes in batches. Each batch adds the same number of events to every day, so a partition
that is entirely old or entirely new holds some first batches, each of them whole.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = date(2020, 11, 2)
DAYS = 28
USERS_A_DAY = 5
PARTITIONED = {"user_registration": "channel", "app_loaded": "device_type"}


def batch_lines(batch: int) -> list[str]:
    """The events of a batch: users register on each day and load a week later at the same time."""
    lines = []
    for day in range(DAYS):
        for place in range(USERS_A_DAY):
            initiator_id = (batch * DAYS + day) * USERS_A_DAY + place
            registered = FIRST_DAY + timedelta(days=day)
            for event, when, text in (
                ("registered", registered, "channel"),
                ("app_loaded", registered + timedelta(days=7), "device_type"),
            ):
                fields = {"event": event, "timestamp": f"{when}T12:00:00Z"}
                fields |= {"initiator_id": initiator_id, text: str(batch)}
                lines.append(json.dumps(fields))
    return lines


class Reader:
    """Reads every partition again and again, and remembers what must never have been seen."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.faults: list[str] = []
        self.passes = 0
        self.files = 0
        # The last batch seen in each partition; it never becomes less.
        self.seen: dict[str, int] = {}

    def look(self) -> None:
        """One pass over all datasets."""
        for name, text in PARTITIONED.items():
            for folder in self._partitions(name):
                rows = self._rows(folder, [text])
                if rows is not None:
                    self._check_batches(folder, Counter(rows[text]))
        for folder in self._partitions("user_conversion"):
            rows = self._rows(folder, ["registered_at", "week_offset", "converted"])
            if rows is not None:
                self._check_users(folder, rows)
        for folder in self._partitions("weekly_summary"):
            rows = self._rows(folder, ["total_registered", "total_converted", "conversion_rate"])
            if rows is not None:
                self._check_summary(folder, rows)
        self._check_documents()
        self.passes += 1

    def _partitions(self, name: str) -> list[Path]:
        folder = self.output / name / "format=parquet"
        return sorted(folder.iterdir()) if folder.exists() else []

    def _rows(self, folder: Path, columns: list[str]) -> dict[str, list[Any]] | None:
        """The columns of a partition; None if it was replaced between listing and reading it."""
        tables = []
        try:
            for path in folder.iterdir():
                with path.open("rb") as file:
                    tables.append(pq.read_table(file, columns=columns))
                self.files += 1
        except FileNotFoundError:
            return None
        except Exception as error:
            self.faults.append(f"{folder}: {error!r}")
            return None
        return pa.concat_tables(tables).to_pydict() if tables else None

    def _check_batches(self, folder: Path, rows: Counter[str]) -> None:
        batches = len(rows)
        if rows != {str(batch): USERS_A_DAY for batch in range(batches)}:
            self.faults.append(f"{folder}: neither old nor new, {dict(rows)}")
        if batches < self.seen.get(str(folder), 0):
            self.faults.append(f"{folder}: {batches} batches after {self.seen[str(folder)]}")
        self.seen[str(folder)] = batches

    def _check_users(self, folder: Path, rows: dict[str, list[Any]]) -> None:
        users = len(rows["converted"])
        if users % (7 * USERS_A_DAY) or not all(rows["converted"]):
            self.faults.append(f"{folder}: {users} users, {sum(rows['converted'])} converted")

    def _check_summary(self, folder: Path, rows: dict[str, list[Any]]) -> None:
        (total,) = rows["total_registered"]
        if total % (7 * USERS_A_DAY) or rows["conversion_rate"] != [100]:
            self.faults.append(f"{folder}: {rows}")

    def _check_documents(self) -> None:
        for name in ("ledger.json", "run.json"):
            path = self.output / name
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                continue
            except ValueError as error:
                self.faults.append(f"{path}: {error!r}")


def main(output: Path, stop: Path) -> None:
    reader = Reader(output)
    while not stop.exists():
        reader.look()
    print(json.dumps({"faults": reader.faults, "passes": reader.passes, "files": reader.files}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
