"""The fast path: decoder layers of a known structure computed by hand, each as one node of the graph."""

from .embeddings import Embeddings
from .embeddings import install as install_embeddings
from .layers import Path, install, serves_rows

__all__ = ["Embeddings", "Path", "install", "install_embeddings", "serves_rows"]
