"""A base or a run, opened for use."""
