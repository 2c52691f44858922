"""A few records in the layout of each tool, and the events that the log formats find in them."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from support.datasets import read_dataset
from support.engines import EngineUnderTest
from support.logs import registered
from support.prepared import prepare_found

from user_conversion.inputs.files import find_files
from user_conversion.inputs.lines import LineFile
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.paths import value_at
from user_conversion.rules.presets import log_format

ALL = frozenset({"gzip", "zstd"})


class Found(NamedTuple):
    """What a log format finds in one record, each value as text or None."""

    kind: str | None
    timestamp: str | None
    user: str | None
    channel: str | None
    device: str | None


def found_in(record: Any, log_format: LogFormat, file: LineFile) -> Found:
    def text(field: str) -> str | None:
        found = (value_at(record, path) for path in log_format.fields[field])
        value = next((value for value in found if value is not None), None)
        return None if value is None else str(value)

    kind = file.event or log_format.kind_by_name.get(text("event") or "")
    rest = ("timestamp", "initiator_id", "channel", "device_type")
    return Found(kind, *map(text, rest))


def events(folder: Path, log_format: LogFormat) -> list[Found]:
    """What is found in all files of a folder, in order."""
    files = prepare_found(
        find_files([str(folder / "in")]), log_format, ALL, folder / "scratch"
    ).files
    found = []
    for file in files:
        packed = file.path.read_bytes()
        text = gzip.decompress(packed) if file.compression == "gzip" else packed
        records = (json.loads(line, parse_int=str) for line in text.splitlines())
        found += [found_in(record, log_format, file) for record in records]
    return found


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def lines(*records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def zipped(*records: Any) -> bytes:
    return gzip.compress(lines(*records).encode())


def test_kissmetrics(tmp_path: Path) -> None:
    write(
        tmp_path / "in" / "revisions" / "1.json",
        lines(
            {"_n": "registered", "_p": "ann@example.com", "_t": 1604298074, "channel": "ads"},
            {"_p": "ann@example.com", "_p2": "device-1", "_t": 1604298075},
            {"_n": "app_loaded", "_p": "ann@example.com", "_t": 1604902874, "device_type": "tv"},
        ),
    )
    write(tmp_path / "in" / "index.csv", "Filename,Minimum Timestamp\n1.json,1604298074\n")
    assert events(tmp_path, log_format("kissmetrics")) == [
        Found("registered", "1604298074", "ann@example.com", "ads", None),
        Found(None, "1604298075", "ann@example.com", None, None),
        Found("app_loaded", "1604902874", "ann@example.com", None, "tv"),
    ]


@pytest.mark.parametrize("preset", ["segment", "rudderstack"])
def test_segment_and_rudderstack(tmp_path: Path, preset: str) -> None:
    names = {"registered": "User Registered", "app_loaded": "Application Opened"}
    time = {"originalTimestamp": "2020-11-02T06:21:10.000Z"}
    write(
        tmp_path / "in" / "1604275200000" / "1604298000_1.gz",
        zipped(
            {"type": "identify", "userId": "u1", "timestamp": "2020-11-02T06:21:13.000Z"},
            {
                "type": "track",
                "event": "User Registered",
                "userId": "u1",
                "channel": "web",
                "timestamp": "2020-11-02T06:21:14.000Z",
                "context": {"campaign": {"source": "newsletter"}},
                **time,
            },
            {
                "type": "track",
                "event": "Application Opened",
                "userId": None,
                "anonymousId": "a1",
                "context": {"device": {"type": "android"}},
                **time,
            },
        ),
    )
    format_ = log_format(preset, **names)  # type: ignore[arg-type]
    assert (format_.input.unnamed, format_.input.anonymous) == (True, True)
    assert events(tmp_path, format_) == [
        Found(None, "2020-11-02T06:21:13.000Z", "u1", None, None),
        Found("registered", "2020-11-02T06:21:14.000Z", "u1", "newsletter", None),
        Found("app_loaded", "2020-11-02T06:21:10.000Z", None, None, "android"),
    ]


SNOWPLOW = {"registered": "sign_up", "app_loaded": "application_foreground"}


def test_snowplow_json(tmp_path: Path) -> None:
    write(
        tmp_path / "in" / "run=2020-11-02-00-00-00" / "part-00000.gz",
        zipped(
            {
                "event": "unstruct",
                "event_name": "sign_up",
                "user_id": "u1",
                "collector_tstamp": "2020-11-02T06:21:15.000Z",
                "derived_tstamp": "2020-11-02T06:21:14.000Z",
                "mkt_source": "ads",
                "dvce_type": None,
            },
            {
                "event": "page_ping",
                "event_name": "page_ping",
                "user_id": None,
                "domain_userid": "d1",
                "collector_tstamp": "2020-11-02T06:22:15.000Z",
                "derived_tstamp": None,
            },
        ),
    )
    assert events(tmp_path, log_format("snowplow", **SNOWPLOW)) == [  # type: ignore[arg-type]
        Found("registered", "2020-11-02T06:21:14.000Z", "u1", "ads", None),
        Found(None, "2020-11-02T06:22:15.000Z", None, None, None),
    ]


def test_snowplow_tsv(tmp_path: Path) -> None:
    row = [""] * 131
    row[0:3], row[5], row[12] = ["app", "web", "2020-11-02 06:21:16.000"], "unstruct", "u1"
    row[30], row[48] = 'A "title', "ads"
    row[101], row[124], row[126] = "Computer", "2020-11-02 06:21:14.000", "sign_up"
    row[58] = '{"schema":"iglu:com.acme/sign_up"}'
    write(tmp_path / "in" / "part-0.gz", gzip.compress(("\t".join(row) + "\n").encode()))
    assert events(tmp_path, log_format("snowplow-tsv", **SNOWPLOW)) == [  # type: ignore[arg-type]
        Found("registered", "2020-11-02 06:21:14.000", "u1", "ads", "Computer"),
    ]


def test_ga4(tmp_path: Path) -> None:
    write(
        tmp_path / "in" / "events_20201102_000000000000.json.gz",
        zipped(
            {
                "event_date": "20201102",
                "event_timestamp": "1604298074000000",
                "event_name": "sign_up",
                "user_id": "u1",
                "user_pseudo_id": "p1",
                "device": {"category": "mobile"},
                "traffic_source": {"source": "google"},
                "event_params": [{"key": "method", "value": {"string_value": "mail"}}],
            },
            {"event_timestamp": "1604902874000000", "event_name": "session_start", "items": []},
        ),
    )
    assert events(tmp_path, log_format("ga4")) == [
        Found("registered", "1604298074000000", "u1", "google", "mobile"),
        Found("app_loaded", "1604902874000000", None, None, None),
    ]


def test_amplitude(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "export.zip", "w") as archive:
        archive.writestr(
            "1/1_2020-11-02_6#0.json.gz",
            zipped(
                {
                    "event_type": "Sign Up",
                    "client_event_time": "2020-11-02 06:21:10.000000",
                    "event_time": "2020-11-02 06:21:14.000000",
                    "user_id": "u1",
                    "device_type": None,
                    "user_properties": {"initial_utm_source": None},
                    "event_properties": {"utm_source": "ads"},
                }
            ),
        )
        archive.writestr(
            "1/1_2020-11-09_6#0.json.gz",
            zipped(
                {
                    "event_type": "session_start",
                    "client_event_time": "2020-11-09 06:21:14.000000",
                    "user_id": "u1",
                    "device_type": "iPhone",
                    "user_properties": {"initial_utm_source": "ads"},
                }
            ),
        )
    names = {"registered": "Sign Up", "app_loaded": "session_start"}
    assert events(tmp_path, log_format("amplitude", **names)) == [  # type: ignore[arg-type]
        Found("registered", "2020-11-02 06:21:14.000000", "u1", "ads", None),
        Found("app_loaded", "2020-11-09 06:21:14.000000", "u1", "ads", "iPhone"),
    ]


def test_mixpanel(tmp_path: Path) -> None:
    write(
        tmp_path / "in" / "export.jsonl",
        lines(
            {"event": "Sign Up", "properties": {"time": 1604298074, "distinct_id": "u1"}},
            {
                "event": "App Open",
                "properties": {
                    "time": 1604902874,
                    "distinct_id": "u1",
                    "utm_source": "ads",
                    "$device": "iPhone",
                },
            },
        ),
    )
    format_ = log_format("mixpanel", registered="Sign Up", app_loaded="App Open")
    assert (format_.input.local_numbers, format_.input.timezone) == (True, "UTC")
    assert events(tmp_path, format_) == [
        Found("registered", "1604298074", "u1", None, None),
        Found("app_loaded", "1604902874", "u1", "ads", "iPhone"),
    ]


POSTHOG = [
    {
        "event": "user signed up",
        "distinct_id": "u1",
        "timestamp": "2020-11-02T06:21:14.000000+00:00",
        "properties": {"$initial_utm_source": "ads"},
    },
    {
        "event": "$pageview",
        "distinct_id": "u1",
        "timestamp": "2020-11-09T06:21:14.000000+00:00",
        "properties": {"$device_type": "Mobile", "utm_source": "mail"},
    },
]


def test_posthog_in_json_and_in_parquet(tmp_path: Path) -> None:
    format_ = log_format("posthog", registered="user signed up", app_loaded="$pageview")
    write(tmp_path / "a" / "in" / "1.jsonl.gz", zipped(*POSTHOG))
    assert events(tmp_path / "a", format_) == [
        Found("registered", "2020-11-02T06:21:14.000000+00:00", "u1", "ads", None),
        Found("app_loaded", "2020-11-09T06:21:14.000000+00:00", "u1", "mail", "Mobile"),
    ]
    rows = ", ".join(
        f"('{row['event']}', 'u1', TIMESTAMPTZ '{row['timestamp']}', "
        f"'{json.dumps(row['properties'])}')"
        for row in POSTHOG
    )
    (tmp_path / "b" / "in").mkdir(parents=True)
    duckdb.sql(
        f"FROM (VALUES {rows}) AS t(event, distinct_id, timestamp, properties)"
    ).write_parquet(str(tmp_path / "b" / "in" / "1.parquet"))
    assert events(tmp_path / "b", format_) == [
        Found("registered", "2020-11-02 06:21:14+00", "u1", "ads", None),
        Found("app_loaded", "2020-11-09 06:21:14+00", "u1", "mail", "Mobile"),
    ]


def test_matomo_visits_in_an_array(tmp_path: Path) -> None:
    visits = [
        {
            "userId": "u1",
            "deviceType": "Desktop",
            "referrerName": "Bing",
            "actionDetails": [{"eventAction": name, "timestamp": time}],
        }
        for name, time in (("registered", 1604298074), ("app_loaded", 1604902874))
    ]
    write(tmp_path / "in" / "visits.json", json.dumps(visits, indent=1))
    fields = {
        "event": "actionDetails[0].eventAction",
        "timestamp": "actionDetails[0].timestamp",
        "initiator_id": "userId",
        "channel": "referrerName",
        "device_type": "deviceType",
    }
    assert events(tmp_path, log_format(fields=fields)) == [
        Found("registered", "1604298074", "u1", "Bing", "Desktop"),
        Found("app_loaded", "1604902874", "u1", "Bing", "Desktop"),
    ]


def test_objects_without_line_ends_from_firehose(tmp_path: Path) -> None:
    records = [
        {"event_type": "_userauth.sign_up", "event_timestamp": 1604298074000},
        {"event_type": "_session.start", "event_timestamp": 1604902874000},
    ]
    text = "".join(json.dumps({**record, "client": {"client_id": "c1"}}) for record in records)
    write(tmp_path / "in" / "2020" / "11" / "02" / "06" / "stream-1-2020-11-02-06", text)
    fields = {
        "event": "event_type",
        "timestamp": "event_timestamp",
        "initiator_id": "client.client_id",
    }
    format_ = log_format(None, "_userauth.sign_up", "_session.start", fields)
    assert events(tmp_path, format_) == [
        Found("registered", "1604298074000", "c1", None, None),
        Found("app_loaded", "1604902874000", "c1", None, None),
    ]


def test_cloudevents_in_lines_and_in_a_batch(tmp_path: Path) -> None:
    batch: list[dict[str, Any]] = [
        {
            "specversion": "1.0",
            "type": "com.example.user.registered",
            "source": "/accounts",
            "subject": "u1",
            "time": "2020-11-02T06:21:14Z",
            "data": {"channel": "ads"},
        },
        {
            "specversion": "1.0",
            "type": "com.example.app.loaded",
            "source": "/app",
            "subject": "u1",
            "time": "2020-11-09T06:21:14Z",
            "data": {"device": {"type": "tv"}},
        },
    ]
    write(tmp_path / "in" / "1.ndjson", lines(*batch))
    write(tmp_path / "in" / "2.json", json.dumps(batch, indent=2))
    names = {"registered": "com.example.user.registered", "app_loaded": "com.example.app.loaded"}
    assert events(tmp_path, log_format("cloudevents", **names)) == 2 * [  # type: ignore[arg-type]
        Found("registered", "2020-11-02T06:21:14Z", "u1", "ads", None),
        Found("app_loaded", "2020-11-09T06:21:14Z", "u1", None, "tv"),
    ]


def test_a_batch_of_opentelemetry_on_each_line(tmp_path: Path) -> None:
    def batch(*records: dict[str, Any]) -> dict[str, Any]:
        return {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}

    user = {"attributes": [{"key": "user.id", "value": {"stringValue": "u1"}}]}
    write(
        tmp_path / "in" / "logs.json",
        lines(
            batch({"eventName": "user.registered", "timeUnixNano": "1604298074000000000", **user}),
            batch(
                {"eventName": "app.loaded", "timeUnixNano": "1604902874000000000", **user},
                {"eventName": "board.opened", "timeUnixNano": "1604902875000000000", **user},
            ),
        ),
    )
    write(
        tmp_path / "otel.toml",
        """
        [events]
        registered = "user.registered"
        app_loaded = "app.loaded"
        [fields]
        event = "eventName"
        timestamp = "timeUnixNano"
        initiator_id = "attributes[0].value.stringValue"
        [input]
        records = "resourceLogs[0].scopeLogs[0].logRecords"
        """,
    )
    assert events(tmp_path, log_format(str(tmp_path / "otel.toml"))) == [
        Found("registered", "1604298074000000000", "u1", None, None),
        Found("app_loaded", "1604902874000000000", "u1", None, None),
        Found(None, "1604902875000000000", "u1", None, None),
    ]


def test_a_batch_of_events_on_each_line(tmp_path: Path) -> None:
    """As libraries send them. A log whose events have a list of their own is no log of batches."""
    sign_up = {"type": "track", "event": "registered", "timestamp": "2020-11-02T06:21:14Z"}
    visit = {"type": "track", "event": "app_loaded", "timestamp": "2020-11-09T06:21:14Z"}
    user = {"initiator_id": 1}
    batches = [
        {"batch": [{"type": "identify"} | user], "sentAt": "2020-11-02T06:21:15Z"},
        {"batch": [sign_up | user, visit | user], "sentAt": "2020-11-09T06:21:15Z"},
        {"batch": [], "sentAt": "2020-11-10T06:21:15Z"},
    ]
    write(tmp_path / "in" / "batches.json", lines(*batches))
    found = [
        Found("registered", "2020-11-02T06:21:14Z", "1", None, None),
        Found("app_loaded", "2020-11-09T06:21:14Z", "1", None, None),
    ]
    assert events(tmp_path, log_format(None))[1:] == found
    odd = [{"status": "ok"}, {"batch": None}]
    write(tmp_path / "in" / "batches.json", lines(*odd, *batches))
    assert [each for each in events(tmp_path, log_format(None)) if each.kind] == found
    carts = {"cart": [{"event": "looked at", "price": 7}]}
    for first in (carts, {"level": "info"} | carts):
        write(tmp_path / "in" / "batches.json", lines(first, sign_up | user, visit | user | carts))
        assert events(tmp_path, log_format(None))[1:] == found


def test_a_batch_that_has_a_time_of_its_own(tmp_path: Path) -> None:
    """As Segment's library for Node sends it; records without an event need only a time there."""
    time = "2020-11-02T06:21:14Z"
    event = {"type": "track", "event": "Signed Up", "timestamp": time, "userId": "u1"}
    write(tmp_path / "in" / "a.json", lines({"batch": [event], "timestamp": time, "sentAt": time}))
    assert events(tmp_path, log_format("segment", "Signed Up", "App Opened")) == [
        Found("registered", time, "u1", None, None)
    ]


