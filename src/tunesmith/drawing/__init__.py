"""Rows that are worth looking at, drawn out of many."""
