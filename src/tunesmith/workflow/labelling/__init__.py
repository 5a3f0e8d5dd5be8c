"""Rows for a person: drawn, labelled with a run beside them, and two persons' labels compared."""
