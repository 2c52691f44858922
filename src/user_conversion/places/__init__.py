"""Places: where files are listed, read and published, all or none."""
