"""The metric as one query that people keep in their warehouse."""
