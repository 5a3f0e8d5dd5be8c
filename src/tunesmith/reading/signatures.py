"""What a file is by its first bytes, where that is not what its name says."""

from __future__ import annotations

from pathlib import Path

from ..records import Finding

PARQUET = b"PAR1"
ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
GZIP = b"\x1f\x8b"
_KNOWN = {
    PARQUET: "a Parquet file", b"PARE": "an encrypted Parquet file", ZIP: "a ZIP archive (as XLSX files are)",
    OLE: "an old Office file", GZIP: "a gzip file", b"ARROW1": "an Arrow file", b"%PDF": "a PDF file",
    b"SQLite format 3\0": "an SQLite database", b"\x28\xb5\x2f\xfd": "a Zstandard file", b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
}
_TABLES, _JSON = (".csv", ".tsv"), (".json", ".jsonl", ".ndjson")
_NAMES = {".parquet": PARQUET, ".xlsx": ZIP, ".xlsm": ZIP}
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # the entry in which Office keeps a workbook under a password
_DIRECTORY_BYTES = 1 << 20
_TEXT_BYTES = 1 << 16


def contradiction(written: str, path: Path, kind: str) -> Finding | None:
    """The finding for a file whose first bytes are not of its kind (its suffix); None where they may be.

    Text may start with anything but the mark of a known other kind; gzip is looked into by whoever reads text.
    """
    try:
        with path.open("rb") as file:
            start = file.read(_DIRECTORY_BYTES if kind in _NAMES else _TEXT_BYTES)
    except OSError:
        return None  # whoever reads the file says so
    if not start:
        return None
    wanted = _NAMES.get(kind)
    if wanted is not None and start.startswith(wanted):
        return None
    if kind in (".xlsx", ".xlsm") and start.startswith(OLE):
        return _ole(written, start)
    known = next((name for mark, name in _KNOWN.items() if start.startswith(mark)), None)
    if wanted is None and start.startswith(GZIP):
        return None
    if wanted is None and known is None:
        return _other_text(written, start, kind)
    what = f"the file is {known}" if known else "the file starts as no such file does"
    return Finding("error", "data.wrong_kind", f"{what}, and its name says `{kind}`", f"{written}:1",
                   "give it the name of its kind, or save it anew as the kind that its name says")


def _other_text(written: str, start: bytes, kind: str) -> Finding | None:
    """JSON under the name of a table, and lines without an object under that of JSON: one finding, not one a line."""
    words = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if kind in _TABLES and words.startswith((b'{"', b"[{", b"[\n", b"[\r\n")):
        what, remedy = "JSON", "end its name with `.jsonl` (one object a line) or `.json`"
    elif kind in _JSON and b"\n" in words and words[:1].isalpha() and b"{" not in start:
        what, remedy = "not JSON", "end its name with `.csv`, `.tsv` or `.txt` if it is that, or write an object a line"
    else:
        return None
    return Finding("error", "data.wrong_kind", f"the file is {what}, and its name says `{kind}`", f"{written}:1",
                   remedy)


def _ole(written: str, start: bytes) -> Finding:
    if _ENCRYPTED in start:
        return Finding("error", "data.encrypted", "the workbook is protected by a password", f"{written}:1",
                       "save it without a password, or as CSV")
    return Finding("error", "data.wrong_kind", "the file is a workbook of the kind before 2007 (`.xls`), or one under "
                   "a password", f"{written}:1", "save it as XLSX without a password, or as CSV")
