"""Log formats: paths, presets, files and options, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import read_dataset
from support.engines import EngineUnderTest
from support.logs import write_log
from support.mutations import MISSING, WRONG, mutated, places

from user_conversion.rules.errors import SettingsError
from user_conversion.rules.log_format import APP_LOADED, REGISTERED, Input, LogFormat, needed_fields
from user_conversion.rules.paths import parse_path, path_text
from user_conversion.rules.presets import log_format, presets
from user_conversion.settings import Settings

PRESETS = [
    *("amplitude", "cloudevents", "ga4", "kissmetrics", "mixpanel", "posthog", "rudderstack"),
    *("segment", "snowplow", "snowplow-tsv"),
]
NAMES = {"registered": "Signed Up", "app_loaded": "Opened"}


def toml(folder: Path, text: str) -> str:
    path = folder / "my.toml"
    path.write_text(text)
    return str(path)


def failure(name: str | None = None, **options: object) -> str:
    with pytest.raises(SettingsError) as raised:
        log_format(name, **options)  # type: ignore[arg-type]
    return str(raised.value)


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("event", ("event",)),
        ("user.id", ("user", "id")),
        ('"user.id".name', ("user.id", "name")),
        ('properties."a[0].b"', ("properties", "a[0].b")),
        ("items[0].id", ("items", 0, "id")),
        ("matrix[10][2]", ("matrix", 10, 2)),
        ("properties.$device", ("properties", "$device")),
        ("a b.ü", ("a b", "ü")),
    ],
)
def test_a_path_is_read_and_written(text: str, steps: tuple[str | int, ...]) -> None:
    assert parse_path(text) == steps
    assert path_text(steps) == text


@pytest.mark.parametrize(
    "text", ["", ".", "a..b", "a.", ".a", "[0]", "a[x]", "a[-1]", 'a."', 'a"b']
)
def test_what_is_not_a_path_is_named(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is not a path to a field: write user.id"):
        parse_path(text)


# ---------------------------------------------------------------- presets


def test_the_presets() -> None:
    assert presets() == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_with_names_of_events(name: str) -> None:
    loaded = log_format(name, **NAMES)  # type: ignore[arg-type]
    assert (loaded.name, loaded.ids) == (name, "text")
    assert loaded.kind_by_name == {"Signed Up": REGISTERED, "Opened": APP_LOADED}


def test_only_two_presets_know_the_names_of_events() -> None:
    assert log_format("ga4").kind_by_name == {"sign_up": REGISTERED, "session_start": APP_LOADED}
    assert log_format("kissmetrics").kind_by_name == LogFormat().kind_by_name
    for name in set(PRESETS) - {"ga4", "kissmetrics"}:
        assert failure(name).startswith(
            f"Log format {name} does not know what the events are called: add --registered NAME "
            "and --app-loaded NAME."
        )
        assert "add --app-loaded NAME." in failure(name, registered="x")


def test_the_columns_of_snowplow() -> None:
    columns = log_format("snowplow-tsv", **NAMES).input.columns  # type: ignore[arg-type]
    assert columns is not None
    assert len(columns) == len(set(columns)) == 131
    places = {12: "user_id", 48: "mkt_source", 101: "dvce_type", 124: "derived_tstamp"}
    assert {place: columns[place] for place in places} == places
    assert (columns[126], columns[-1]) == ("event_name", "true_tstamp")


# ---------------------------------------------------------------- default, files and options


def test_the_default() -> None:
    assert log_format() == log_format("default") == LogFormat()
    assert log_format().kind_by_name == {"registered": REGISTERED, "app_loaded": APP_LOADED}
    assert log_format().attributes == ("channel",)
    assert needed_fields(log_format()) == ("event", "timestamp", "initiator_id")


def test_options_override_the_file_and_the_file_its_preset(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        """
        preset = "segment"
        [events]
        registered = ["User Registered", "Signed Up"]
        app_loaded = "Application Opened"
        [fields]
        timestamp = "receivedAt"
        plan = "traits.plan"
        [where.app_loaded]
        "context.app.name" = ["shop", true, 7]
        [input]
        timezone = "Europe/Berlin"
        """,
    )
    fields = {"plan": ["a.plan", "plan"], "city": "city"}
    loaded = log_format(path, app_loaded="Opened", fields=fields)
    assert loaded.name == "my.toml"
    assert loaded.ids == "text"
    assert loaded.events == {
        REGISTERED: ("User Registered", "Signed Up"),
        APP_LOADED: ("Opened",),
    }
    assert loaded.fields["event"] == (("event",),)
    assert loaded.fields["timestamp"] == (("receivedAt",),)
    assert loaded.fields["initiator_id"] == (("userId",),)
    assert loaded.fields["plan"] == (("a", "plan"), ("plan",))
    assert loaded.attributes == ("channel", "city", "plan")
    assert loaded.where == {APP_LOADED: {("context", "app", "name"): ("shop", "true", "7")}}
    how = loaded.input
    assert (how.timezone, how.unnamed, how.anonymous) == ("Europe/Berlin", True, True)
    assert ("context", "app", "name") in loaded.paths


def test_what_a_file_can_say_about_inputs(tmp_path: Path) -> None:
    path = toml(
        tmp_path,
        """
        [input]
        records = "data.Records"
        embedded = "log"
        columns = ["event", "timestamp"]
        local_numbers = true
        [files]
        registered = "*/user_registered/*"
        app_loaded = ["*loads*", "*/opened/*"]
        """,
    )
    loaded = log_format(path)
    assert (loaded.records, loaded.embedded) == (("data", "Records"), ("log",))
    assert (loaded.input.columns, loaded.input.local_numbers) == (("event", "timestamp"), True)
    assert loaded.kind_of_file(Path("/in/user_registered/1.json")) == REGISTERED
    assert loaded.kind_of_file(Path("/in/opened/1.json")) == APP_LOADED
    assert loaded.kind_of_file(Path("/in/rest.json")) is None


def test_ids_are_text_where_their_path_is_given() -> None:
    assert log_format().ids == "integer"
    assert log_format(fields={"channel": "source"}).ids == "integer"
    assert log_format(fields={"initiator_id": "user.id"}).ids == "text"


def test_ids_are_what_the_file_says(tmp_path: Path) -> None:
    text = 'ids = "integer"\n[fields]\ninitiator_id = "user.id"\n'
    assert log_format(toml(tmp_path, text)).ids == "integer"
    assert log_format(toml(tmp_path, 'ids = "text"')).ids == "text"


def test_equal_formats_give_equal_documents(tmp_path: Path) -> None:
    fields = {"b": "x", "a": ["y", "z[0]"]}
    first = log_format(fields=fields)
    second = log_format(fields=dict(reversed(fields.items())))
    assert first.recorded == second.recorded
    assert first.recorded.fields["a"] == ("y", "z[0]")
    assert first.recorded != log_format().recorded


def test_the_fields_that_a_file_needs() -> None:
    rest = ("timestamp", "initiator_id")
    assert needed_fields(LogFormat(input=Input(unnamed=True))) == rest
    assert needed_fields(LogFormat(), "registered") == rest


# ---------------------------------------------------------------- what is wrong


def test_an_unknown_preset_is_named_with_the_nearest() -> None:
    assert failure("segmnt").startswith("Unknown log format 'segmnt'; did you mean segment?")
    assert "one of amplitude, cloudevents," in failure("xyz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    assert failure(str(path)) == f"Cannot read '{path}': No such file or directory."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "is not TOML: "),
        ('preset = "segmant"', "unknown preset 'segmant'; did you mean segment?"),
        ('evnets = "a"', "unknown key 'evnets'; did you mean events, preset?"),
        ('[events]\nregisterd = "a"', "unknown key 'registerd' in [events]; did you mean registe"),
        ('[input]\ntimezon = "UTC"', "unknown key 'timezon' in [input]; did you mean timezone"),
        ('[where.other]\na = "b"', "unknown key 'other' in [where]."),
        ('where = {registered = "x"}', "where.registered: expected a table."),
        (
            "where = {registered = {a = [{}]}}",
            "where.registered.a[0]: expected true or false, a number or text",
        ),
        ("where = {registered = {a = {}}}", "where.registered.a: the key 'file' is missing."),
        ("exclude = {a = {fil = 'x'}}", "unknown key 'fil' in [exclude.a]; did you mean file?"),
        ("exclude = {a = {file = 7}}", "exclude.a.file: expected text."),
        ("exclude = {a = {file = '/no.txt'}}", "Cannot read '/no.txt': No such file"),
        ('fields = "a"', "fields: expected a table."),
        ("fields = {plan = 5}", "fields.plan: expected text or a list."),
        ("fields = {plan = ['a', 5]}", "fields.plan[1]: expected text."),
        ("preset = 5", "preset: expected text."),
        ('ids = "number"', 'ids: expected "integer" or "text".'),
        ("ids = 5", "ids: expected text."),
        ("[events]\nregistered = 5", "events.registered: expected text or a list."),
        ("[files]\nregistered = {a = 1}", "files.registered: expected text or a list."),
        ("[input]\ntimezone = 5", "input.timezone: expected text."),
        ("[input]\ntimestamp = '%d.%m.%y'", "input.timestamp '%d.%m.%y': write a form such as"),
        ("[input]\ntimestamp = '%Y-%m-%d %d'", "at most once"),
        ("[input]\ntimestamp = 7", "input.timestamp: expected text."),
        ('[input]\nunnamed = "false"', "input.unnamed: expected true or false."),
        ("[input]\ncolumns = 7", "input.columns: expected a list."),
        ("[warehouse]\nnested = 'xml'", '"json", "structs" or "columns".'),
        ("a = " + 9_999 * "[", "is not TOML: "),
        ("[fields]\ntimestamp = []", "fields.timestamp needs a path."),
        ("[events]\nregistered = []", "add --registered NAME."),
        (
            '[events]\nregistered = "app_loaded"',
            "'app_loaded' cannot be the event of both",
        ),
        ('[input]\ntimezone = "Europe/Berlni"', "did you mean Europe/Berlin"),
        ('[fields]\nevent = "folder:kind"', "fields.event is of each record, not of a folder."),
        ('[fields]\nchannel = "folder:a.b"', "'folder:a.b' is not a path to a field"),
        ('[fields]\nevent = "a[b=c]"', "'a[b=c]' is not a path to a field"),
        ('[fields]\nevent = "[b=c].d"', "'[b=c].d' is not a path to a field"),
        ('[input]\nrecords = "a[b=c].d"', "it leads to one of many"),
        ('[fields]\nevent = "a..b"', "'a..b' is not a path to a field"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    assert message in failure(toml(tmp_path, text))


def test_values_from_a_file(tmp_path: Path) -> None:
    ids = tmp_path / "staff.txt"
    text = f'[exclude]\nuser = {{ file = "{ids}" }}\nplan = ["!=a", 7]\n'
    ids.write_bytes(b"\xef\xbb\xbf7\r\n\n# bots\n  bot-* \n")
    first = log_format(toml(tmp_path, text))
    assert first.exclude == {("user",): ("7", "bot-*"), ("plan",): ("!=a", "7")}
    ids.write_text("".join(f"{number}\n" for number in range(1_000)))
    many = log_format(toml(tmp_path, text))
    assert len(many.exclude["user",]) == 1_000
    assert len(many.recorded.exclude["user"]) == 1
    assert len({str(each.recorded.exclude) for each in (first, many)}) == 2
    ids.write_bytes(b"\xff")
    assert failure(toml(tmp_path, text)) == f"Cannot read '{ids}': it is not UTF-8."


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert log_format(toml(tmp_path, '\ufeffids = "text"')).ids == "text"


WHOLE: dict[str, Any] = {
    "preset": "segment",
    "ids": "integer",
    "events": {"registered": ["a", "b"], "app_loaded": "c"},
    "fields": {"timestamp": ["at", "x[0].y"], "plan": "traits.plan"},
    "where": {"registered": {"app": ["shop", True, 7]}, "app_loaded": {"x": "y"}},
    "exclude": {"email": ["*@shop.com", "!=boss@*"], "bot": True},
    "input": {
        "timezone": "UTC",
        "records": "Records",
        "embedded": "log",
        "columns": ["a", "b"],
        "unnamed": True,
        "anonymous": False,
        "local_numbers": False,
    },
    "files": {"registered": "*/r/*", "app_loaded": ["*a*", "*b*"]},
    "warehouse": {"table": "t", "nested": "json", "parameters": ["p"], "microseconds": True},
}


@pytest.mark.property
@given(st.sampled_from([*places(WHOLE)]), st.sampled_from([*WRONG, "a\n\0b", MISSING]))
def test_a_mutated_log_format_is_read_as_it_is_or_refused_in_a_sentence(
    place: tuple[Any, ...], value: Any
) -> None:
    try:
        found = Settings(log_format=mutated(WHOLE, place, value)).events
    except SettingsError as error:
        assert "\n" not in str(error)
        return
    # What is not in a list of several types was given with its own type, or left out.
    of_several_types = ("fields", "where", "exclude", "events", "files", "warehouse")
    if place[0] not in of_several_types and value is not MISSING:
        recorded = msgspec.to_builtins(found.recorded)
        for step in () if place == ("preset",) else place:
            recorded = recorded[step]
        kind = tuple if isinstance(value, list) else type(value)
        assert type(recorded) is kind or value is None


def test_a_name_in_both_lists_is_refused() -> None:
    assert failure(registered=["a", "b"], app_loaded=["c", "b"]) == (
        "'b' cannot be the event of both registered and app_loaded."
    )


def test_file_with_a_path_for_initiator_id_has_text_ids(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[fields]\ninitiator_id = "user.id"\n')
    assert log_format(str(file)).ids == "text"
    file.write_text('ids = "integer"\n[fields]\ninitiator_id = "user.id"\n')
    assert log_format(str(file)).ids == "integer"
    assert log_format(str(file), fields={"initiator_id": "id"}).ids == "integer"
    assert log_format(fields={"initiator_id": "id"}).ids == "text"


def test_a_field_can_have_the_name_of_a_column_of_the_reader(
    tmp_path: Path, engine: EngineUnderTest
) -> None:
    line = '{"event": "registered", "timestamp": "2020-11-02T06:21:14Z", "initiator_id": 1, '
    log = write_log(tmp_path / "a.json", [f'{line}"file_index": "invite", "filename": "x"}}'])
    fields = {"channel": "file_index", "plan": "filename"}
    engine.split(tmp_path / "output", log, field=fields)
    (row,) = read_dataset(tmp_path / "output", "user_registration", "plan")
    assert (row.channel, row.plan) == ("invite", "x")
