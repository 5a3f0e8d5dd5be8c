"""How a base's template writes a conversation: rendered in a sandbox, vetted, and what it does with a turn."""
