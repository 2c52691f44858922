"""The commands: options in, results printed. The work is done in `jobs/`."""
