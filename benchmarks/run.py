"""Time our job beside its peers, as whole processes, several times in turn.

    python benchmarks/run.py [--events N ...] [--runs N] [--only NAME ...] [--shuffled] [--write]

Every contender reads the same log and must give the same weekly figures. Logs are made once and
kept in .bench/. `--write` puts the tables into docs/benchmarks.md.
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
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
CACHE = HERE.parent / ".bench"
PAGE = HERE.parent / "docs" / "benchmarks.md"
FLOOR = "floor: DuckDB only parsing the JSON"
OURS = [sys.executable, "-m", "user_conversion", "run", "--no-report", "--format", "json"]


@dataclass(frozen=True)
class Contender:
    """One way to do the job; `needs` is the library without which it is left out."""

    name: str
    command: Sequence[str]
    needs: str
    most_events: int = 10**12


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
    Contender("user-conversion run", ours(), "duckdb"),
    Contender("DuckDB script", script("duckdb_script.py"), "duckdb"),
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


def make_log(events: int, shuffled: bool) -> Path:
    path = CACHE / f"{events}{'-shuffled' if shuffled else ''}.json"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        begun = path.with_suffix(".begun")
        command = [sys.executable, str(HERE / "generate.py"), "--events", str(events)]
        command += ["--out", str(begun), *(["--shuffled"] if shuffled else [])]
        subprocess.run(command, check=True)
        begun.rename(path)
    return path


def run_once(contender: Contender, log: Path, times: Times) -> list[tuple[str, int, int]] | None:
    """One whole process and what it started; its weekly figures, None for the floor."""
    output = CACHE / "output"
    shutil.rmtree(output, ignore_errors=True)
    command = [part.format(log=log, output=output) for part in contender.command]
    log.open("rb").close()
    begun = time.perf_counter()
    with (CACHE / "stdout").open("w+") as stdout, (CACHE / "stderr").open("w+") as stderr:
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        peak = watch_memory(process)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        times.wall.append(time.perf_counter() - begun)
        stdout.seek(0)
        stderr.seek(0)
        printed, complaints = stdout.read(), stderr.read()
    if process.returncode:
        raise SystemExit(f"{contender.name} failed:\n{complaints[-2000:]}")
    times.cpu.append(usage.ru_utime + usage.ru_stime)
    times.peak.append(max(peak, usage.ru_maxrss * 1024))
    shutil.rmtree(output, ignore_errors=True)
    return None if contender.name == FLOOR else weekly_figures(printed)


def watch_memory(process: subprocess.Popen[bytes]) -> int:
    """The most memory that the process and its children held together, until it ends."""
    peak = 0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        peak = max(peak, resident(process.pid))
        time.sleep(0.1)
    return peak


def resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(resident(int(child)) for child in children)


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


HEADER = ("contender", "wall s", "ratio to floor", "cpu s", "peak MB", "MB/s")


def rows_of(times: dict[str, Times], log: Path) -> list[tuple[str, ...]]:
    floor = times.get(FLOOR)
    size = log.stat().st_size
    return [
        (
            name,
            f"{median(taken.wall):.2f}",
            f"{median(pair(taken, floor)):.2f}" if floor else "",
            f"{median(taken.cpu):.1f}",
            f"{max(taken.peak) / 2**20:,.0f}",
            f"{size / 1e6 / median(taken.wall):,.0f}",
        )
        for name, taken in times.items()
    ]


def pair(taken: Times, floor: Times) -> list[float]:
    """The ratios within each turn."""
    return [one / other for one, other in zip(taken.wall, floor.wall, strict=True)]


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


def markdown(title: str, rows: list[tuple[str, ...]]) -> str:
    lines = [f"## {title}", "", "| " + " | ".join(HEADER) + " |", "|---" + "|--:" * 5 + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[330_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", default=[], help="parts of contenders' names")
    parser.add_argument("--shuffled", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    contenders = [
        contender
        for contender in present(CONTENDERS)
        if not options.only or any(part in contender.name for part in options.only)
    ]
    sections = []
    for events in options.events:
        log = make_log(events, options.shuffled)
        title = f"{events:,} events, {log.stat().st_size / 1e9:.2f} GB"
        title += ", shuffled" if options.shuffled else ""
        running = [contender for contender in contenders if events <= contender.most_events]
        rows = rows_of(compare(running, log, options.runs), log)
        table = Table(*HEADER, title=title)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
        sections.append(markdown(title, rows))
    if options.write:
        about = (
            "# Benchmarks\n\nWritten by `task bench`. Whole processes, started in turn; medians "
            f"of {options.runs} runs, the ratio to the floor taken within each turn. Every "
            "contender gave the same weekly figures. Peak memory includes child processes.\n\n"
            f"Machine: {machine()}. {versions()}.\n"
        )
        PAGE.write_text("\n".join([about, *sections]))


if __name__ == "__main__":
    main()
