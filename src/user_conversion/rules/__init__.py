"""The rules: what an event, a log format, a week and a definition are. No input or output."""
