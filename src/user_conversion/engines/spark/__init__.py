"""The distributed engine: Spark, on this machine or on a cluster."""
