"""One file a way to make new training rows of old ones."""
