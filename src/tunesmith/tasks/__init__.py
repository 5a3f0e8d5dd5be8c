"""One file a task: `task: NAME` is `tasks/NAME.py`."""
