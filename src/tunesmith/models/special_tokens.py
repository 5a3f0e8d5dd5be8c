"""Tokens with a meaning of their own, put into a base's tokenizer."""

from __future__ import annotations

from typing import Any

from ..errors import Misuse
from ..recipe.sections import SpecialTokens


def add(tokenizer: Any, special: SpecialTokens) -> None:
    """Set the tokens that play a part and add those that the tokenizer lacks, after all that it has.

    Raises Misuse for a BOS that its own way of opening a text would not write.
    """
    from tokenizers import AddedToken

    opened = tokenizer.bos_token_id is not None and _first(tokenizer) == tokenizer.bos_token_id
    roles = {"bos_token": special.bos, "eos_token": special.eos, "pad_token": special.pad}
    named = {role: token for role, token in roles.items() if token is not None}
    known = {token.content for token in tokenizer.added_tokens_decoder.values()}
    wanted = [token for token in dict.fromkeys([*named.values(), *special.additional]) if token not in known]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in wanted], special_tokens=True)
    for role, token in named.items():
        setattr(tokenizer, role, token)
    if opened and special.bos is not None and _first(tokenizer) != tokenizer.bos_token_id:
        raise Misuse(
            "base.bos", f"this base's tokenizer opens every text with `{tokenizer.decode([_first(tokenizer)])}`, and "
            f"would not write `{special.bos}`", "base.special_tokens.bos", "leave the base's own `bos`",
        )


def _first(tokenizer: Any) -> int | None:
    ids = tokenizer("a")["input_ids"]
    return ids[0] if ids else None
