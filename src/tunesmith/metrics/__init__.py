"""One file a metric: statistics of a row, and how they combine."""
