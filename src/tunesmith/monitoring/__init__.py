"""What a served run has seen, held against what it was trained on."""
