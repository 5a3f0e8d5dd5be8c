"""A tokenizer and its chat template as one thing: text to ids and back, exactly, and what ends a turn."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, partial
from itertools import accumulate
from types import MappingProxyType
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ...contracts import Encoded
from ...errors import Refusal
from ...records import Message
from ..templates import ending, thinking
from ..templates.ending import pattern
from ..templates.template import Template, Tool, vet
from .framing import Frames, spelt
from .sections import Sections
from .spelling import utf8_bytes

UNBOUNDED = 1 << 40


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, and whether its control tokens are meant as such or were typed by somebody."""

    text: str
    control: bool


@final
class Codec:
    """A fast tokenizer and its template; built by `build`.

    vocabulary: number of ids; bos, eos, pad, unknown, mask: ids or None; wants_bos: whether the tokenizer itself
    opens a text with its BOS; stop: ids on which generation ends; control: ids by text of the special tokens and of
    the added ones that the template writes; end_of_turn: the token that ends an assistant's turn in the template
    (`ending` has what stands around it), None where there is no template or it writes none; context: the most tokens
    that the base reads, longest: the most that a document of this run may have; pooling: how the base makes one
    vector of a text, where its files say so.
    """

    def __init__(
        self, tokenizer: Any, template: Template | None, context: int, generation_stop: Iterable[int],
        flaw: Refusal | None = None, *, longest: int = 0, pooling: str = "",
    ) -> None:
        self._flaw = flaw
        self.pooling = pooling
        self.longest = min(longest or context, context)
        self.template = template
        self.context = context
        self.vocabulary = len(tokenizer)
        self.bos: int | None = tokenizer.bos_token_id
        self.eos: int | None = tokenizer.eos_token_id
        self.pad: int | None = tokenizer.pad_token_id
        self.unknown: int | None = tokenizer.unk_token_id
        self.mask: int | None = tokenizer.mask_token_id
        state = tokenizer.backend_tokenizer.to_str()
        self._state = state
        self._parsing = _bare(state)
        self.digest = hashlib.sha256(state.encode()).hexdigest()
        self.wants_bos = self.bos is not None and tokenizer("a")["input_ids"][:1] == [self.bos]
        self.control = _control_tokens(tokenizer, template)
        self.special = self.control.keys() & _special_texts(tokenizer)
        self.marked: dict[Message, Message] = {}  # what `typed` found lately
        self._parsed = Sections(self._parsing)
        self._newline = self._parsed.ids("\n")
        known = {index for index in (self.eos, *generation_stop) if index is not None}
        self.ending = ending.find(template, self.control, known) if template else None
        self.ending_of_calls: ending.Ending | None = None
        if template and self.ending and "tool_calls" in template.source:
            self.ending_of_calls = ending.find_of_calls(template, self.control, known, self.ending)
        self.end_of_turn = self.ending.token if self.ending else None
        self.ends = frozenset(each.token for each in (self.ending, self.ending_of_calls) if each)
        self.stop = frozenset(known | {self.control[token] for token in self.ends})

    def encode(self, text: str, *, control: bool = False) -> Encoded:
        """Ids of a text and where each ends in it, with no token put before or after.

        control: whether control tokens that stand in the text are meant (a template's text) or are spelt out as text
        (anybody else's).
        """
        return self.encode_pieces([Piece(text, control)])

    def encode_pieces(self, pieces: Sequence[Piece], *, continued: bool = False) -> Encoded:
        """Ids of the pieces' texts one after another; equal to transformers' ids of a chat with marked tokens.

        continued: the pieces follow a text, so the first is encoded as if something stood before it.
        """
        ids: list[int] = []
        started = continued
        for piece in pieces:
            if piece.text:
                ids += self._ids(piece, first=not started)
                started = True
        return Encoded(ids, partial(self._find_ends, pieces, continued))

    def foresee(self, texts: Iterable[Sequence[Piece]]) -> None:
        """Encode at once, on every core, what `encode_pieces` will be asked for one after another."""
        wanted: dict[bool, list[str]] = {True: [], False: []}
        for pieces in texts:
            first = True
            for piece in pieces:
                if piece.text:
                    wanted[piece.control].append(piece.text if first else "\n" + piece.text)
                    first = False
        self._parsed.foresee(wanted[True])
        if wanted[False]:
            self._spelt.foresee(wanted[False])

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens included, nothing tidied."""
        text: str = self._parsing.decode(list(ids), skip_special_tokens=False)
        return text

    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the tokenizer and of the template's source, for a run's lineage."""
        return {"tokenizer": self.digest, "template": self.template.digest if self.template else ""}

    def words(self) -> Mapping[str, int]:
        """The vocabulary: the id of each of its own spellings, added tokens included."""
        found: Mapping[str, int] = self._parsing.get_vocab(with_added_tokens=True)
        return found

    def token(self, index: int) -> str:
        """The vocabulary's own spelling of an id."""
        return str(self._parsing.id_to_token(index))

    @cached_property
    def typed_by_anybody(self) -> re.Pattern[str]:
        """Finds control tokens: in a text that somebody typed they are text."""
        return pattern(self.control)

    @cached_property
    def typed_by_assistant(self) -> re.Pattern[str]:
        """Finds those that are text in an assistant's turn too: what the model writes by itself is its own."""
        return pattern((self.special - thinking.TOKENS) | self.ends)

    @cached_property
    def _plain(self) -> Tokenizer:
        """The tokenizer without its added tokens; made when first wanted, for it takes half a second."""
        return _bare(self._state, added=False)

    @cached_property
    def _spelt(self) -> Sections:
        return Sections(self._plain)

    @cached_property
    def bytes_of(self) -> NDArray[np.int64]:
        """(V,) how many bytes of UTF-8 each id spells; 0 for control tokens."""
        return utf8_bytes(self._state)

    @cached_property
    def adds_blank(self) -> bool:
        """Whether the tokenizer puts a blank before a text, which is none of the text's bytes."""
        return int(self.bytes_of[self._plain.encode("a", add_special_tokens=False).ids].sum()) > 1

    @cached_property
    def masked_frames(self) -> Frames:
        """The same of texts in which the mask is meant as such."""
        return Frames(self._state, meant=() if self.mask is None else (self.token(self.mask),))

    @cached_property
    def frames(self) -> Frames:
        """Texts as a network that reads both ways is given them, between the tokenizer's own marks."""
        return Frames(self._state)

    def ending_of(self, message: Message) -> ending.Ending | None:
        """How the template ends such a turn; None where it ends it with nothing that generation could stop on."""
        return self.ending_of_calls if message.calls else self.ending

    def require_template(self) -> Template:
        """The template, ready for a conversation; raises Refusal where there is none or its turns have no end."""
        if self._flaw is not None:
            raise self._flaw
        if self.template is None:
            raise Refusal("template.missing", "the base has no chat template", "data.template",
                          "set `data.template` to `chatml` or to the path of a Jinja file, or use `task: completion`")
        if self.end_of_turn is None:
            raise Refusal(
                "template.no_end", "the template writes no end-of-turn token after an assistant's turn, so a tuned "
                "model would never learn to stop", self.template.name,
                "let the template write `{{ eos_token }}` after an assistant's content, name the token that it does "
                "write there as `base.special_tokens.eos`, name the token that opens the next turn as `eos_token_id` "
                "in the base's generation_config.json, or choose another `data.template`")
        return self.template

    def _ids(self, piece: Piece, *, first: bool) -> list[int]:
        reader = self._parsed if piece.control else self._spelt
        if not first:
            # A tokenizer of SentencePiece's kind puts a blank before a text; after a line feed it does not.
            joined = reader.ids("\n" + piece.text)
            if joined[: len(self._newline)] == self._newline:
                return joined[len(self._newline) :]
        return reader.ids(piece.text)

    def _find_ends(self, pieces: Sequence[Piece], continued: bool) -> list[int]:
        """Where each id of the pieces ends in their text: read from the tokenizer, which encodes once more for it."""
        ends: list[int] = []
        start = 0
        for piece in pieces:
            if piece.text:
                ends += [start + end for end in self._ends(piece, first=not (start or continued))]
                start += len(piece.text)
        return ends

    def _ends(self, piece: Piece, *, first: bool) -> list[int]:
        encoder = self._parsing if piece.control else self._plain
        if not first:
            joined = encoder.encode("\n" + piece.text, add_special_tokens=False)
            if joined.ids[: len(self._newline)] == self._newline:
                return _ends(joined.offsets[len(self._newline) :], 1, len(piece.text))
        alone = encoder.encode(piece.text, add_special_tokens=False)
        return _ends(alone.offsets, 0, len(piece.text))


