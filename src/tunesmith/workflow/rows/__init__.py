"""The rows that a recipe names: gathered, divided into sides, and looked over."""
