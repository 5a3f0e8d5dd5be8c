"""The Hugging Face Hub: what a repository holds, and the files that are wanted of it, in the cache of its own tools."""

from .fetching import fetch
from .listings import Entry, Listing, Repository, listing, local

__all__ = ["Entry", "Listing", "Repository", "fetch", "listing", "local"]
