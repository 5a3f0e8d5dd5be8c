"""A run in service: what it is held against, and what it saw."""
