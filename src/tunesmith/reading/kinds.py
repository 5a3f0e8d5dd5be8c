"""The kinds of files that can be read, told by their names."""

from __future__ import annotations

from pathlib import Path

BLOCKS = (".conll", ".conllu", ".bio", ".iob", ".iob2", ".bioes")
RECORDS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".xlsx", ".xlsm", *BLOCKS)
PLAIN = (".txt", ".md")


def suffix(written: str) -> str:
    """The suffix that tells the kind of a file, `.gz` left aside: `.csv` of `a.CSV.gz`."""
    name = Path(written).name.lower().removesuffix(".gz")
    return Path(name).suffix
