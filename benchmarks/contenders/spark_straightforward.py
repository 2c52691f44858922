"""The job as it is usually written for Spark: two applications, one after the other.

    python spark_straightforward.py LOG OUTPUT

Each event type is filtered from the JSON, which is read anew; every partitioned write goes through
one task; the metric is two counts. Clear, and right on clean logs; the time goes into reading
twice and writing with one task.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as f

SCHEMA = (
    "event string, timestamp timestamp, initiator_id bigint, channel string, device_type string"
)


def session(name: str) -> SparkSession:
    # Where SPARK_REMOTE is set, the session is on that server.
    local = {} if "SPARK_REMOTE" in os.environ else {"spark.master": "local[2]"}
    return (
        SparkSession.builder.config(map=local)
        .appName(name)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )


def events_split(log: str, output: Path) -> None:
    spark = session("events-split")
    for dataset, event, attribute in (
        ("user_registration", "registered", "channel"),
        ("app_loaded", "app_loaded", "device_type"),
    ):
        events = spark.read.schema(SCHEMA).json(log).where(f.col("event") == event)
        events = events.select(
            "event", f.col("timestamp").alias("time"), "initiator_id", attribute
        ).withColumn("derived_tstamp_day", f.to_date("time"))
        events.repartition(1).write.mode("overwrite").partitionBy("derived_tstamp_day").parquet(
            str(output / dataset / "format=parquet")
        )
    spark.stop()


def conversion_rate(output: Path) -> None:
    spark = session("conversion-rate")
    registered = spark.read.parquet(str(output / "user_registration" / "format=parquet"))
    loaded = spark.read.parquet(str(output / "app_loaded" / "format=parquet"))
    by_user = Window.partitionBy("initiator_id").orderBy("time")
    registrations = (
        registered.withColumn("place", f.row_number().over(by_user))
        .where("place = 1")
        .select("initiator_id", f.col("time").alias("registered_at"))
    )
    first_loads = (
        loaded.join(registrations, "initiator_id")
        .where("time >= registered_at")
        .groupBy("initiator_id")
        .agg(f.min("time").alias("first_loaded_at"))
    )
    users = registrations.join(first_loads, "initiator_id", "left").withColumn(
        "week", f.date_trunc("week", "registered_at")
    )
    next_week = f.date_trunc("week", "first_loaded_at") == f.col("week") + f.expr("interval 7 days")
    total = users.groupBy("week").agg(f.count("*").alias("total_registered"))
    converted = users.where(next_week).groupBy("week").agg(f.count("*").alias("total_converted"))
    summary = weekly_summary(total, converted)
    summary.repartition(1).write.mode("overwrite").partitionBy("registration_week").parquet(
        str(output / "weekly_summary" / "format=parquet")
    )
    weeks = [row.asDict() for row in summary.orderBy("registration_week").collect()]
    print(json.dumps({"weeks": weeks}))
    spark.stop()


def weekly_summary(total: DataFrame, converted: DataFrame) -> DataFrame:
    thursday = f.date_add(f.to_date("week"), 3)
    label = f.format_string("%04d-%02d", f.year(thursday), f.weekofyear(thursday))
    joined = total.join(converted, "week", "left").fillna(0, ["total_converted"])
    rate = f.expr("(total_converted * 200 + total_registered) div (total_registered * 2)")
    return joined.select(
        label.alias("registration_week"),
        "total_registered",
        "total_converted",
        rate.alias("conversion_rate"),
    )


def main(log: str, output: Path) -> None:
    for job in ("events-split", "conversion-rate"):
        subprocess.run([sys.executable, __file__, log, str(output), job], check=True)


if __name__ == "__main__":
    if sys.argv[3:] == ["events-split"]:
        events_split(sys.argv[1], Path(sys.argv[2]))
    elif sys.argv[3:] == ["conversion-rate"]:
        conversion_rate(Path(sys.argv[2]))
    else:
        main(sys.argv[1], Path(sys.argv[2]))
