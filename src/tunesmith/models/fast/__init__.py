"""The fast path: decoder layers of a known structure computed by hand, each as one node of the graph."""

from .layers import Path, install, serves_rows

__all__ = ["Path", "install", "serves_rows"]