def test_two_tables_of_which_each_holds_one_kind_of_event(tmp_path: Path) -> None:
    write(
        tmp_path / "in" / "users.csv",
        "object_id,creation_time,creation_source\n1,2020-11-02 06:21:14,ads\n",
    )
    write(tmp_path / "in" / "visits.csv", "time_stamp,user_id,visited\n2020-11-09 06:21:14,1,1\n")
    write(
        tmp_path / "tables.toml",
        """
        [fields]
        timestamp = ["time_stamp", "creation_time"]
        initiator_id = ["user_id", "object_id"]
        channel = "creation_source"
        [files]
        registered = "*users.csv"
        app_loaded = "*visits.csv"
        """,
    )
    assert events(tmp_path, log_format(str(tmp_path / "tables.toml"))) == [
        Found("registered", "2020-11-02 06:21:14", "1", "ads", None),
        Found("app_loaded", "2020-11-09 06:21:14", "1", None, None),
    ]


def test_one_parquet_table_for_each_event(tmp_path: Path) -> None:
    for name in ("user_registered", "application_opened"):
        path = tmp_path / "in" / name / "part-0.parquet"
        path.parent.mkdir(parents=True)
        duckdb.sql(
            "SELECT TIMESTAMP '2020-11-02 06:21:14.25' AS received_at, 'u1' AS user_id, "
            "'ads' AS context_campaign_source"
        ).write_parquet(str(path))
    write(
        tmp_path / "tables.toml",
        """
        [fields]
        timestamp = "received_at"
        initiator_id = "user_id"
        channel = "context_campaign_source"
        [files]
        registered = "*/user_registered/*"
        app_loaded = "*/application_opened/*"
        """,
    )
    assert events(tmp_path, log_format(str(tmp_path / "tables.toml"))) == [
        Found("app_loaded", "2020-11-02 06:21:14.25", "u1", "ads", None),
        Found("registered", "2020-11-02 06:21:14.25", "u1", "ads", None),
    ]


