"""The metric: Ibis expressions, written once and compiled ahead to SQL."""
