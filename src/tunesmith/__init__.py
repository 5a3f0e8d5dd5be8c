"""Tune a language model on your examples, and prove that it got better."""

__version__ = "0.1.0"
