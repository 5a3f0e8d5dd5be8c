"""Documents kept as arrays, put in an order, mixed by their sources and packed."""
