"""One file an adapter: `adapter: {type: NAME}` is `adapters/NAME.py`."""
