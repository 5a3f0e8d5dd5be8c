"""One file an optimiser: `training.optimiser: NAME` is `optimisers/NAME.py`."""
