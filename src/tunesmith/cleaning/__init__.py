"""The steps of cleaning, run over files: what is written, and the ledger of what was changed and left out."""
