"""A base, opened: its tokenizer, its network, and how it wants to generate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from ..data.tools import definitions
from ..encoding.order import seed_for
from ..encoding.templates.template import named
from ..encoding.tokens.codec import Codec, build
from ..encoding.tokens.vocabulary import Pieces
from ..errors import Misuse, Refusal
from ..kernels import attention, cached
from ..kernels.rule import Rule
from ..records import Head, Row
from . import earlier, growth, heads, layouts, sentence_files, several, special_tokens
from .offline import opening, transformers
from .pretrained import Base

# What templates ask to know whether the model thinks: Qwen's, GLM's and others' name for it, and DeepSeek's
SWITCHES: Mapping[str, Mapping[str, bool]] = {
    "think": {"enable_thinking": True, "thinking": True}, "no_think": {"enable_thinking": False, "thinking": False},
}
CAUSAL = Head("causal")
SAMPLING = ("temperature", "top_p", "top_k", "repetition_penalty", "do_sample")


def tokenizer(base: Base) -> Any:
    """The base's own transformers tokenizer, with what was added to it, and its chat template where it has one.

    Raises Refusal for one of transformers' slow kind, Misuse where the library that reads it is missing.
    """
    library = transformers()
    only_pieces = any(base.folder.glob("*.model")) and not (base.folder / "tokenizer.json").is_file()
    if only_pieces and find_spec("sentencepiece") is None:
        raise Misuse("base.no_sentencepiece", "the base's tokenizer is a file of SentencePiece, which is not installed",
                     str(base.folder), "pip install sentencepiece")
    with opening(base.folder):
        found = library.AutoTokenizer.from_pretrained(base.folder, local_files_only=True, trust_remote_code=False)
    if not found.is_fast:
        raise Refusal("base.slow_tokenizer", f"its tokenizer ({type(found).__name__}) is of transformers' slow kind, "
                      "which does not say where in a text a token stands", str(base.folder), "use a base that comes "
                      "with a `tokenizer.json`; for pairs of texts such as T5, BART, mBART or NLLB")
    for added in base.added:
        if isinstance(added, Pieces):
            growth.add_pieces(found, added)
        else:
            special_tokens.add(found, added)
    return found


def new_ids(base: Base) -> dict[int, tuple[int, ...]]:
    """The ids that were added to a base, or to the earlier run that it is, in order, and those that each replaces.

    A token with a meaning of its own replaces none.
    """
    before = base.under.added if base.under is not None else ()
    if base.added == before:
        return {}
    now = tokenizer(base)
    ids = growth.new_ids(tokenizer(replace(base, added=before)), now)
    replaced: dict[str, tuple[int, ...]] = {}
    for added in base.added:
        replaced |= added.replaces if isinstance(added, Pieces) else {}
    return {index: replaced.get(token, ()) for index, token in zip(ids, now.convert_ids_to_tokens(ids), strict=True)}


def codec(
    base: Base, template: str | None, date: datetime, *, tools: str | None = None, thinking: str = "template",
    longest: int = 0,
) -> Codec:
    """The base's tokenizer with the template named (a shipped one, or a Jinja file), else with its own.

    An earlier run's own is the one that it was tuned with. date: what the template is told today is; tools: a JSON
    file of definitions for conversations that bring none; thinking: as in `data.thinking`; longest: the most tokens
    that a document may have, where that is less than the base reads.
    """
    named = template
    if named is None and base.run is not None:
        named = earlier.recipe_of(base.run).data.template
    return build(
        tokenizer(base), template=_source(named) if named else None, context=base.context,
        generation_stop=generation_stop(base), name=named or "the base's own template", date=date,
        tools=_tools(tools) if tools else (), switches=SWITCHES.get(thinking, {}), longest=longest,
        pooling=sentence_files.pooling(base),
    )


def _tools(path: str) -> tuple[Mapping[str, Any], ...]:
    """The definitions in a JSON file. Raises Misuse where it cannot be read, Refusal where it defines no tools."""
    try:
        content = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse("data.tools", f"the file of tools cannot be read: {error}", path,
                     "name a JSON file with a list of definitions") from error
    return definitions(Row({}, path), "data.tools", content)


def _source(name: str) -> str:
    """The Jinja text of a shipped template's name, or of a file. Raises Misuse where there is neither."""
    path = Path(name)
    if not path.is_absolute():
        return named(name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse("template.unreadable", f"the template cannot be read: {error}", name,
                     "name a Jinja file in UTF-8 that you may read") from error


def network(
    base: Base, *, dtype: torch.dtype, device: torch.device, head: Head = CAUSAL, seed: int = 0,
    dropout: float | None = 0.0,
) -> Any:
    """The base as a transformers causal language model, in evaluation mode, with our attention where it takes it.

    An earlier run is merged in float32, then rounded once. Tokens that are new to the base have rows. dropout: what its
    layers drop while they train; None: what the base says. Raises Refusal where weights are missing, or where the
    architecture does not write text.
    """
    if base.run is not None and base.under is not None and base.checkpoint is not None:
        exact = dtype if dtype == torch.float64 else torch.float32
        learnt = earlier.head_of(base.run)
        under = learnt if _changes(learnt, head) else head
        found = network(base.under, dtype=exact, device=device, head=under, seed=seed, dropout=None)
        earlier.merge_into(found, base.run, base.checkpoint)
        found.head_is_new = False
        if _changes(learnt, head):
            found = _under_another(found, _from_folder(base, exact, device, head=head, seed=seed))
        found = found.to(dtype).eval()
    elif head.kind == "several":
        found = several.joined({name: _from_folder(base, dtype, device, head=part, seed=seed_for(seed, name))
                                for name, part in head.parts.items()}, head)
    else:
        found = _from_folder(base, dtype, device, head=head, seed=seed)
    added = new_ids(base)
    if added:
        growth.grow(found, added)
    if dropout is not None:
        _drop(found, dropout)
    return found


def _changes(learnt: Head, wanted: Head) -> bool:
    """Whether an earlier run's network is to stand under a head that it did not learn with."""
    return learnt != wanted and not {learnt.kind, wanted.kind} & {"several", "encoder-decoder"}


def _under_another(found: Any, wanted: Any) -> Any:
    """The network of the second, in which that of the first stands under its own head."""
    rows = found.get_input_embeddings().num_embeddings
    if rows != wanted.get_input_embeddings().num_embeddings:
        with torch.random.fork_rng(devices=[]):
            wanted.resize_token_embeddings(rows, mean_resizing=False)
    wanted.base_model.load_state_dict(found.base_model.state_dict(), strict=False)  # a pooler may be missing
    return wanted


def _drop(network: torch.nn.Module, share: float) -> None:
    """Let every layer drop this share, also those that drop by a number of theirs."""
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, share)


