"""One file an observer: `run.observers: [NAME]` is `observers/NAME.py`."""
