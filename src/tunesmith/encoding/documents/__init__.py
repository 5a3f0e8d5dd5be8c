"""What an example becomes: its tokens, and for each the target and the weight; one file a kind of examples."""
