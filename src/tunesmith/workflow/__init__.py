"""The story in order: check, train, judge; the only place that knows the order."""
