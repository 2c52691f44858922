"""Write a big, reproducible event log: the same arguments give the same bytes on any machine.

Every line is a function of its number, so that nothing is kept in memory, and the shuffled log
holds exactly the events of the ordered one, which makes their weekly figures equal too.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import duckdb

# Two years, 2020-01-01 up to and including 2021-12-30.
FIRST_DAY = "2020-01-01"
DAYS = 730

# The engine's own hash() may change between versions; whole-number arithmetic does not.
# Each step maps 32 bits onto 32 bits one to one, so different numbers give different ids.
MACROS = """
create macro scatter(n) as (n * 2654435761) & 4294967295;
create macro fold(n, bits) as xor(n, n >> bits);
create macro mix(n, salt) as
    fold((fold(scatter(n * 8 + salt), 15) * 73244475) & 4294967295, 13)::bigint;
"""

# Out of every eight events one is a registration, numbered by its block of eight. A third of the
# loads belong to the quarter of users who come back at all, most of them soon after they
# registered (the square of a uniform number of 0 to 45 days); the rest belong to strangers.
EVENTS = """
with numbered as (
    select (i * {stride}) % {events} as number from range({events}) as lines(i)
), drawn as (
    select
        number,
        number // 8 as block,
        number % 8 = mix(number // 8, 0) % 8 as is_registration,
        mix(number, 1) as kind,
        mix(number, 2) as detail,
        mix(number, 3) % 65536 as lag
    from numbered
), chosen as (
    select
        *,
        -- 45 days of blocks, scaled by the square of lag / 65536
        block - (({blocks} * 45 // {days}) * (lag * lag // 65536)) // 65536 as load_block
    from drawn
), events as (
    select
        case when is_registration then 'registered'
             when kind % 64 = 0 then 'screen_viewed'
             else 'app_loaded' end as event,
        -- lines arrive a little out of order, as they do in logs
        make_timestamp(
            epoch_us(timestamp '{first_day}')
            + (number * {milliseconds} // {events} + detail % 2000) * 1000
        ) as time,
        3074457345618258602 + case
            when is_registration and kind % 1000 = 0 and block > 0 then mix(block - 1, 4) * 1024
            when is_registration then mix(block, 4) * 1024
            when kind % 3 = 0 and load_block >= 0 then mix(load_block - load_block % 4, 4) * 1024
            else mix(detail % ({blocks} + 1), 5) * 1024 + 512
        end as initiator_id,
        case
            when is_registration and detail % 10 < 3 then '"channel":"invite"'
            when is_registration and detail % 400 = 5 then '"channel":"direct"'
            when is_registration then '"channel":null'
            when detail % 3 = 0 then '"device_type":"desktop"'
            when detail % 3 = 1 then '"device_type":"mobile"'
            else '"device_type":"tablet"'
        end as attribute
    from chosen
)
select
    '{{"event":"' || event || '","timestamp":"' || strftime(time, '%Y-%m-%dT%H:%M:%S.%g')
    || 'Z","initiator_id":' || initiator_id || ',' || attribute
    || ',"campaign":"spring-sale-2020","browser_version":"Mozilla/5.0 Chrome/79.0.3945"}}'
from events
"""


def shuffling_stride(events: int) -> int:
    """A step that visits every event once, neighbours far apart in time (the golden section)."""
    stride = max(1, round(events * 0.6180339887))
    while math.gcd(stride, events) != 1:
        stride += 1
    return stride


def generate(path: Path, events: int, *, shuffled: bool = False) -> None:
    """Write `events` lines of NDJSON to `path`, ordered by time or shuffled."""
    query = EVENTS.format(
        events=events,
        stride=shuffling_stride(events) if shuffled else 1,
        blocks=max(1, events // 8),
        days=DAYS,
        first_day=FIRST_DAY,
        # The last two seconds are left to the jitter.
        milliseconds=DAYS * 86_400_000 - 2_000,
    )
    partial = path.with_suffix(".partial")
    # A separator that no line holds, and no quoting: the one column is written as it is.
    options = r"format csv, header false, quote '', escape '', delimiter E'\x01'"
    with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
        connection.execute(MACROS)
        connection.execute(f"copy ({query}) to '{partial}' ({options})")
    partial.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, required=True, help="number of lines")
    parser.add_argument("--out", type=Path, required=True, help="file to write")
    parser.add_argument("--shuffled", action="store_true", help="the same lines in no order")
    arguments = parser.parse_args()
    generate(arguments.out, arguments.events, shuffled=arguments.shuffled)


if __name__ == "__main__":
    main()
