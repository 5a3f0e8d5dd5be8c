"""One file a step of cleaning."""
