"""What all tests share: engines, logs on disk, runs in process and as a process, a Parquet reader.

Nothing here asks the product what a dataset should look like: `CONTRACT` is the design page.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import io
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, settings
from strategies import RUN_STARTED

from user_conversion.__main__ import main
from user_conversion.engines import Engine, open_engine
from user_conversion.jobs.conversion_rate import compute_conversion
from user_conversion.jobs.events_split import SplitResult, split_events
from user_conversion.publication import OutputFolder
from user_conversion.results import ConversionResult
from user_conversion.settings import ConversionSettings, EngineSettings, SplitSettings

# The same examples in every run of CI; `task fuzz` searches for new ones. Explaining a failure
# takes as long as finding it.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    phases=set(Phase) - {Phase.explain},
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "10000")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(PROFILE)

# No developer's zone or settings decide what a test sees; `machine_zone` sets other zones.
os.environ["TZ"] = "UTC"
time.tzset()
for _name in [name for name in os.environ if name.startswith("USER_CONVERSION_")]:
    del os.environ[_name]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "property: random examples; more of them in `task fuzz`")
    # PySpark leaves the closing of its sockets to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:unclosed <socket:ResourceWarning")


@pytest.fixture
def machine_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Moves this machine to another time zone for one test."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


# ---------------------------------------------------------------- engines


@dataclass(frozen=True)
class EngineUnderTest:
    """An engine by name, with both jobs as one call each and the clock of the run in hand.

    `cost` says how many times fewer examples a property test gets.
    """

    name: str
    cost: int

    def open(self) -> Engine:
        return open_engine(EngineSettings(self.name))

    def examples(self, number: int) -> settings:
        """For a property test with a fixed number of examples, or those of `task fuzz`."""
        number = settings.default.max_examples if PROFILE == "fuzz" else number
        return settings(max_examples=max(3, number // self.cost))

    def split(
        self, output: Path, *inputs: Path, now: datetime = RUN_STARTED, **more: Any
    ) -> SplitResult:
        more.setdefault("max_rejected", 1)
        wanted = SplitSettings(tuple(map(str, inputs)), output, **more)
        with OutputFolder(output, "test") as folder, self._lazily_open() as engine:
            return split_events(wanted, folder, engine, now)

    def convert(self, output: Path, **more: Any) -> ConversionResult:
        wanted = ConversionSettings(output, **more)
        with OutputFolder(output, "test") as folder, self._lazily_open() as engine:
            return compute_conversion(wanted, folder, engine)

    def run(
        self, output: Path, *inputs: Path, now: datetime = RUN_STARTED, **more: Any
    ) -> ConversionResult:
        """Both jobs on one engine, as the command `run` does them."""
        wanted = SplitSettings(tuple(map(str, inputs)), output, max_rejected=1)
        conversion = ConversionSettings(output, **more)
        with OutputFolder(output, "test") as folder, self.open() as engine:
            split = split_events(wanted, folder, lambda: engine, now)
            just_split = split.is_everything
            return compute_conversion(conversion, folder, lambda: engine, just_split=just_split)

    def command(self, *arguments: object) -> Finished:
        return command(*arguments, "--engine", self.name)

    @contextlib.contextmanager
    def _lazily_open(self) -> Iterator[Callable[[], Engine]]:
        with contextlib.ExitStack() as stack:
            yield lambda: stack.enter_context(self.open())


@pytest.fixture(scope="session")
def spark_session() -> Iterator[Any]:
    """One Spark session for all tests, started by the first that needs it."""
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install -e '.[spark]'")
    if importlib.util.find_spec("user_conversion.engines.spark") is None:
        pytest.skip("there is no Spark engine yet")
    from pyspark.sql import SparkSession

    session = (
        # Two tasks at a time, so that an assumption about the order of rows fails.
        SparkSession.builder.master("local[2]")
        # Each shuffle partition is a task; 200 of them, the default, take seconds for ten rows.
        .config("spark.sql.shuffle.partitions", 2)
        .config("spark.default.parallelism", 2)
        # No web server for each run of the tests.
        .config("spark.ui.enabled", False)
        # Nothing listens beyond this machine, whatever its host name resolves to.
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        # Small enough to share a laptop.
        .config("spark.driver.memory", "1g")
        # The progress bar would mix with what tests print.
        .config("spark.ui.showConsoleProgress", False)
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


ENGINES = [
    pytest.param("duckdb", id="duckdb"),
    pytest.param("spark", id="spark", marks=pytest.mark.spark),
]
COSTS = {"duckdb": 1, "spark": 50}
# For what is no engine's business, and to prepare what another engine then works on.
DUCKDB = EngineUnderTest("duckdb", COSTS["duckdb"])


@pytest.fixture(params=ENGINES, scope="session")
def engine(request: pytest.FixtureRequest) -> EngineUnderTest:
    """Each engine in turn."""
    needed = f"{request.param}_session"
    with contextlib.suppress(pytest.FixtureLookupError):
        request.getfixturevalue(needed)
    return EngineUnderTest(request.param, COSTS[request.param])


# ---------------------------------------------------------------- raw logs


def registered(time: str, initiator_id: object, channel: str | None = None, **more: object) -> str:
    """One line of a log."""
    event = {"event": "registered", "timestamp": time, "initiator_id": initiator_id}
    return json.dumps(event | {"channel": channel} | more)


def app_loaded(time: str, initiator_id: object, device_type: str | None = None) -> str:
    """One line of a log."""
    event = {"event": "app_loaded", "timestamp": time, "initiator_id": initiator_id}
    return json.dumps(event | {"device_type": device_type})


def scratch_folder() -> TemporaryDirectory[str]:
    """A folder for one example of a property test, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    return TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


