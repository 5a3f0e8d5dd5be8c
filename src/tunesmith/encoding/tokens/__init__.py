"""Texts to token ids and back: the tokenizer with its template, its marks, its vocabulary."""