def _from_folder(base: Base, dtype: torch.dtype, device: torch.device, *, head: Head, seed: int) -> Any:
    """The network of a base's folder, as it stands there; of a head that the base lacks each weight is drawn."""
    library = transformers()
    register_attention(library)
    kind: Any = layouts.architecture(base) if head.kind == "causal" else heads.architecture(base, head)
    ours = attention.NAME if head.kind != "encoder-decoder" and layouts.takes_our_attention(kind) else None
    with opening(base.folder), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "head"))
        loaded, told = kind.from_pretrained(
            base.folder, dtype=dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True,
            attn_implementation=ours, output_loading_info=True, ignore_mismatched_sizes=head.kind != "causal",
            **heads.configuration(head),
        )
    # a base that was tuned for other labels has a head of another size, which is drawn anew
    lacking = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
    own = heads.own(loaded, every_name=True)
    missing = sorted(lacking - own - heads.pooler(loaded))
    if missing:
        raise Refusal("base.missing_weights", f"{len(missing)} weights are missing, `{missing[0]}` first",
                      str(base.folder), "fetch the base again, whole")
    loaded.config.use_cache = False
    loaded.head_is_new = bool(own & lacking)
    return loaded.eval().to(device)


def register_attention(library: Any) -> None:
    """Make our attention known to transformers under its name. With a mask it is sdpa, whose masks it takes."""
    masks = library.masking_utils
    library.AttentionInterface.register(attention.NAME, _attention)
    masks.AttentionMaskInterface.register(attention.NAME, masks.sdpa_mask)


def _attention(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor | None, **options: Any,
) -> tuple[torch.Tensor, None]:
    if "borders" in options:
        return attention.packed_attention(module, query, key, value, attention_mask, **options)
    if "reading" in options:
        return cached.transformers_attention(module, query, key, value, **options)
    if options.get("softcap") is not None:
        rule = Rule(scale=options["scaling"], softcap=options["softcap"])
        return attention.capped_attention(query, key, value, attention_mask, rule), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    answer: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    return answer


def configuration(base: Base) -> dict[str, Any]:
    """The base's `config.json` as transformers understands it, its older names made new and its defaults written out.

    An earlier run's or an added token's rows are not counted: they come with the weights.
    """
    with opening(base.folder):
        found: dict[str, Any] = transformers().AutoConfig.from_pretrained(
            base.folder, local_files_only=True, trust_remote_code=False).to_dict()
    return found


def generation_stop(base: Base) -> tuple[int, ...]:
    """The ids on which the base's own generation ends, sorted; empty where it names none."""
    for name in ("generation_config.json", "config.json"):
        stop = json_of(base, name).get("eos_token_id")
        if stop is not None:
            return tuple(sorted(stop)) if isinstance(stop, list) else (stop,)
    return ()


def generation_defaults(base: Base) -> Mapping[str, Any]:
    """The sampling settings that the base ships with, those that it names: temperature, top_p, top_k and so on."""
    found = json_of(base, "generation_config.json")
    return {name: found[name] for name in SAMPLING if found.get(name) is not None}


def json_of(base: Base, name: str) -> dict[str, Any]:
    """The content of one of the base's JSON files; empty where it has none."""
    file = base.folder / name
    values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return values
