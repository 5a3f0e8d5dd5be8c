"""One file a destination: `tunesmith export RUN NAME` writes what `exports/NAME.py` says."""
