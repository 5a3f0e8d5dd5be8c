"""Rows and files that are wrong, each kind with the finding that it must give."""

from __future__ import annotations

import gzip
import json

GOOD = b'{"prompt": "What is %d?", "answer": "A number."}'
ROWS = 30


def pair(prompt=b'"p"', answer=b'"a"'):
    return b'{"prompt": ' + prompt + b', "answer": ' + answer + b"}"


def turns(*spoken):
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in spoken]}).encode()


BAD_LINES = {
    "empty object": (b"{}", "data.missing_field"),
    "cut object": (b'{"prompt": "p", "answ', "data.json"),
    "no value": (b'{"prompt": , "answer": "a"}', "data.json"),
    "single quotes": (b"{'prompt': 'p', 'answer': 'a'}", "data.json"),
    "trailing comma": (b'{"prompt": "p", "answer": "a",}', "data.json"),
    "comment": (b'// {"prompt": "p", "answer": "a"}', "data.json"),
    "bare words": (b"what is this", "data.json"),
    "only a brace": (b"}", "data.json"),
    "two objects": (pair() + b" " + pair(), "data.json"),
    "control character": (pair(b'"a\x01b"'), "data.json"),
    "tab in a text": (pair(b'"a\tb"'), "data.json"),
    "carriage return in a text": (pair(b'"a\rb"'), "data.json"),
    "wrong escape": (pair(rb'"\x41"'), "data.json"),
    "short escape": (pair(rb'"\u12"'), "data.json"),
    "endless number": (b'{"prompt": "p", "answer": ' + b"1" * 5000 + b"}", "data.json"),
    "mark inside the file": (b"\xef\xbb\xbf" + pair(), "data.json"),
    "python's None": (pair(b"None"), "data.json"),
    "yaml": (b"prompt: p", "data.json"),
    "nul byte": (pair(b'"a\x00b"'), "data.nul"),
    "nul byte between rows": (b"\x00", "data.nul"),
    "nul escape": (pair(rb'"a\u0000b"'), "data.nul"),
    "nul escape in a key": (rb'{"prompt": "p", "answer": "a", "k\u0000": 1}', "data.nul"),
    "high surrogate": (pair(rb'"\ud83d!"'), "data.surrogate"),
    "low surrogate": (pair(rb'"\ude00"'), "data.surrogate"),
    "surrogate deep inside": (rb'{"prompt": "p", "answer": "a", "k": [{"x": "\uDC9F"}]}', "data.surrogate"),
    "surrogate as bytes": (pair(b'"\xed\xa0\x80"'), "data.encoding"),
    "latin 1": (pair('"müde"'.encode("latin-1")), "data.encoding"),
    "windows 1254": (pair('"ığşİ"'.encode("cp1254")), "data.encoding"),
    "overlong utf-8": (pair(b'"\xc0\xaf"'), "data.encoding"),
    "cut utf-8": (pair(b'"\xe2\x82"'), "data.encoding"),
    "doubled key": (b'{"prompt": "p", "answer": "a", "answer": "b"}', "data.doubled_key"),
    "doubled key inside": (b'{"prompt": "p", "answer": "a", "k": {"x": 1, "x": 2}}', "data.doubled_key"),
    "array": (b'["p", "a"]', "data.not_object"),
    "text": (b'"p"', "data.not_object"),
    "number": (b"17", "data.not_object"),
    "null": (b"null", "data.not_object"),
    "true": (b"true", "data.not_object"),
    "nan": (b'{"prompt": "p", "answer": "a", "k": NaN}', "data.not_a_number"),
    "infinity": (b'{"prompt": "p", "answer": "a", "k": [-Infinity]}', "data.not_a_number"),
    "nested 100 deep": (pair(b"[" * 100 + b"]" * 100), "data.too_deep"),
    "nested 900 deep": (pair(b"[" * 900 + b"]" * 900), "data.too_deep"),
    "nested 10,000 deep": (pair(b'{"a":' * 10_000 + b"1" + b"}" * 10_000), "data.too_deep"),
    "10 MB": (pair(b'"' + b"x" * 10_000_000 + b'"'), "data.row_too_large"),
    "missing answer": (b'{"prompt": "p"}', "data.missing_field"),
    "missing prompt": (b'{"answer": "a"}', "data.missing_field"),
    "misspelt": (b'{"promt": "p", "answer": "a"}', "data.missing_field"),
    "answer null": (pair(answer=b"null"), "data.missing_field"),
    "answer empty": (pair(answer=b'""'), "data.empty_field"),
    "answer blank": (pair(answer=rb'" \n\u00a0 "'), "data.empty_field"),
    "prompt empty": (pair(b'""'), "data.empty_field"),
    "answer a number": (pair(answer=b"42"), "data.wrong_type"),
    "answer a list": (pair(answer=b'["a"]'), "data.wrong_type"),
    "answer an object": (pair(answer=b'{"text": "a"}'), "data.wrong_type"),
    "prompt true": (pair(b"true"), "data.wrong_type"),
    "another format": (turns(("user", "u"), ("assistant", "a")), "data.mixed"),
    "two prompts": (b'{"question": "q", "input": "i", "output": "o"}', "data.ambiguous"),
    "context": (b'{"prompt": "p", "answer": "a", "context": "c"}', "data.context"),
}


