"""One module per job: it wires inputs, engine, metric and outputs together."""