def build(
    tokenizer: Any, *, template: str | None = None, context: int = 0, generation_stop: Sequence[int] = (),
    name: str = "chat_template", date: datetime | None = None, tools: Sequence[Tool] = (),
    switches: Mapping[str, bool] = MappingProxyType({}), longest: int = 0, pooling: str = "",
) -> Codec:
    """A codec over a fast tokenizer of transformers.

    template: Jinja source that replaces the tokenizer's own; context: the longest document that the base reads (0: as
    the tokenizer says); generation_stop: ids that the base's generation settings stop on; name: what complaints call
    the template; date: what templates are told today is; tools: definitions for conversations that bring none;
    switches: what else the template is told, such as `enable_thinking`; longest: the most tokens of one document (0:
    what the base reads); pooling: how the base makes one vector of a text. Raises Refusal for a template that is
    broken or unsafe; for the tokenizer's own only once a conversation is to be encoded with it.
    """
    source = template
    if source is None and tokenizer.chat_template is not None:
        source = tokenizer.get_chat_template()
    made = flaw = None
    if source is not None:
        special = dict(tokenizer.special_tokens_map)
        try:
            vet(source, name, special)
            made = Template(source, name, special, date=date, tools=tools, switches=switches)
        except Refusal as refusal:
            if template is not None:
                raise
            flaw = refusal  # the base's own, which a task without a template never needs
    read = context or min(int(tokenizer.model_max_length), UNBOUNDED)
    return Codec(tokenizer, made, read, generation_stop, flaw, longest=longest, pooling=pooling)


def _bare(state: str, *, added: bool = True) -> Tokenizer:
    """The tokenizer without post-processor, truncation and padding, and on wish without its added tokens."""
    if not added:
        state = spelt(state)
    tokenizer = Tokenizer.from_str(state)
    tokenizer.post_processor = None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _special_texts(tokenizer: Any) -> frozenset[str]:
    return frozenset(token.content for token in tokenizer.added_tokens_decoder.values() if token.special)


def _control_tokens(tokenizer: Any, template: Template | None) -> dict[str, int]:
    """Special tokens, and added ones that the template writes, but for those of white space."""
    written = template.literal_text if template else ""
    return {
        token.content: index
        for index, token in tokenizer.added_tokens_decoder.items()
        if token.special or (token.content in written and not token.content.isspace())
    }


def _ends(offsets: Sequence[tuple[int, int]], shift: int, length: int) -> list[int]:
    """Ends that never go back and reach the text's end, so that the stretches between them spell the text."""
    ends = list(accumulate((end - shift for _, end in offsets), max))
    if ends:
        ends[-1] = length
    return ends