def test_fields_are_the_names_of_folders(
    engine: EngineUnderTest, tmp_path: Path, output: Path
) -> None:
    """Of the last folder of that name, decoded; a member of the record of that name is another."""
    logs = tmp_path / "channel=wrong" / "logs"
    in_folder = logs / "channel=ads" / "count`ry=de"
    slow = '{"event":"registered","timestamp":"2020-11-02 07:00:14+01","initiator_id":"2"}'
    write(in_folder / "a.json", "\n".join([registered("2020-11-02T06:21:14Z", 1, "x"), slow]))
    table = "event,timestamp,initiator_id\nregistered,2020-11-03T06:21:14Z,3\n"
    write(logs / "channel=e%20mail" / "count`ry=__HIVE_DEFAULT_PARTITION__" / "b.csv", table)
    other = registered("2020-11-02T06:21:14Z", 4).replace("{", '{"folder:channel":"no",', 1)
    write(logs / "channel=it's" / "c.json.gz", gzip.compress(other.encode()))
    write(logs / "staff=yes" / "d.json", registered("2020-11-02T06:21:14Z", 5))
    rows = "SELECT 'registered' AS event, '2020-11-02T06:21:14Z' AS timestamp, {} AS initiator_id"
    for user, staff in ((6, "no"), (7, "yes")):
        (logs / "channel=post" / f"staff={staff}").mkdir(parents=True)
        file = logs / "channel=post" / f"staff={staff}" / "e.parquet"
        duckdb.sql(f"COPY ({rows.format(user)}) TO '{file}'")
    format_ = {
        "fields": {"channel": "folder:channel", "country": "folder:count`ry"},
        "exclude": {"folder:staff": "yes"},
    }
    result = engine.run(output, logs, log_format=format_)
    users = read_dataset(output, "user_conversion", "country")
    assert {user.initiator_id: (user.channel, user.country) for user in users} == {
        1: ("ads", "de"),
        2: ("ads", "de"),
        3: ("e mail", None),
        4: ("it's", None),
        6: ("post", None),
    }
    assert result.events
    assert (result.events.registered, result.events.excluded) == (5, 2)
