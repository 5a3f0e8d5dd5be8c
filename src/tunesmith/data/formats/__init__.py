"""One file a shape of rows: `data.format: NAME` is `formats/NAME.py`."""
