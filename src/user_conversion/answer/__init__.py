"""The answer: pure functions and types from rows to figures, forecasts and the record."""
