"""The fast exact operations, each beside its naive twin."""
