"""The loop as a generator of steps, and the state that a checkpoint saves."""
