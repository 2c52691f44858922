"""Time our job beside its peers, as whole processes, several times in turn.

    python benchmarks/run.py [--events N ...] [--shuffled N ...] [--nights N ...] [--inputs N ...]
                             [--stores N ...] [--runs N] [--only NAME ...] [--write | --check]

Every contender reads the same log and must give the same weekly figures. Logs are made once and
kept in .bench/. `--write` puts the tables into docs/benchmarks.md, `--check` compares the smallest
size with them and fails if a ratio is a quarter worse in each turn.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
CACHE = HERE.parent / ".bench"
PAGE = HERE.parent / "docs" / "benchmarks.md"
FLOOR, OURS_NAME = "floor: DuckDB only parsing the JSON", "user-conversion run"
SCRIPT = "DuckDB script"
CONVERSION = ["conversion-rate", "--format", "json", "--output"]
OURS = [sys.executable, "-m", "user_conversion", "run", "--no-report", "--format", "json"]


@dataclass(frozen=True)
class Contender:
    """One way to do the job; `needs` is the library without which it is left out."""

    name: str
    command: Sequence[str]
    needs: str
    most_events: int = 10**12


@dataclass(frozen=True)
class Log:
    """A log to read, by its size and order."""

    events: int
    shuffled: bool = False

    @property
    def path(self) -> Path:
        return CACHE / f"{self.events}{'-shuffled' if self.shuffled else ''}.json"

    @property
    def title(self) -> str:
        size = self.path.stat().st_size
        return f"{self.events:,} events, {size / 1e9:.2f} GB{', shuffled' * self.shuffled}"

    def make(self) -> None:
        if not self.path.exists():
            CACHE.mkdir(exist_ok=True)
            begun = self.path.with_suffix(".begun")
            command = [sys.executable, str(HERE / "generate.py"), "--events", str(self.events)]
            command += ["--out", str(begun), *(["--shuffled"] if self.shuffled else [])]
            subprocess.run(command, check=True)
            begun.rename(self.path)


@dataclass
class Times:
    """What the runs of one contender took."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)


def script(name: str) -> list[str]:
    return [sys.executable, str(HERE / "contenders" / name), "{log}", "{output}"]


def ours(*options: str) -> list[str]:
    return [*OURS, "--input", "{log}", "--output", "{output}", *options]


CONTENDERS = (
    Contender(FLOOR, script("floor.py"), "duckdb"),
    Contender(OURS_NAME, ours(), "duckdb"),
    Contender(SCRIPT, script("duckdb_script.py"), "duckdb"),
    Contender("Polars script", script("polars_script.py"), "polars"),
    Contender("chDB script", script("chdb_script.py"), "chdb"),
    Contender(
        "user-conversion run --engine spark",
        ours("--engine", "spark", "--master", "local[2]"),
        "pyspark",
        10_000_000,
    ),
    Contender("straightforward Spark", script("spark_straightforward.py"), "pyspark", 10_000_000),
)


def run_once(contender: Contender, log: Path, times: Times) -> list[tuple[str, int, int]] | None:
    """One run of a contender; its weekly figures, None for the floor."""
    output = CACHE / "output"
    shutil.rmtree(output, ignore_errors=True)
    printed = timed([part.format(log=log, output=output) for part in contender.command], times)
    shutil.rmtree(output, ignore_errors=True)
    return None if contender.name == FLOOR else weekly_figures(printed)


def timed(command: Sequence[str], times: Times) -> str:
    """Run a whole process and what it starts; what it printed."""
    begun = time.perf_counter()
    with (CACHE / "stdout").open("w+") as stdout, (CACHE / "stderr").open("w+") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        with Watch(process.pid) as watch:
            _, status, usage = os.wait4(process.pid, 0)
            times.wall.append(time.perf_counter() - begun)
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        printed, complaints = stdout.read(), stderr.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{complaints[-2000:]}")
    # Spark's Java outlives the process that started it, and is in no account of it.
    times.cpu.append(max(watch.cpu, usage.ru_utime + usage.ru_stime))
    times.peak.append(max(watch.peak, usage.ru_maxrss * 1024))
    return printed


