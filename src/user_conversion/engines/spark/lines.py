"""From lines to events in Spark SQL, to the letter of `events.read_line`.

No Python runs on the executors. Lines get two looks. The first is fast and sure of what it says:
one regular expression knows plain lines, which nearly all are, and takes them apart. What it
leaves in doubt gets the second look, which knows every rule.

Spark's JSON functions are laxer than an event log may be: they stop at the end of the first value,
let the last of repeated keys win and replace bytes that are not UTF-8. So the second look parses a
line as the first element of an array whose second element is a marker that no log can know: both
are there only if the line was one value. Objects are read as maps, which keep repeated keys in
order, and a look-up finds the first.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from user_conversion.events import APP_LOADED, EARLIEST, REGISTERED, Reason
from user_conversion.quarantine import CUT_MARK, RAW_LIMIT

BLANK, OTHER = "blank", "other"

JSON_OPTIONS = {
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",
    "allowUnquotedFieldNames": "false",
    "allowNumericLeadingZeros": "false",
    "allowUnquotedControlChars": "false",
    "allowBackslashEscapingAnyCharacter": "false",
    "allowComments": "false",
    "maxStringLen": str(2**31 - 1),
}

# Possessive (`++`, `*+`), since Java's regular expressions otherwise recurse for each character.
# A string that never ends is skipped to the end, so that looking for its end takes no second try.
STRING = r'"(?:[^"\\]++|\\.)*+"?'
TRAILING_COMMA = r'(?<=[\w\]}"])\s*+,(?=\s*+[}\]])'
AROUND = r"\A\ufeff?\s*+|(?<!\s)\s++\z"
FORGIVEN = f"({STRING})|{TRAILING_COMMA}|{AROUND}"
IS_UTF_8 = "decode(CAST(value AS BINARY), 'UTF-8') = value"
BLANK_LINE = r"\A\ufeff?\s*+\z"
NON_FINITE = rf"\G((?:{STRING}|(?!-?(?:nan|inf))[^\"])*+)(?<![\w.])(-?(?:nan|inf(?:inity)?))(?!\w)"
SURROGATE_PAIR = r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]"
SURROGATE = r"\\u[dD][89a-fA-F]"

# What Spark's own cast reads as `events.parse_timestamp` does; other forms take ten times longer.
USUAL_CLOCK = r"(?:19[7-9]|20\d)\d-\d\d-\d\d[T ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?"
USUAL_OFFSET = r"[+-](?:0\d|1[0-7])(?::?[0-5]\d)?"
USUAL_TIMESTAMP = f"{USUAL_CLOCK}(?:Z|{USUAL_OFFSET})?"
TIMESTAMP = (
    r"\A[ \t\n\x0b\f\r]*(\d{4}-\d{1,2}-\d{1,2})[Tt ](\d{1,2}):(\d{1,2})"
    r"(?::(\d{1,2})(?:[.,](\d+))?)?"
    r"(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?[ \t\n\x0b\f\r]*\z"
)
# What a JSON string holds without escapes. Bytes that are not UTF-8 have become U+FFFD. The control
# characters one by one, since Java tests single characters all at once, but ranges each for itself.
TEXT = r'[^"\\' + "\ufffd" + "".join(map(chr, range(32))) + "]*"
ESCAPES = rf'(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])[0-9a-fA-F]{{4}}){TEXT})*+'
NUMBER = r"-?(?:0|[1-9]\d{0,17}+)(?:\.\d{1,17}+)?"
DAY, HOUR, MINUTE, SECOND, FRACTION, SIGN, OFFSET_HOURS, OFFSET_MINUTES = range(1, 9)


def first_look(lines: str, attributes: Sequence[str], latest: datetime) -> str:
    """One row per line of a table with the columns value and file.

    Columns: verdict (`registered`, `app_loaded`, `other`, or NULL where that is not beyond
    doubt), time, initiator_id, `text_column` of each attribute; file and raw of doubtful lines.
    """
    found = {key: f"get(found, {place})" for place, key in enumerate(_keys(attributes), 1)}
    texts = {key: f"substr(nullif({column}, ''), 2)" for key, column in found.items()}
    return f"""
    WITH searched AS (
        SELECT file, value, {_plain_fields(attributes)} AS found FROM {lines}
    ), fields AS (
        SELECT *,
            CASE
                WHEN get(found, 0) = '' AND startswith(value, '{{') THEN {found["event"]}
            END AS event,
            try_cast({found["timestamp"]} AS TIMESTAMP) AS time,
            try_cast({found["initiator_id"]} AS BIGINT) AS initiator_id
        FROM searched
    ), judged AS (
        SELECT *, CASE
            WHEN event IN ('{REGISTERED}', '{APP_LOADED}') THEN CASE
                WHEN unix_micros(time) BETWEEN 0 AND {_micros(latest)}
                    AND initiator_id IS NOT NULL
                THEN event
            END
            WHEN event != '' THEN '{OTHER}'
        END AS verdict
        FROM fields
    )
    SELECT {_event_columns(attributes, texts)},
        CASE WHEN verdict IS NULL THEN file END AS file,
        CASE WHEN verdict IS NULL THEN value END AS raw
    FROM judged
    """


def second_look(lines: str, attributes: Sequence[str], latest: datetime) -> str:
    """As `first_look`, by all the rules.

    Columns: the same; verdict is also `blank` or a reason, and never NULL; file and raw, as
    `quarantine.kept_text` has it, are those of rejected lines.
    """
    marker = secrets.token_hex(8)
    texts = {key: f"object['{key}']" for key in (*attributes, "device_type")}
    rejected = f"verdict IN ({', '.join(repr(str(reason)) for reason in Reason)})"
    return f"""
    WITH strictly AS (
        SELECT file, value, {_as_array("value", marker)} AS parts FROM {lines}
    ), leniently AS (
        SELECT file, value, CASE
            WHEN {_is_complete("parts", marker)} THEN parts
            ELSE {_as_array(_repaired(), marker)}
        END AS parts
        FROM strictly
    ), objects AS (
        SELECT file, value, CASE
            WHEN {_is_complete("parts", marker)} AND {IS_UTF_8} AND {_has_whole_characters()}
            THEN get(parts, 0)
        END AS object
        FROM leniently
    ), fields AS (
        SELECT *,
            object['event'] AS event,
            object['timestamp'] AS timestamp_text,
            {_time("object['timestamp']")} AS time,
            object['initiator_id'] AS id_text,
            {_integer("object['initiator_id']")} AS initiator_id
        FROM objects
    ), judged AS (
        SELECT *, {_verdict(latest)} AS verdict FROM fields
    )
    SELECT {_event_columns(attributes, texts)},
        CASE WHEN {rejected} THEN file END AS file,
        CASE WHEN {rejected} THEN {_kept_text()} END AS raw
    FROM judged
    """


def text_column(number: int) -> str:
    """The column of a look at lines that holds an attribute, by its number from 0.

    The first one holds the device type of `app_loaded` events, too. No name is that of an
    attribute, since those may be called anything.
    """
    return f"text_{number}"


def _event_columns(attributes: Sequence[str], texts: Mapping[str, str]) -> str:
    """The columns of an event, from what a look found; `texts` are expressions by key."""
    columns = [texts[name] for name in attributes]
    columns[0] = f"CASE event WHEN '{REGISTERED}' THEN {columns[0]} ELSE {texts['device_type']} END"
    named = (f"{text} AS {text_column(number)}" for number, text in enumerate(columns))
    # Spark refuses to write instants of antiquity, which rejected lines may have.
    time = f"CASE WHEN verdict IN ('{REGISTERED}', '{APP_LOADED}') THEN time END AS time"
    return f"verdict, {time}, initiator_id, {', '.join(named)}"


def _keys(attributes: Sequence[str]) -> Sequence[str]:
    return ("event", "timestamp", "initiator_id", *attributes, "device_type")


def _plain_fields(attributes: Sequence[str]) -> str:
    """An array of an empty text and the values of `_keys`, if the line is plain.

    Attributes have a quotation mark in front there, and are empty if null or missing. In a plain
    line the fields of interest come once, without escapes and in their usual forms; the others
    nest once at most. Of other lines the array begins with what is before the first tab.
    """
    keys = _keys(attributes)
    usual_timestamp = rf'"({USUAL_CLOCK}(?:{USUAL_OFFSET}(?="))?)Z?"'
    # An id may be a string, too: the first of its two groups is the quotation mark, or empty.
    values = [f'()"({TEXT})"', f"(){usual_timestamp}", r'("?)(-?[1-9]\d{0,18}|0)\5']
    values += [f'()(?:null|("{TEXT})")'] * (len(keys) - len(values))
    # That group matches from then on what stands behind the key, so that a second one is no match.
    pairs = [
        rf'{key}(?!\{2 * number - 1})": ?{value}'
        for number, (key, value) in enumerate(zip(keys, values, strict=True), 1)
    ]
    # No escapes in these keys: `\u0065vent` is an event, too.
    other = f'(?!(?:{"|".join(keys)})"){TEXT}": ?{_plain_value(depth=1)}'
    pattern = rf'\A\{{(?:"(?:{"|".join(pairs)}|{other}){_more("}")})*+\}}\r?\z'
    found = "".join(f"\t${2 * number}" for number in range(1, len(keys) + 1))
    return f"split(regexp_replace(value, r'{pattern}', '{found}'), '\t')"


def _plain_value(depth: int) -> str:
    scalar = f'"{TEXT}{ESCAPES}"|{NUMBER}|null|true|false'
    if not depth:
        return f"(?:{scalar})"
    value = _plain_value(depth - 1)
    pair = f'"{TEXT}{ESCAPES}": ?{value}'
    inner = (rf"\{{(?:{pair}{_more('}')})*+\}}", rf"\[(?:{value}{_more(']')})*+\]")
    return f"(?:{scalar}|{'|'.join(inner)})"


def _more(end: str) -> str:
    # A comma before the end is forgiven.
    return rf"(?:, ?|(?=\{end}))"


def _is_complete(parts: str, marker: str) -> str:
    return f"size({parts}) = 2 AND get({parts}, 1)['end'] = '{marker}'"


def _as_array(text: str, marker: str) -> str:
    options = ", ".join(f"'{key}', '{value}'" for key, value in JSON_OPTIONS.items())
    array = f"""concat('[', {text}, ',{{"end":"{marker}"}}]')"""
    return f"from_json({array}, 'array<map<string,string>>', map({options}))"


def _repaired() -> str:
    """The line without what `events.read_line` forgives."""
    text = f"regexp_replace(value, r'{FORGIVEN}', '$1')"
    return f"""regexp_replace({text}, r'(?i){NON_FINITE}', '$1"$2"')"""


def _has_whole_characters() -> str:
    """Whether no escape is half of a surrogate pair."""
    pairs_gone = f"regexp_replace(value, r'{SURROGATE_PAIR}', ' ')"
    return rf"""CASE
        WHEN contains(value, r'\u') THEN NOT {pairs_gone} RLIKE r'{SURROGATE}' ELSE TRUE
    END"""


def _integer(text: str) -> str:
    number = f"try_cast({text} AS BIGINT)"
    return f"""CASE
        WHEN CAST({number} AS STRING) = {text} THEN {number}
        WHEN {text} RLIKE r'\\A-?[0-9]+\\z' THEN {number}
    END"""


def _time(text: str) -> str:
    return f"""CASE
        WHEN {text} RLIKE r'\\A{USUAL_TIMESTAMP}\\z' THEN try_cast({text} AS TIMESTAMP)
        WHEN {text} RLIKE r'{TIMESTAMP}' THEN {_time_by_parts(text)}
    END"""


def _time_by_parts(text: str) -> str:
    """The instant by arithmetic, NULL for an impossible date or time."""

    def part(group: int) -> str:
        return f"regexp_extract({text}, r'{TIMESTAMP}', {group})"

    def number(group: int) -> str:
        return f"coalesce(try_cast({part(group)} AS BIGINT), 0)"

    day = f"unix_date(try_cast({part(DAY)} AS DATE))"
    clock = f"(({number(HOUR)} * 60 + {number(MINUTE)}) * 60 + {number(SECOND)})"
    micros = f"CAST(rpad(substr({part(FRACTION)}, 1, 6), 6, '0') AS BIGINT)"
    offset = f"({number(OFFSET_HOURS)} * 60 + {number(OFFSET_MINUTES)})"
    sign = f"CASE {part(SIGN)} WHEN '-' THEN -60 ELSE 60 END"
    return f"""CASE
        WHEN substr(trim({part(DAY)}), 1, 4) = '0000' THEN NULL
        WHEN ({number(HOUR)} <= 23 OR ({clock} = 86400 AND {micros} = 0 AND {number(HOUR)} = 24))
            AND {number(MINUTE)} <= 59 AND {number(SECOND)} <= 60
            AND {number(OFFSET_MINUTES)} <= 59 AND {offset} <= 1080
        THEN timestamp_micros(
            ({day} * 86400L + {clock} - {offset} * {sign}) * 1000000L
            + CASE WHEN {number(SECOND)} = 60 THEN 0L ELSE {micros} END
        )
    END"""


def _verdict(latest: datetime) -> str:
    """The name of the event, or the first reason against the line, in the order of `Reason`."""
    return f"""CASE
        WHEN object IS NULL THEN
            CASE WHEN value RLIKE r'{BLANK_LINE}' THEN '{BLANK}' ELSE '{Reason.INVALID_JSON}' END
        WHEN event IS NULL OR event = '' THEN '{Reason.MISSING_EVENT}'
        WHEN event NOT IN ('{REGISTERED}', '{APP_LOADED}') THEN '{OTHER}'
        WHEN timestamp_text IS NULL THEN '{Reason.MISSING_TIMESTAMP}'
        WHEN time IS NULL THEN '{Reason.INVALID_TIMESTAMP}'
        WHEN unix_micros(time) NOT BETWEEN 0 AND {_micros(latest)}
            THEN '{Reason.TIMESTAMP_OUT_OF_RANGE}'
        WHEN id_text IS NULL THEN '{Reason.MISSING_INITIATOR_ID}'
        WHEN initiator_id IS NULL THEN '{Reason.INVALID_INITIATOR_ID}'
        ELSE event
    END"""


def _micros(latest: datetime) -> int:
    return (latest - EARLIEST) // timedelta(microseconds=1)


def _kept_text() -> str:
    """As `quarantine.kept_text`."""
    # Python puts three replacement characters for an encoded surrogate (ED, then A0 or more),
    # Java one: so its first two bytes become FF, which is replaced by itself.
    kept_bytes = f"substr(CAST(value AS BINARY), 1, {4 * RAW_LIMIT + 4})"
    split = rf"""
        regexp_replace(decode({kept_bytes}, 'ISO-8859-1'), r'\u00ed[\u00a0-\u00bf]', '\u00ff\u00ff')
    """
    text = rf"regexp_replace(decode(encode({split}, 'ISO-8859-1'), 'UTF-8'), r'(?<!\r)\r++\z', '')"
    return f"""CASE
        WHEN length({text}) <= {RAW_LIMIT} THEN {text}
        ELSE concat(substr({text}, 1, {RAW_LIMIT}), '{CUT_MARK}')
    END"""
