"""Each kind of documents read back and held against its rows, by other means than they were made with."""