class Watch(threading.Thread):
    """Looks at a process and its children now and then: processor seconds, most memory held."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._pid = pid
        self._cpu: dict[int, float] = {}
        self._over = threading.Event()

    @property
    def cpu(self) -> float:
        return sum(self._cpu.values())

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max(self.peak, self._look_at(self._pid))

    def _look_at(self, pid: int) -> int:
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            # The name of the program, in brackets, may hold spaces.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except (OSError, IndexError):
            return 0
        self._cpu[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        held = pages * os.sysconf("SC_PAGE_SIZE")
        return held + sum(self._look_at(int(child)) for child in children)


def weekly_figures(printed: str) -> list[tuple[str, int, int]]:
    start = printed.index("{")
    weeks = json.loads(printed[start:])["weeks"]
    return sorted(
        (week["registration_week"], week["total_registered"], week["total_converted"])
        for week in weeks
    )


def compare(contenders: Sequence[Contender], log: Path, runs: int) -> dict[str, Times]:
    """Each contender once, then each again: what slows the machine slows all of them."""
    times = {contender.name: Times() for contender in contenders}
    figures: dict[str, list[tuple[str, int, int]]] = {}
    for turn in range(runs):
        for contender in contenders:
            found = run_once(contender, log, times[contender.name])
            if found is not None:
                figures[contender.name] = found
            print(f"{log.name} {turn + 1}/{runs} {contender.name}", file=sys.stderr)
    answers = list(figures.values())
    if any(answer != answers[0] for answer in answers):
        raise SystemExit("The contenders disagree on the weekly figures.")
    return times


def present(contenders: Sequence[Contender]) -> list[Contender]:
    found = []
    for contender in contenders:
        script_there = all(
            Path(part).exists() for part in contender.command if part.endswith(".py")
        )
        if importlib.util.find_spec(contender.needs) and script_there:
            found.append(contender)
        else:
            print(f"left out: {contender.name} ({contender.needs} not installed)", file=sys.stderr)
    return found


RATIOS = ("cpu to floor", "cpu to script")
HEADER = ("contender", "wall s", "to floor", "cpu s", *RATIOS, "peak MB", "MB/s")
# Which of the ratios of all turns a table has.
Typical = Callable[[Iterable[float]], float]


def rows_of(times: dict[str, Times], log: Path, typical: Typical) -> list[tuple[str, ...]]:
    size = log.stat().st_size

    def to(other: str, of: str, taken: Times) -> str:
        base = times.get(other)
        return f"{typical(ratios(getattr(taken, of), getattr(base, of))):.2f}" if base else ""

    return [
        (
            name,
            f"{median(taken.wall):.2f}",
            to(FLOOR, "wall", taken),
            f"{median(taken.cpu):.1f}",
            to(FLOOR, "cpu", taken),
            to(SCRIPT, "cpu", taken),
            f"{max(taken.peak) / 2**20:,.0f}",
            f"{size / 1e6 / median(taken.wall):,.0f}",
        )
        for name, taken in times.items()
    ]


def ratios(taken: list[float], floor: list[float]) -> list[float]:
    """The ratios within each turn."""
    return [one / other for one, other in zip(taken, floor, strict=True)]


PARTS_HEADER = ("part", "wall s", "cpu s", "cpu to full run", "peak MB")
FULL = "run over everything"
TEXT_IDS = 'ids = "text"'


class Parts:
    """Runs of the command that are timed by name, compared with the full run."""

    def __init__(self, typical: Typical) -> None:
        self._times: dict[str, Times] = {}
        self._typical = typical

    def time(self, name: str, *words: str) -> None:
        timed(words, self._times.setdefault(name, Times()))

    def rows(self) -> list[tuple[str, ...]]:
        full = self._times[FULL].cpu
        return [
            (
                name,
                f"{median(taken.wall):.2f}",
                f"{median(taken.cpu):.2f}",
                f"{self._typical(ratios(taken.cpu, full)):.3f}",
                f"{max(taken.peak) / 2**20:,.0f}",
            )
            for name, taken in self._times.items()
        ]


def rows_of_nights(log: Log, runs: int, typical: Typical) -> list[tuple[str, ...]]:
    """A run over everything, then a day of the same log as a run of its own."""
    folder, output = CACHE / "parts", CACHE / "output"
    command = [*OURS, "--input", str(folder), "--output", str(output)]
    parts = Parts(typical)
    for _ in range(runs):
        for path in (folder, output):
            shutil.rmtree(path, ignore_errors=True)
        folder.mkdir()
        (folder / "history.json").symlink_to(log.path.absolute())
        parts.time(FULL, *command)
        next_day(log, folder / "day.json")
        parts.time("run with one more day", *command)
        parts.time("run with nothing new", *command)
    for path in (folder, output):
        shutil.rmtree(path)
    return parts.rows()


def rows_of_inputs(log: Log, runs: int, typical: Typical) -> list[tuple[str, ...]]:
    """The same events as other files, and the jobs one by one."""
    output, log_format = str(CACHE / "output"), CACHE / "text.toml"
    log_format.write_text(TEXT_IDS)
    parquet, table = (log.path.with_suffix(ending) for ending in (".parquet", ".csv"))
    for path in (parquet, table):
        if not path.exists():
            copy = f"import duckdb; duckdb.execute(\"COPY (FROM '{log.path}') TO '{path}'\")"
            subprocess.run([sys.executable, "-c", copy], check=True, capture_output=True)
    parts, command = Parts(typical), [sys.executable, "-m", "user_conversion"]
    split = [*command, "events-split", "--output", output, "--input"]
    for _ in range(runs):
        for name, path, more in (
            (FULL, log.path, ()),
            ("run over Parquet", parquet, ()),
            ("run over CSV", table, ()),
            ("run with text ids", log.path, ("--log-format", str(log_format))),
        ):
            shutil.rmtree(output, ignore_errors=True)
            parts.time(name, *OURS, "--output", output, "--input", str(path), *more)
        shutil.rmtree(output)
        parts.time("events-split", *split, str(log.path))
        parts.time("conversion-rate", *command, *CONVERSION, output)
        parts.time("--help", *command, "--help")
        parts.time("--version", *command, "--version")
    shutil.rmtree(output)
    return parts.rows()


def rows_of_stores(log: Log, runs: int, typical: Typical) -> list[tuple[str, ...]]:
    """A log in 100 files of a folder, and as objects of a store on this machine."""
    sys.path.append(str(HERE.parent / "tests"))
    from support.stores import seaweedfs

    from user_conversion.places.stores.store import Store

    folder, output = split(log), CACHE / "output"
    parts = Parts(typical)
    with tempfile.TemporaryDirectory() as name, seaweedfs(Path(name)) as server:
        os.environ |= server.environment
        store = Store(f"{server.address}/logs")
        for path in folder.iterdir():
            store.put(path.name, path)
        from_store = [*OURS, "--input", store.address, "--output"]
        for run in range(runs):
            bucket = f"{server.address}/{run}"
            shutil.rmtree(output, ignore_errors=True)
            parts.time(FULL, *OURS, "--input", str(folder), "--output", str(output))
            shutil.rmtree(output)
            parts.time("run from a store", *from_store, str(output))
            parts.time("run from a store with nothing new", *from_store, str(output))
            parts.time("run from bucket to bucket", *from_store, bucket)
            parts.time("run from bucket to bucket with nothing new", *from_store, bucket)
            next_day(log, CACHE / "day.json")
            store.put("day.json", CACHE / "day.json")
            parts.time("run from bucket to bucket with one new object", *from_store, bucket)
            store.delete(["day.json"])
    shutil.rmtree(output)
    return parts.rows()


def split(log: Log) -> Path:
    """A folder with the log in 100 files."""
    folder = log.path.with_suffix("")
    if not folder.exists():
        folder.mkdir()
        with log.path.open("rb") as lines:
            for number in range(100):
                some = islice(lines, -(-log.events // 100))
                (folder / f"{number:02}.json").write_bytes(b"".join(some))
    return folder


def next_day(log: Log, path: Path) -> None:
    """Write the last day of a log again, as the next day."""
    last_day(log.path, log.events // 730, path)
    text = path.read_text().replace("2021-12-30", "2021-12-31").replace("2021-12-29", "2021-12-30")
    path.write_text(text)


def check(sections: Sequence[str]) -> None:
    """Fail if a ratio is more than a quarter worse than in docs/benchmarks.md.

    `sections` have the best ratio of all turns: what slows the machine for a while is in one.
    """
    known, now = ratios_in(PAGE.read_text()), ratios_in("\n".join(sections))
    worse = [name for name in now.keys() & known.keys() if now[name] > 1.25 * known[name]]
    for name in worse:
        print(f"{name}: {now[name]:.3f}, and {known[name]:.3f} in {PAGE.name}", file=sys.stderr)
    if worse or not now.keys() & known.keys():
        raise SystemExit("Slower than documented." if worse else "Nothing to compare with.")


def ratios_in(page: str) -> dict[str, float]:
    """The ratios of processor time in the tables of a page, of runs of ours.

    Those to the script, not to the floor: with a small log it is too short to be timed.
    """
    found: dict[str, float] = {}
    title, column = "", 0
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("## "):
            title = line.removeprefix("## ")
        elif cells[0] in ("contender", "part"):
            column = cells.index("cpu to script" if cells[0] == "contender" else "cpu to full run")
        elif cells[0] == OURS_NAME or cells[0].startswith("run "):
            found[f"{title}: {cells[0]}"] = float(cells[column])
    return found


def last_day(log: Path, lines: int, path: Path) -> None:
    """Write the last lines of a log to a file of their own."""
    with log.open("rb") as file:
        file.seek(-lines * 250, os.SEEK_END)
        path.write_bytes(b"".join(file.readlines()[-lines:]))


def machine() -> str:
    model = "processor of unknown model"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0].partition(":")[2].strip() if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}"
    )


def versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for package in ("user-conversion", "duckdb", "pyspark", "polars", "chdb"):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def commit() -> str:
    words = ["git", "-C", str(HERE), "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() or "unknown"


def show(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Print a table; the same in Markdown."""
    table = Table(*header, title=title)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    lines = [f"## {title}", "", "| " + " | ".join(header) + " |"]
    lines += ["|---" + "|--:" * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [330_000, 10_000_000, 50_000_000]
    parser.add_argument("--events", type=int, nargs="*", default=sizes)
    parser.add_argument("--shuffled", type=int, nargs="*", default=[10_000_000])
    parser.add_argument("--nights", type=int, nargs="*", default=[330_000, 10_000_000, 50_000_000])
    parser.add_argument("--inputs", type=int, nargs="*", default=[330_000, 10_000_000])
    parser.add_argument("--stores", type=int, nargs="*", default=[10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], help="parts of contenders' names")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true", help="compare the smallest size only")
    options = parser.parse_args()
    if options.check:
        small = sizes[:1]
        options.events, options.shuffled, options.nights, options.inputs = small, [], small, small
        options.stores = []
        options.only = [FLOOR, OURS_NAME, SCRIPT]
    contenders = [
        contender
        for contender in present(CONTENDERS)
        if not options.only or any(part in contender.name for part in options.only)
        if not (options.check and contender.needs == "pyspark")
    ]
    logs = [Log(events) for events in options.events]
    logs += [Log(events, shuffled=True) for events in options.shuffled]
    sections, typical = [], min if options.check else median
    for log in logs:
        log.make()
        running = [contender for contender in contenders if log.events <= contender.most_events]
        if log.shuffled:
            running = [contender for contender in running if contender.needs != "pyspark"]
        rows = rows_of(compare(running, log.path, options.runs), log.path, typical)
        sections.append(show(log.title, HEADER, rows))
    for title, all_events, rows_of_all in (
        ("Nights over", options.nights, rows_of_nights),
        ("Inputs and jobs,", options.inputs, rows_of_inputs),
        ("Stores,", options.stores, rows_of_stores),
    ):
        for log in map(Log, all_events):
            log.make()
            rows = rows_of_all(log, options.runs, typical)
            sections.append(show(f"{title} {log.events:,} events", PARTS_HEADER, rows))
    if options.check:
        check(sections)
    elif options.write:
        about = (
            "# Benchmarks\n\nWritten by `task bench`. Whole processes, started in turn; medians "
            f"of {options.runs} runs, ratios to the floor taken within each turn. Every "
            "contender gave the same weekly figures. Peak memory includes child processes. Spark "
            "does not take part where it would take hours.\n\n"
            f"Machine: {machine()}. {versions()}. Commit {commit()}, {date.today()}.\n"
        )
        PAGE.write_text("\n".join([about, *sections]))


if __name__ == "__main__":
    main()
