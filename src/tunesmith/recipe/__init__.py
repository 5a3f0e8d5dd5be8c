"""What the user asks for: the sections of a recipe, read, checked and written."""
