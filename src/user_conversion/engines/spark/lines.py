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

BLANK = r"\A\uFEFF?[ \t\r\x0b\f]*\z"
INTEGER, TIMESTAMP, EPOCH_NUMBER, ROUNDED_ID = (
    rf"\A(?:{pattern})\z"
    for pattern in (
        *(events.INTEGER.pattern, events.TIMESTAMP),
        *(events.EPOCH_NUMBER, events.ROUNDED_ID),
    )
)
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
    if log_format.timestamp:
        form = TimestampForm.of(log_format.timestamp)
        replacement = form.replacement.replace("\\", "$")
        text = F.regexp_replace("timestamp_text", form.pattern, replacement)
        rows = rows.withColumn("timestamp_text", text)
    rows = rows.withColumns({"kind": _kind(log_format), "instant": _instant(log_format)})
    rows = _with_ids(rows, record, log_format)
    rows = rows.withColumn("epoch_number", _epoch_number())
    rows = rows.withColumn("time", F.coalesce("instant", _epoch_instant(log_format)))
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


def _instant(log_format: LogFormat) -> Column:
    """The instant of a timestamp in the form `events.TIMESTAMP`, else NULL."""
    text = F.col("timestamp_text")
    # Spark compiles two regular expressions for each text with a zone; the session's zone is UTC.
    instant = F.try_to_timestamp(F.expr("trim(TRAILING 'Z' FROM timestamp_text)"))
    if log_format.timezone != "UTC":
        local = F.to_utc_timestamp(instant, log_format.timezone)
        has_offset = F.regexp_extract(text, TIMESTAMP, OFFSET) != ""
        instant = F.when(has_offset, instant).otherwise(local)
    return F.when(text.rlike(TIMESTAMP), instant)


def _epoch_number() -> Column:
    is_number = F.col("instant").isNull() & F.col("timestamp_text").rlike(EPOCH_NUMBER)
    return F.when(is_number, F.expr("try_cast(timestamp_text AS DECIMAL(38, 9))"))


def _epoch_instant(log_format: LogFormat) -> Column:
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
    instant = F.timestamp_micros(micros.cast("bigint"))
    if log_format.local_numbers:
        return F.to_utc_timestamp(instant, log_format.timezone)
    return instant


def _with_ids(rows: DataFrame, record: Record, log_format: LogFormat) -> DataFrame:
    """The rows with initiator_id and user_id, which is NULL but for identified events."""
    ids = {"initiator_id": _id(record, log_format, "initiator_id", "id_text")}
    if log_format.kinds == KINDS:
        return rows.withColumns(ids | {"user_id": F.lit(None).cast("string")})
    columns = {"anonymous_id_text": ANONYMOUS_ID, "user_id_text": USER_ID}
    rows = rows.withColumns({c: _field(record, log_format, name) for c, name in columns.items()})
    anonymous_id, user_id = (_id(record, log_format, name, c) for c, name in columns.items())
    is_identified = F.coalesce(F.col("kind") == IDENTIFIED, F.lit(False))
    ids["initiator_id"] = F.when(is_identified, anonymous_id).otherwise(ids["initiator_id"])
    has_no_time = is_identified & F.col("timestamp_text").isNull()
    return rows.withColumns(
        ids
        | {
            "user_id": F.when(is_identified, user_id),
            "instant": F.when(has_no_time, F.timestamp_micros(F.lit(0))).otherwise(
                F.col("instant")
            ),
        }
    )


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
    has_no_id = _is_no_id("id_text")
    # An identified event may lack an id, or have one of the wrong type for the user.
    says_nothing = is_identified = has_wrong_user = F.lit(False)
    if log_format.kinds != KINDS:
        is_identified = F.coalesce(kind == IDENTIFIED, F.lit(False))
        says_nothing = is_identified & (_is_no_id("anonymous_id_text") | _is_no_id("user_id_text"))
        has_wrong_user = is_identified & F.col("user_id").isNull()
    is_without_time = F.col("timestamp_text").isNull() & ~is_identified
    unnamed = Skipped.OTHER if log_format.unnamed else Reason.MISSING_EVENT
    anonymous = Skipped.ANONYMOUS if log_format.anonymous else Reason.MISSING_INITIATOR_ID
    read = F.concat_ws("", *(_field(record, log_format, name) for name in log_format.fields))
    is_garbled = read.contains("\N{REPLACEMENT CHARACTER}") & (F.expr(DECODED) != F.col("value"))
    return (
        F.when(is_garbled, Reason.INVALID_JSON)
        .when(~record.is_object, F.when(is_blank, Skipped.BLANK).otherwise(Reason.INVALID_JSON))
        .when(has_no_name, unnamed)
        .when(kind.isNull() | ~_is_where(record, log_format), Skipped.OTHER)
        .when(reduce(or_, _holding(record, log_format.exclude), F.lit(False)), Skipped.EXCLUDED)
        .when(says_nothing, Skipped.OTHER)
        .when(is_without_time, Reason.MISSING_TIMESTAMP)
        .when(micros.isNull(), Reason.INVALID_TIMESTAMP)
        .when(~micros.between(0, (latest - EARLIEST) // MICROSECOND), Reason.TIMESTAMP_OUT_OF_RANGE)
        .when(has_no_id & ~is_identified, anonymous)
        .when(F.col("initiator_id").isNull() | has_wrong_user, Reason.INVALID_INITIATOR_ID)
        .otherwise(kind)
    )


def _is_no_id(column: str) -> Column:
    return F.col(column).isNull() | F.col(column).isin(*events.NO_ID)


def _kept(record: Record, log_format: LogFormat) -> list[Column]:
    """The other columns of the result, NULL in rows of which they are not kept."""
    verdict = F.col("verdict")
    is_rejected = verdict.isin(*Reason)
    fields = {f"attribute_{n}": name for n, name in enumerate(log_format.attributes)}
    kept = {
        # Spark refuses to write ancient instants, which rejected lines may have.
        "time": F.when(verdict.isin(*log_format.kinds), F.col("time")),
        "initiator_id": F.when(verdict.isin(*log_format.kinds), F.col("initiator_id")),
        "user_id": F.when(verdict == IDENTIFIED, F.col("user_id")),
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
