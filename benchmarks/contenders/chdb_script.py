"""The job by hand in embedded ClickHouse.

Measured and left out, as slower: LowCardinality strings while reading (twice the time to parse),
the `best_effort` reader of dates.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from chdb.session import Session

EVENTS = """
    create table events engine = Memory as
    select
        event::Enum8('registered', 'app_loaded') as event,
        timestamp as time,
        initiator_id,
        if(event = 'registered', channel, device_type) as attribute
    from file('{log}', 'JSONEachRow', 'event String, timestamp DateTime64(6, \\'UTC\\'),
        initiator_id Int64, channel Nullable(String), device_type Nullable(String)') as log
    where log.event in ('registered', 'app_loaded')
"""

SPLIT = """
    insert into function file(
        '{folder}/derived_tstamp_day={{_partition_id}}/part-0.parquet', 'Parquet',
        'event String, time DateTime64(6, \\'UTC\\'), initiator_id Int64,
         {attribute} Nullable(String)'
    )
    partition by toDate(time)
    select event, time, initiator_id, attribute from events where event = '{event}'
    settings max_partitions_per_insert_block = 0,
        output_format_parquet_compression_method = 'snappy'
"""

WEEKLY_SUMMARY = """
    create table weekly_summary engine = Memory as
    with registrations as (
        select initiator_id, min(time) as registered_at
        from events where event = 'registered' group by initiator_id
    ), first_loads as (
        select initiator_id, min(time) as first_loaded_at
        from events join registrations using (initiator_id)
        where event = 'app_loaded' and time >= registered_at
        group by initiator_id
    ), users as (
        select toMonday(registered_at) as week, toMonday(first_loaded_at) as load_week
        from registrations left join first_loads using (initiator_id)
    )
    select formatDateTime(week, '%G-%V') as registration_week,
           toInt64(count()) as total_registered,
           toInt64(countIf(load_week = week + 7)) as total_converted,
           intDiv(total_converted * 200 + total_registered, total_registered * 2)
               as conversion_rate
    from users group by week
"""

WRITE_SUMMARY = """
    insert into function file(
        '{folder}/registration_week={week}/part-0.parquet', 'Parquet',
        'total_registered Int64, total_converted Int64, conversion_rate Int64'
    )
    select total_registered, total_converted, conversion_rate
    from weekly_summary where registration_week = '{week}'
    settings output_format_parquet_compression_method = 'snappy'
"""


def main(log: Path, output: Path) -> None:
    session = Session()
    session.query("create database job")
    session.query("use job")
    session.query(EVENTS.format(log=log.absolute()))
    for dataset, event, attribute in (
        ("user_registration", "registered", "channel"),
        ("app_loaded", "app_loaded", "device_type"),
    ):
        folder = output.absolute() / dataset / "format=parquet"
        session.query(SPLIT.format(event=event, attribute=attribute, folder=folder))
    session.query(WEEKLY_SUMMARY)
    folder = output.absolute() / "weekly_summary" / "format=parquet"
    rows = str(session.query("select * from weekly_summary order by 1", "JSONEachRow"))
    weeks = [json.loads(row) for row in rows.splitlines()]
    for week in weeks:
        # PARTITION BY would keep the partition's column in the files.
        query = WRITE_SUMMARY.format(folder=folder, week=week["registration_week"])
        session.query(query)
    print(json.dumps({"weeks": weeks}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
