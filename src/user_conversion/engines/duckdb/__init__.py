"""The embedded engine: DuckDB in this process, the default."""
