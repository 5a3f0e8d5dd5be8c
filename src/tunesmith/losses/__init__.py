"""Pure functions of tensors, one a file, each naming its source."""
