"""The names of the two jobs, on the command line and in `run.json`."""

SPLIT, CONVERSION = "events-split", "conversion-rate-week-after-registration"
