"""A run from its beginning, or its middle, to its end: the session, the loop around the engine, what can go on."""
