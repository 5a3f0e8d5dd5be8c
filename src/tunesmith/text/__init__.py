"""What can be told of a text alone: its language, personal data, odd characters, and what is nearly the same."""
