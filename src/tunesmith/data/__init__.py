"""Files become rows, rows become examples, examples get a side."""
