"""A tokenizer and its template under the keys that llama.cpp reads in a GGUF file.

Two kinds have a name there: byte-level BPE (`gpt2`: tokens, types, merges) and that of SentencePiece (`llama`: tokens,
types, scores, the likelier of two neighbours first). Source: ggml `docs/gguf.md`; llama.cpp, `conversion/base.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..encoding.tokens.vocabulary import Pieces
from ..errors import Misuse
from ..models import stopping
from . import _gguf_pre
from ._source import Source

if TYPE_CHECKING:
    from gguf import GGUFWriter

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BLANK = "\N{LOWER ONE EIGHTH BLOCK}"
ENDS = ("eos", "eot", "eom")  # all that a file can say of where an answer ends
LOWEST = -1e4


@dataclass(frozen=True)
class Words:
    """A tokenizer as a GGUF file holds it.

    kind: `gpt2` or `llama`; pre: the name of its cut; merges: of the first kind, scores: of the second; ids: those of
    the special tokens under llama.cpp's names; flags: what it puts before and after a text by itself.
    """

    kind: str
    pre: str
    tokens: list[str]
    types: list[int]
    merges: list[str]
    scores: list[float]
    ids: dict[str, int]
    flags: dict[str, bool]
    template: str | None


def read(source: Source, rows: int) -> Words:
    """The tokenizer that the run was proved with; rows: of the embedding, of which some may have no token.

    Raises Misuse where llama.cpp knows no such tokenizer, or not all the tokens that end an answer fit into a file.
    """
    tokenizer = stopping.tokenizer(source.base, source.codec, turns=source.turns)
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    byte_level = _byte_level(state)
    tokens, types = _tokens(state, rows, byte_level=byte_level)
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in state["model"]["merges"]]
    own = not any(isinstance(each, Pieces) for each in source.base.added)
    flags = {"add_bos_token": _adds_bos(source), "add_eos_token": False}
    if not byte_level:
        first = tokenizer.backend_tokenizer.encode("x", add_special_tokens=False).tokens[0]
        flags["add_space_prefix"] = first.startswith(BLANK)
    return Words(
        kind="gpt2" if byte_level else "llama",
        pre=_gguf_pre.name(tokenizer, state, own=own) if byte_level else "default", tokens=tokens, types=types,
        merges=merges if byte_level else [], scores=[] if byte_level else _scores(tokens, types, merges),
        ids=_ids(source), flags=flags, template=source.codec.template.source if source.codec.template else None)


def write(words: Words, writer: GGUFWriter) -> None:
    """Put all of it among a file's keys."""
    writer.add_tokenizer_model(words.kind)
    writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.types)
    if words.merges:
        writer.add_token_merges(words.merges)
    if words.scores:
        writer.add_token_scores(words.scores)
    for name, index in words.ids.items():
        writer.add_uint32(f"tokenizer.ggml.{name}_token_id", index)
    for name, value in words.flags.items():
        writer.add_bool(f"tokenizer.ggml.{name}", value)
    if words.template is not None:
        writer.add_chat_template(words.template)


def _byte_level(state: Mapping[str, Any]) -> bool:
    """Whether its letters are bytes; raises Misuse where it is of neither kind."""
    model, normal, cut = state["model"], json.dumps(state["normalizer"]), json.dumps(state["pre_tokenizer"])
    if model["type"] == "BPE" and '"ByteLevel"' in cut and normal in ("null", '{"type": "NFC"}'):
        return True
    if model["type"] == "BPE" and model["byte_fallback"] and ('"Metaspace"' in cut or BLANK in json.loads(
            f'"{normal.replace(chr(34), "")}"')):
        return False
    raise Misuse("export.tokenizer", f"llama.cpp reads byte-level BPE and SentencePiece's BPE; this base's tokenizer "
                 f"is neither (`{model['type']}`)", "tokenizer.json: model.type", "use `tunesmith export RUN merged`")


def _tokens(state: Mapping[str, Any], rows: int, *, byte_level: bool) -> tuple[list[str], list[int]]:
    """The token and its type at each row."""
    tokens, types = [f"[PAD{index}]" for index in range(rows)], [UNUSED] * rows
    for token, index in state["model"]["vocab"].items():
        tokens[index], types[index] = token, NORMAL
        if not byte_level and len(token) == 6 and token.startswith("<0x"):
            types[index] = BYTE
    for each in state["added_tokens"]:
        special = each["special"] or _looks_special(each["content"])
        # llama.cpp looks for them in the text as it was typed, before blanks are spelt otherwise
        tokens[each["id"]] = each["content"] if special or byte_level else each["content"].replace(BLANK, " ")
        types[each["id"]] = CONTROL if special else USER_DEFINED
    unknown = state["model"].get("unk_token")
    if not byte_level and unknown in tokens:
        types[tokens.index(unknown)] = UNKNOWN
    return tokens, types


def _looks_special(token: str) -> bool:
    """Tokens that some bases forgot to mark as special, by the converter's rule."""
    return token in ("<pad>", "<mask>", "<2mass>", "[@BOS@]") or token.startswith("<unused") or (
        token.startswith(("<|", "<｜")) and token.endswith(("|>", "｜>")))  # DeepSeek's own bars


def _scores(tokens: list[str], types: list[int], merges: list[str]) -> list[float]:
    """For each token how early it is merged, which is all that llama.cpp asks of a score."""
    earliest: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        earliest.setdefault(merge.replace(" ", "", 1), rank)
    return [-float(earliest.get(token, len(merges))) if kind == NORMAL else 0.0 if kind == BYTE else LOWEST
            for token, kind in zip(tokens, types, strict=True)]


def _ids(source: Source) -> dict[str, int]:
    codec = source.codec
    last = stopping.end(codec, turns=source.turns)
    stop = [*([] if last is None else [last]), *sorted(codec.stop - {last})]
    if len(stop) > len(ENDS):
        raise Misuse("export.stop", f"this run ends its answers on {len(stop)} tokens, and a GGUF file can name "
                     f"{len(ENDS)}", "generation_config.json: eos_token_id", "use `tunesmith export RUN merged`")
    named = {"bos": codec.bos, **dict(zip(ENDS, stop, strict=False)), "unknown": codec.unknown, "padding": codec.pad}
    return {name: index for name, index in named.items() if index is not None}


def _adds_bos(source: Source) -> bool:
    """Whether a program must put the BOS before what it is given.

    Templates that write it are written without it by llama.cpp and Ollama, who count on this flag; where the template
    does not write it the run never saw it.
    """
    codec = source.codec
    if codec.bos is None or not codec.wants_bos:
        return False
    if not source.turns or codec.template is None:
        return True
    return "bos_token" in codec.template.source or codec.token(codec.bos) in codec.template.source
