"""From a recipe to documents that are proved and kept: base, vocabulary, encoding, order."""
