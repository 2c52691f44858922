"""What a log of unknown layout is, and the command that reads it."""

from __future__ import annotations

import gzip
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.command import assert_refused, command
from support.prepared import prepare_found

from user_conversion.inputs.files import find_files
from user_conversion.inputs.inspection.fields import form, instant
from user_conversion.inputs.inspection.guesses import advice
from user_conversion.inputs.inspection.inspection import inspect
from user_conversion.inputs.inspection.samples import records_of
from user_conversion.rules.errors import InputError
from user_conversion.rules.log_format import LogFormat
from user_conversion.rules.presets import log_format


def segment(number: int, event: str) -> dict[str, object]:
    return {
        "type": "track",
        "event": event,
        "userId": f"00000000-0000-4000-8000-{number:012}",
        "timestamp": f"2020-11-{1 + number:02}T06:21:14Z",
        "context": {"campaign": {"source": "ads"}, "traits": {"email": f"u{number}@example.com"}},
        "properties": {"firstName": "Ann", "plan": "pro", "note": f"free text {number}"},
    }


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "my logs"
    folder.mkdir()
    names = ["Course Clicked"] * 3 + ["User Registered"] * 4 + ["Application Opened"] * 5
    events = [segment(number, name) for number, name in enumerate(names)]
    text = "".join(json.dumps(event) + "\n" for event in events)
    (folder / "1.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "README.md").write_text("Our logs.\n")
    return folder


def test_a_log_of_a_known_tool(logs: Path) -> None:
    found = inspect([str(logs)])
    assert (found.files, found.records, found.log_format) == (2, 12, "segment")
    assert found.kinds == {
        "newline-delimited JSON, gzip": 1,
        "not a log: neither JSON nor a table": 1,
    }
    names = {"Application Opened": 5, "User Registered": 4, "Course Clicked": 3}
    assert found.event_names == names
    span = (
        datetime(2020, 11, 1, 6, 21, 14, tzinfo=UTC),
        datetime(2020, 11, 12, 6, 21, 14, tzinfo=UTC),
    )
    assert found.time_span == span
    assert found.command == (
        f"user-conversion run --input '{logs}' --log-format segment "
        "--registered 'User Registered' --app-loaded 'Application Opened'"
    )


def test_fields_are_shown_without_the_values_of_people(logs: Path) -> None:
    found = inspect([str(logs)])
    forms = {field.path: field.form for field in found.fields}
    assert forms["userId"] == "uuid"
    assert forms["context.traits.email"] == "email"
    assert forms["timestamp"] == "time such as 2020-11-01T06:21:14Z"
    assert forms["properties.plan"] == "one of pro"
    assert forms["properties.firstName"] == "text"
    assert forms["properties.note"] == "text"
    assert "Ann" not in repr(found) and "example.com" not in repr(found)


def test_the_format_as_toml_can_be_read_again(logs: Path, tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(inspect([str(logs)]).as_toml())
    loaded = log_format(str(path))
    assert loaded.events == {
        "registered": ("User Registered",),
        "app_loaded": ("Application Opened",),
    }
    assert loaded.fields == log_format("segment", "a", "b").fields


def test_a_log_of_an_unknown_tool(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("time_stamp,client_id,action\n1604298074,7,signed_up\n1604298075,7,app_open\n")
    found = inspect([str(path)])
    assert (found.log_format, found.kinds) == (None, {"table": 1})
    assert found.command == (
        f"user-conversion run --input {path} --field event=action --field timestamp=time_stamp "
        "--field initiator_id=client_id --registered signed_up --app-loaded app_open"
    )


def test_a_table_without_a_header_is_known_by_its_columns(tmp_path: Path) -> None:
    row = [""] * 131
    row[12], row[124], row[126] = "u1", "2020-11-02 06:21:14.000", "sign_up"
    (tmp_path / "log").write_text("\t".join(row) + "\n")
    found = inspect([str(tmp_path / "log")])
    assert (found.log_format, found.event_names) == ("snowplow-tsv", {"sign_up": 1})


def test_records_in_a_document_and_a_time_of_another_name(tmp_path: Path) -> None:
    record = {"event": "registered", "occurred": "2020-11-02T06:21:14Z", "initiator_id": 1}
    (tmp_path / "log").write_text(json.dumps({"rows": [record]}))
    found = inspect([str(tmp_path / "log")])
    assert found.tables["input"] == {"records": "rows"}
    assert found.tables["fields"]["timestamp"] == "occurred"


def test_batches_on_lines(tmp_path: Path) -> None:
    """The path of the first event of each batch would be that of some of the events only."""
    events = [segment(number, "User Registered") for number in range(3)]
    log = tmp_path / "batches.json"
    batches = [{"batch": events[:2], "sentAt": "2020-11-02"}, {"batch": events[2:], "sentAt": None}]
    log.write_text("".join(json.dumps(batch) + "\n" for batch in batches))
    found = inspect([str(log)])
    assert (found.records, found.log_format) == (3, "segment")
    carts = [{"type": "order", "event": "x", "items": [{"event": "y"}, {"event": "z"}]}] * 2
    log.write_text("".join(json.dumps(cart) + "\n" for cart in carts))
    assert inspect([str(log)]).records == 2


ENVELOPE = {"event": "registered", "ts": "2020-11-02T06:21:14Z", "user_id": "u1"}
ACCOUNT = {"id": "u1", "created_at": "2019-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("record", "given"),
    [
        (
            {"key": "k", "value": ENVELOPE, "timestamp": 1604298074000},
            {"timestamp": "value.ts", "initiator_id": "value.user_id", "event": "value.event"},
        ),
        (
            {"event": "registered", "occurred_at": "2020-11-02T06:21:14Z", "user": ACCOUNT},
            {"timestamp": "occurred_at", "initiator_id": "user.id"},
        ),
        (
            {"event": "registered", "happened": "2020-11-02T06:21:14Z", "user": ACCOUNT},
            {"timestamp": "happened", "initiator_id": "user.id"},
        ),
        (
            {"event": "registered", "ts": 1604298074, "client_id": "ios", "actor": ENVELOPE},
            {"timestamp": "ts", "initiator_id": "actor.user_id"},
        ),
    ],
)
def test_the_likely_of_several_fields(
    tmp_path: Path, record: dict[str, object], given: dict[str, str]
) -> None:
    """The time beside the event, not that of an envelope; an id that differs between records."""
    lines = [json.dumps(record).replace("u1", f"u{number}") for number in range(20)]
    (tmp_path / "log.json").write_text("\n".join(lines))
    assert inspect([str(tmp_path / "log.json")]).tables["fields"] == given


@pytest.mark.parametrize(
    ("others", "registered", "app_loaded"),
    [
        (["app_downloaded"], "signed_up", "app_opened"),
        (["file_uploaded", "page"], "user_registered", "session_start"),
        (["push_token_registered", "opened_door"], "Sign Up", "Application Opened"),
    ],
)
def test_the_likely_of_several_events(
    tmp_path: Path, others: list[str], registered: str, app_loaded: str
) -> None:
    line = '{"event":"%s","timestamp":"2020-11-02T06:21:14Z","initiator_id":1}'
    names = [*others * 3, registered, app_loaded]
    (tmp_path / "log.json").write_text("\n".join(line % name for name in names))
    events = inspect([str(tmp_path / "log.json")]).tables["events"]
    assert events == {"registered": registered, "app_loaded": app_loaded}


def test_what_the_command_does_not_mend_is_said(tmp_path: Path) -> None:
    line = '{"event":"registered","timestamp":"2020-11-02T06:21:14Z","initiator_id":%s,"x":"é"}\n'
    log = tmp_path / "log.json"
    log.write_text(line % "1")
    assert inspect([str(log)]).notes == ()
    log.write_text(line % "1" + line % "1.0", "latin-1")
    undecoded, ids = inspect([str(log)]).notes
    assert "not UTF-8" in undecoded
    assert "ids are numbers with a fraction" in ids
    assert undecoded in command("inspect", log).out


def test_what_is_not_found_is_left_to_be_filled_in(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text('{"a":1}\n')
    assert inspect([str(path)]).command == (
        f"user-conversion run --input {path} --field event=PATH_OF_EVENT "
        "--field timestamp=PATH_OF_TIMESTAMP --field initiator_id=PATH_OF_INITIATOR_ID "
        "--registered NAME_OF_REGISTRATIONS --app-loaded NAME_OF_APP_LOADS"
    )
    (tmp_path / "empty").write_text("")
    assert inspect([str(tmp_path / "empty")]).records == 0
    with pytest.raises(InputError, match="does not exist"):
        inspect([str(tmp_path / "missing")])


def test_what_is_no_log_is_said(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Our notes.\n")
    with pytest.raises(InputError, match=r"notes\.txt' is not a log: neither JSON nor a table"):
        inspect([str(path)])
    (tmp_path / "package.json").write_text('{"name":"shop"}\n')
    assert "this may be no event log" in command("inspect", tmp_path / "package.json").out


def test_files_from_the_whole_listing_are_looked_at(tmp_path: Path) -> None:
    for number in range(100):
        event = segment(1, f"Event {number}")
        (tmp_path / f"{number:03}.json").write_text(json.dumps(event) + "\n")
    found = inspect([str(tmp_path)])
    assert (found.files, found.records) == (100, 20)
    assert {"Event 0", "Event 52", "Event 99"} <= found.event_names.keys()


def test_channel_and_device_are_proposed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("ts,uid,name,utm_source,device\n1604298074,7,signed_up,ads,ios\n")
    assert "--field channel=utm_source --field device_type=device" in inspect([str(path)]).command


def test_the_project_file_is_all_that_a_run_needs(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dollars = logs.rename(tmp_path / "my $logs")
    assert command("inspect", dollars.name, "--init").status == 0
    written = (tmp_path / "user-conversion.toml").read_text()
    assert '"User Registered"  # 4 of 12 records looked at' in written
    assert command("run", "--format", "json").json()["total_registered"] == 4
    assert "Log format: segment\n" in command("run").out
    assert command("sql", "--dialect", "duckdb").status == 0
    refused = command("inspect", dollars.name, "--init")
    assert_refused(refused, "user-conversion.toml", status=2)
    assert (tmp_path / "user-conversion.toml").read_text() == written


def test_a_run_names_the_preset_also_if_lines_are_rejected(logs: Path, tmp_path: Path) -> None:
    calls = [{"type": "page", "timestamp": "2020-11-02T06:21:14Z", "anonymousId": "a"}] * 20
    (logs / "2.json").write_text("".join(json.dumps(call) + "\n" for call in calls))
    refused = command("run", "--input", logs, "--output", tmp_path / "out")
    assert_refused(refused, "20 of 32 lines were rejected", "add --log-format segment --registered")


def test_events_in_a_text_field_need_a_file(tmp_path: Path) -> None:
    event = {"event": "registered", "timestamp": "2020-11-02T06:21:14Z", "initiator_id": "u1"}
    path = tmp_path / "log.json"
    path.write_text(json.dumps({"log": json.dumps(event) + "\n", "stream": "stdout"}) + "\n")
    found = inspect([str(path)])
    assert found.command == f"user-conversion run --input {path} --log-format my-format.toml"
    assert tomllib.loads(found.as_toml()) == {
        "events": {"registered": "registered", "app_loaded": "NAME_OF_APP_LOADS"},
        "fields": {"initiator_id": "initiator_id"},
        "input": {"embedded": "log"},
    }


def advised(path: Path, log_format: LogFormat) -> str:
    scratch = path.parent / "scratch"
    read = prepare_found(find_files([str(path)]), log_format, frozenset({"gzip"}), scratch)
    return advice(records_of(read.files), log_format)


def test_advice_if_no_event_was_found(logs: Path, tmp_path: Path) -> None:
    assert advised(logs, LogFormat()) == (
        "The logs look like those of segment: add --log-format segment "
        "--registered 'User Registered' --app-loaded 'Application Opened'."
    )
    assert advised(logs, log_format("segment", "Signed Up", "Opened")) == (
        "The logs have the events 'Application Opened' (5), 'User Registered' (4), "
        "'Course Clicked' (3): add --registered 'User Registered' "
        "--app-loaded 'Application Opened'."
    )
    path = tmp_path / "log.json"
    path.write_text('{"a":1,"b":{"c":2}}\nbroken\n')
    assert advised(path, LogFormat()) == (
        "The records have the fields a, b.c: say with --field NAME=PATH where the event, the "
        "timestamp and the initiator_id are."
    )
    path.write_text("{broken\n")
    assert advised(path, LogFormat()) == ""


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("n", [1, 2], "integer"),
        ("created_at", [1604298074], "integer (time since 1970)"),
        ("amplitude_id", [1604298074], "integer"),
        ("n", ["1", 2], "integer as text or integer"),
        ("n", [True, 1.5], "true or false or number"),
        ("ip", ["10.0.0.1", "10.0.0.x"], "IP address"),
        ("page", ["https://example.com/?token=1"], "URL"),
        ("list", [[1]], "list"),
        ("city", ["Rome"] * 5 + ["Bonn"] * 5, "one of Rome, Bonn"),
        ("city", ["Rome"] * 4 + ["Bonn"] * 5, "text"),
        ("session", ["abc"] * 9, "text"),
    ],
)
def test_the_form_of_values(name: str, values: list[object], expected: str) -> None:
    assert form(name, values) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("2020-11-02T06:21:14Z", "2020-11-02 06:21:14", "2020-11-02 06:21:14 UTC"),
        *("2020-11-02T07:21:14+01:00", "1604298074", 1604298074, 1604298074000, 1604298074.0),
        *(1604298074000000, "1604298074000000000"),
    ],
)
def test_notations_of_an_instant(value: object) -> None:
    assert instant(value) == datetime(2020, 11, 2, 6, 21, 14, tzinfo=UTC)
    assert instant(12) is instant("yesterday") is instant(None) is instant([]) is None
