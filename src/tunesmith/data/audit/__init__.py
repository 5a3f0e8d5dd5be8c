"""One file a check: what is looked for in the rows before anything is learnt from them."""
