"""Files of any usual kind, read row by row, each row with the file and line where it stands."""
