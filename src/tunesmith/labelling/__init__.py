"""A person labels rows in the terminal, and two people's labels are compared."""
