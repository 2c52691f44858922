"""What a log of unknown layout is, and the command that reads it."""
