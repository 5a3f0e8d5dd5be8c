"""Training jobs that are asked for over HTTP: kept in SQLite, each an ordinary `tunesmith train` of its own."""
