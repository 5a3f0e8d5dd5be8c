"""A run taken out: written, held against the run, timed, judged where it loses something, and sent."""
