"""The job `events-split`: raw events in, Parquet partitioned by day out."""
