"""The raw events: which files hold them, what kind each is, and their records as lines of JSON."""