def write_log(path: Path, lines: Iterable[str | bytes]) -> Path:
    """Write lines to a file, each ended by a line feed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    as_bytes = (line if isinstance(line, bytes) else line.encode() for line in lines)
    path.write_bytes(b"".join(line + b"\n" for line in as_bytes))
    return path


# ---------------------------------------------------------------- running the command


@dataclass(frozen=True)
class Finished:
    """What a run of the command left on its exit status and streams."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output, which must be one JSON object; the run must have worked."""
        assert self.status == 0, self.err
        return json.loads(self.out)


def command(*arguments: object) -> Finished:
    """Run `user-conversion` in this process."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    argv = ["user-conversion", *map(str, arguments)]
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with streams[0], streams[1], patch.object(sys, "argv", argv), patch("signal.signal"):
        try:
            main()
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return Finished(status, out.getvalue(), err.getvalue())


def process(*arguments: object, powerless: bool = False, **environment: str) -> Finished:
    """Run `user-conversion` as a process of its own, warnings as errors there too.

    A powerless one may do only what the permissions of files allow, even if it is root's.
    """
    done = subprocess.run(
        command_line(*arguments),
        env=os.environ | {"PYTHONWARNINGS": "error"} | environment,
        preexec_fn=_drop_power_over_files if powerless else None,
        capture_output=True,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def command_line(*arguments: object) -> list[str | bytes]:
    """The command as a process would be started with it."""
    texts = (each if isinstance(each, str | bytes) else str(each) for each in arguments)
    return [sys.executable, "-m", "user_conversion", *texts]


def _drop_power_over_files() -> None:
    if os.geteuid() == 0:
        for capability in (1, 2, 3):  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


# ---------------------------------------------------------------- the published datasets

TIME, ID, TEXT, YES = pa.timestamp("us", tz="UTC"), pa.int64(), pa.string(), pa.bool_()

# Partition column, then the columns in order, as on the design page.
CONTRACT: dict[str, tuple[str | None, dict[str, pa.DataType]]] = {
    "user_registration": (
        "derived_tstamp_day",
        {"event": TEXT, "time": TIME, "initiator_id": ID, "channel": TEXT},
    ),
    "app_loaded": (
        "derived_tstamp_day",
        {"event": TEXT, "time": TIME, "initiator_id": ID, "device_type": TEXT},
    ),
    "weekly_summary": (
        "registration_week",
        dict.fromkeys(("total_registered", "total_converted", "conversion_rate"), pa.int64()),
    ),
    "user_conversion": (
        "registration_week",
        {
            "initiator_id": ID,
            "registered_at": TIME,
            "channel": TEXT,
            "first_loaded_at": TIME,
            "device_type": TEXT,
            "week_offset": pa.int64(),
            "loaded_next_week": YES,
            "converted": YES,
        },
    ),
    "rejected_events": (
        None,
        {"source": TEXT, "line_number": pa.int64(), "reason": TEXT, "raw": TEXT},
    ),
}
Row = SimpleNamespace


def read_dataset(output: Path, name: str, *attributes: str) -> list[Row]:
    """The rows of a published dataset, its partition as the last column, read by pyarrow.

    Fails where a file lies elsewhere or has other columns, types or compression than agreed.
    """
    return [Row(**row) for row in _rows(output, name, attributes)]


def row_counts(output: Path, name: str, *attributes: str) -> Counter[tuple[Any, ...]]:
    """The same rows as a multiset, to compare datasets."""
    return Counter(tuple(row.values()) for row in _rows(output, name, attributes))


def _rows(output: Path, name: str, attributes: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    partition, columns = CONTRACT[name]
    if attributes and "channel" in columns:
        at = list(columns).index("channel") + 1
        named = dict.fromkeys(attributes, TEXT)
        columns = dict([*[*columns.items()][:at], *named.items(), *[*columns.items()][at:]])
    folder = output / name / "format=parquet"
    for path in sorted(folder.rglob("*")) if folder.exists() else []:
        if path.is_dir():
            continue
        assert path.suffix == ".parquet", f"{path} is litter"
        *folders, _ = path.relative_to(folder).parts
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            groups = [file.metadata.row_group(n) for n in range(file.num_row_groups)]
            chunks = [group.column(n) for group in groups for n in range(group.num_columns)]
            assert dict(zip(schema.names, schema.types, strict=True)) == columns, path
            assert list(schema.names) == list(columns), path
            assert {chunk.compression for chunk in chunks} <= {"SNAPPY"}, path
            rows = file.read().to_pylist()
        if partition is None:
            assert not folders, path
            yield from rows
            continue
        (folder_name,) = folders
        key, value = folder_name.split("=")
        assert key == partition, path
        if key == "derived_tstamp_day":
            assert {row["time"].date() for row in rows} == {date.fromisoformat(value)}, path
        yield from (row | {partition: value} for row in rows)


TOP_LEVEL = {*CONTRACT, "ledger.json", "run.json", "report.html", ".lock"}


def assert_no_litter(output: Path) -> None:
    """Nothing but datasets, the documents and the lock lies in an output folder."""
    assert {path.name for path in output.iterdir()} <= TOP_LEVEL
    for name in CONTRACT:
        files = [path for path in (output / name).rglob("*") if not path.is_dir()]
        assert {path.suffix for path in files} <= {".parquet"}, files
        folders = [path for path in (output / name / "format=parquet").glob("*") if path.is_dir()]
        assert all(any(folder.iterdir()) for folder in folders), "an empty partition"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where this test publishes; not there yet."""
    return tmp_path / "output"
