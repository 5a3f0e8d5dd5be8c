"""Base and tuned on the same held-out rows: measured, judged, written down, runs beside one another."""
