"""Formats of rows: every file here is a choice of `data.format`."""
