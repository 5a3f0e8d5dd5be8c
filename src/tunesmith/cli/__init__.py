"""The command line: one file a verb; reads arguments, shows results, no logic."""
