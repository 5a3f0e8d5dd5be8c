"""Intervals, the verdict, its report."""