def file_with(bad, at):
    lines = [GOOD % number for number in range(ROWS)]
    lines[at] = bad
    return b"\n".join(lines) + b"\n"


BAD_CELLS = {
    "too few cells": (b"p", "data.cells"),
    "too many cells": (b"p,a,b", "data.cells"),
    "open quote": (b'"p,a', "data.csv"),
    "quote in the middle": (b'"p"x,a', "data.csv"),
    "lonely carriage return": (b"p\rq,a", "data.csv"),
    "nul": (b"p\x00,a", "data.nul"),
    "latin 1": ("müde,a".encode("latin-1"), "data.encoding"),
    "empty answer": (b"p,", "data.empty_field"),
    "blank prompt": (b"  ,a", "data.empty_field"),
    "10 MB": (b"p," + b"x" * 10_000_000, "data.row_too_large"),
}

WHOLE = b"\n".join(GOOD % number for number in range(2000))
BAD_FILES = {
    "empty.jsonl": (b"", "data.empty", 1),
    "blank.jsonl": (b"\n \n\n", "data.empty", 1),
    "empty.json": (b"", "data.empty", 1),
    "empty-array.json": (b"[]", "data.empty", 1),
    "empty.csv": (b"", "data.empty", 1),
    "header-only.csv": (b"prompt,answer\n", "data.empty", 1),
    "empty.tsv": (b"", "data.empty", 1),
    "empty.txt": (b"\n\n", "data.empty", 1),
    "empty.jsonl.gz": (gzip.compress(b""), "data.empty", 1),
    "little-endian.jsonl": (WHOLE.decode().encode("utf-16"), "data.encoding", 1),
    "big-endian.csv": ("prompt,answer\np,a\n".encode("utf-16-be"), "data.encoding", 1),
    "unmarked.json": ('[{"prompt": "p", "answer": "a"}]'.encode("utf-16-le"), "data.encoding", 1),
    "utf-16.txt": ("nəsə".encode("utf-16"), "data.encoding", 1),
    "cut.jsonl.gz": (gzip.compress(WHOLE)[:-200], "data.cut_short", None),
    "damaged.csv.gz": (gzip.compress(WHOLE)[:50] + bytes(200), "data.cut_short", None),
    "only-the-mark.jsonl.gz": (b"\x1f\x8b", "data.cut_short", 1),
    "cut.json.gz": (gzip.compress(b'[{"prompt": "p", "answer": "a"}]')[:-4], "data.cut_short", None),
    "doubled.csv": (b"prompt,answer,answer\np,a,b\n", "data.doubled_column", 1),
    "nul.txt": (b"one\n\ntwo\x00\n", "data.nul", 3),
    "latin.txt": ("one\n\nmüde\n".encode("latin-1"), "data.encoding", 3),
    "picture.jsonl": (bytes(range(256)) * 4, "data.encoding", None),
}
