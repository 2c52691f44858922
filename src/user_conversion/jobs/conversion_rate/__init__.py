"""The job `conversion-rate-week-after-registration`: Parquet in, weekly conversion out."""
