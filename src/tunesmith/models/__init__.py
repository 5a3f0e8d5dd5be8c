"""Bases: found, checked, loaded; what learns in them."""
