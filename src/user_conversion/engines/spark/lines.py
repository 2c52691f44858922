"""From lines to events on Spark: one row per line, with the verdict of `events.read_line`.

Each rule is one Column, and one Column is the verdict. No Python runs on the executors.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - PySpark's own convention

from user_conversion.engines.spark.record import Record
from user_conversion.rules import events
from user_conversion.rules.conditions import Condition, Conditions, Texts
from user_conversion.rules.counts import Skipped
from user_conversion.rules.events import EARLIEST, MICROSECOND
from user_conversion.rules.log_format import (
    ANONYMOUS_ID,
    APP_LOADED,
    IDENTIFIED,
    KINDS,
    REGISTERED,
    USER_ID,
    LogFormat,
)
from user_conversion.rules.rejected import CUT_MARK, RAW_LIMIT, Reason
from user_conversion.rules.timestamp_forms import TimestampForm
from user_conversion.rules.zones import seconds_ahead

BLANK = r"\A\uFEFF?[ \t\r\x0b\f]*\z"
INTEGER, TIMESTAMP, EPOCH_NUMBER, ROUNDED_ID = (
    rf"\A(?:{pattern})\z"
    for pattern in (
        *(events.INTEGER.pattern, events.TIMESTAMP),
        *(events.EPOCH_NUMBER, events.ROUNDED_ID),
    )
)
# The ids of an event, and their texts: the second one is of identified events.
IDS, TEXTS = ("initiator_id", "user_id"), ("id_text", "user_id_text")
OFFSET = 2  # its group in TIMESTAMP
# Bytes that are not UTF-8 are decoded to replacement characters.
DECODED = "decode(CAST(value AS BINARY), 'UTF-8')"


def read_records(record: Record, log_format: LogFormat, latest: datetime) -> DataFrame:
    """One row per record.

    `record.rows` has the columns value (the line), file, and file_kind: the kind of event that
    every record of the file is, or NULL. The result has the columns verdict (a kind, `Skipped` or
    `Reason`) and file; time, initiator_id, device_type and attribute_0, attribute_1, … of events;
    raw, if rejected.
    """
    # Each call is a projection, so that Spark computes its columns once.
    texts = {"name": "event", "timestamp_text": "timestamp", "id_text": "initiator_id"}
    rows = record.rows.withColumns(
        {column: _field(record, log_format, name) for column, name in texts.items()}
    )
    if log_format.input.timestamp:
        form = TimestampForm.of(log_format.input.timestamp)
        replacement = form.replacement.replace("\\", "$")
        text = F.regexp_replace("timestamp_text", form.pattern, replacement)
        rows = rows.withColumn("timestamp_text", text)
    rows = rows.withColumn("kind", _kind(log_format))
    if log_format.kinds != KINDS:
        rows = rows.withColumns(_texts_of_identified(record, log_format))
    rows = rows.withColumns({"instant": _instant(), **_ids(record, log_format)})
    rows = rows.withColumn("epoch_number", _epoch_number())
    rows = rows.withColumn("time", F.coalesce("instant", _epoch_instant()))
    if log_format.input.timezone != "UTC":
        rows = rows.withColumn("local_time", _local_time(log_format))
        ahead = F.expr(seconds_ahead(log_format.input.timezone, "local_time", latest))
        micros = F.unix_micros("local_time") - 1_000_000 * ahead.cast("bigint")
        rows = rows.withColumn("time", F.coalesce(F.timestamp_micros(micros), "time"))
    rows = rows.withColumn("verdict", _verdict(record, log_format, latest))
    return rows.select("verdict", *_kept(record, log_format))


def _field(record: Record, log_format: LogFormat, name: str) -> Column:
    """The text of a field: the first of its paths that is not null. It may have no path."""
    none = F.lit(None).cast("string")
    return F.coalesce(*(record.at(path) for path in log_format.fields[name]), none)


def _kind(log_format: LogFormat) -> Column:
    """The kind of event that the file or the record names, NULL for another event."""
    named = (F.when(F.col("name").isin(*names), kind) for kind, names in log_format.events.items())
    return F.coalesce("file_kind", *named)


def _is_where(record: Record, log_format: LogFormat) -> Column:
    """Whether the conditions of the log format for the kind of event hold."""
    found = F.lit(True)
    for kind, conditions in log_format.where.items():
        for holds in _holding(record, conditions):
            found = found & ((F.col("kind") != kind) | holds)
    return found


def _holding(record: Record, conditions: Conditions) -> Iterator[Column]:
    """Whether each of the conditions holds; never NULL."""
    for path, texts in conditions.items():
        condition, value = Condition.of(texts), record.at(path)
        meant = F.lit(True) if condition.meant is None else _is_in(value, condition.meant)
        yield meant & ~_is_in(value, condition.but)


def _is_in(value: Column, texts: Texts) -> Column:
    found = (value.isin(*texts.exact), *map(value.like, texts.likes()))
    return F.coalesce(reduce(or_, found), F.lit(False))


def _instant() -> Column:
    """The instant of a timestamp in the form `events.TIMESTAMP`, else NULL; in UTC if it is local.

    Spark compiles two regular expressions for each text with a zone; the session's zone is UTC.
    """
    instant = F.try_to_timestamp(F.expr("trim(TRAILING 'Z' FROM timestamp_text)"))
    return F.when(F.col("timestamp_text").rlike(TIMESTAMP), instant)


def _local_time(log_format: LogFormat) -> Column:
    """The time, if it is on the clocks of the zone of the log format."""
    has_offset = F.regexp_extract("timestamp_text", TIMESTAMP, OFFSET) != ""
    is_local = F.col("instant").isNotNull() & ~has_offset
    if log_format.input.local_numbers:
        is_local |= F.col("epoch_number").isNotNull()
    return F.when(is_local, F.col("time"))


def _epoch_number() -> Column:
    is_number = F.col("instant").isNull() & F.col("timestamp_text").rlike(EPOCH_NUMBER)
    return F.when(is_number, F.expr("try_cast(timestamp_text AS DECIMAL(38, 9))"))


def _epoch_instant() -> Column:
    """The instant of `epoch_number`, as `events.parse_epoch`."""
    number = F.col("epoch_number")
    seconds, milliseconds, microseconds, nanoseconds = (
        number.between(events.SMALLEST_EPOCH * unit, events.LARGEST_EPOCH * unit)
        for unit in events.EPOCH_UNITS
    )
    micros = (
        F.when(seconds, F.floor(number * 1_000_000))
        .when(milliseconds, F.floor(number * 1_000))
        .when(microseconds, F.floor(number))
        # A division of decimals would be rounded.
        .when(nanoseconds, F.floor(F.floor(number) * F.lit(0.001).cast("decimal(3, 3)")))
    )
    return F.timestamp_micros(micros.cast("bigint"))


def _texts_of_identified(record: Record, log_format: LogFormat) -> dict[str, Column]:
    """The texts of the time and the two ids of identified events; other events have one id."""
    is_it, time, id_text = F.col("kind") == IDENTIFIED, F.col("timestamp_text"), F.col("id_text")
    anonymous_id, user_id = (_field(record, log_format, name) for name in (ANONYMOUS_ID, USER_ID))
    return {
        "timestamp_text": F.coalesce(time, F.when(is_it, events.NO_TIME)),
        "id_text": F.when(is_it, anonymous_id).otherwise(id_text),
        "user_id_text": F.when(is_it, user_id).otherwise(id_text),
    }


def _used(columns: tuple[str, str], log_format: LogFormat) -> tuple[str, ...]:
    return columns[:1] if log_format.kinds == KINDS else columns


def _ids(record: Record, log_format: LogFormat) -> dict[str, Column]:
    """The id, and the one that it became."""
    id_ = _id(record, log_format, "initiator_id", "id_text")
    if log_format.kinds == KINDS:
        return {"initiator_id": id_}
    is_it, wanted = F.col("kind") == IDENTIFIED, ((ANONYMOUS_ID, TEXTS[0]), (USER_ID, TEXTS[1]))
    found = (F.when(is_it, _id(record, log_format, *each)).otherwise(id_) for each in wanted)
    return dict(zip(IDS, found, strict=True))


def _id(record: Record, log_format: LogFormat, name: str, column: str) -> Column:
    """The id of the type that the log format says, NULL if it has another."""
    text = F.col(column)
    if log_format.ids == "integer":
        number = F.expr(f"try_cast({column} AS BIGINT)")
        # The cast reads 3.5 as 3. Most ids need no regular expression to exclude that.
        return F.when(number.cast("string") == text, number).when(text.rlike(INTEGER), number)
    is_valid = (
        F.when(record.at(path).isNotNull(), record.is_text_or_integer(path))
        for path in log_format.fields[name]
    )
    return F.when(F.coalesce(*is_valid) & ~text.rlike(ROUNDED_ID), text)


def _verdict(record: Record, log_format: LogFormat, latest: datetime) -> Column:
    """A kind, or the first of the other verdicts that applies, in the order of `Reason`."""
    kind, micros = F.col("kind"), F.unix_micros("time")
    is_blank = F.col("value").rlike(BLANK)
    has_no_name = kind.isNull() & (F.coalesce("name", F.lit("")) == "")
    texts = map(F.col, _used(TEXTS, log_format))
    has_no_id = reduce(or_, (text.isNull() | text.isin(*events.NO_ID) for text in texts))
    is_invalid = reduce(or_, (F.col(name).isNull() for name in _used(IDS, log_format)))
    unnamed = Skipped.OTHER if log_format.input.unnamed else Reason.MISSING_EVENT
    anonymous = Skipped.ANONYMOUS if log_format.input.anonymous else Reason.MISSING_INITIATOR_ID
    read = F.concat_ws("", *(_field(record, log_format, name) for name in log_format.fields))
    is_garbled = read.contains("\N{REPLACEMENT CHARACTER}") & (F.expr(DECODED) != F.col("value"))
    return (
        F.when(is_garbled, Reason.INVALID_JSON)
        .when(~record.is_object, F.when(is_blank, Skipped.BLANK).otherwise(Reason.INVALID_JSON))
        .when(has_no_name, unnamed)
        .when(kind.isNull() | ~_is_where(record, log_format), Skipped.OTHER)
        .when(reduce(or_, _holding(record, log_format.exclude), F.lit(False)), Skipped.EXCLUDED)
        .when((kind == IDENTIFIED) & has_no_id, Skipped.OTHER)
        .when(F.col("timestamp_text").isNull(), Reason.MISSING_TIMESTAMP)
        .when(micros.isNull(), Reason.INVALID_TIMESTAMP)
        .when(~micros.between(0, (latest - EARLIEST) // MICROSECOND), Reason.TIMESTAMP_OUT_OF_RANGE)
        .when(has_no_id, anonymous)
        .when(is_invalid, Reason.INVALID_INITIATOR_ID)
        .otherwise(kind)
    )


def _kept(record: Record, log_format: LogFormat) -> list[Column]:
    """The other columns of the result, NULL in rows of which they are not kept."""
    verdict = F.col("verdict")
    is_rejected = verdict.isin(*Reason)
    fields = {f"attribute_{n}": name for n, name in enumerate(log_format.attributes)}
    kept = {
        # Spark refuses to write ancient instants, which rejected lines may have.
        "time": F.when(verdict.isin(*log_format.kinds), F.col("time")),
        **{
            name: F.when(verdict.isin(*log_format.kinds), F.col(name))
            for name in _used(IDS, log_format)
        },
        "device_type": F.when(verdict == APP_LOADED, _field(record, log_format, "device_type")),
        **{
            column: F.when(verdict == REGISTERED, _field(record, log_format, name))
            for column, name in fields.items()
        },
        "file": F.col("file"),
        "raw": F.when(is_rejected, _kept_text()),
    }
    return [column.alias(name) for name, column in kept.items()]


def _kept_text() -> Column:
    """As `rejected.kept_text`."""
    text = F.expr(f"trim(TRAILING '\\r' FROM {DECODED})")
    cut = F.concat(F.substring(text, 1, RAW_LIMIT), F.lit(CUT_MARK))
    return F.when(F.length(text) <= RAW_LIMIT, text).otherwise(cut)
