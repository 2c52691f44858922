"""Object stores, and outputs in them: published by copying."""
