"""One text for another, by an encoder-decoder: translations, summaries, any input and its output.

The source is read both ways, the target is learnt token by token. Source: Sutskever, Vinyals, Le 2014, "Sequence to
sequence learning with neural networks"; Raffel et al. 2020, "Exploring the limits of transfer learning with a unified
text-to-text transformer".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from ..contracts import Given, Model
from ..encoding.batches.packing import batches, unchanged
from ..encoding.documents import source_target
from ..encoding.documents.source_target import Texts
from ..encoding.proofs.source_target import proof
from ..encoding.tokens.codec import Codec
from ..errors import Misuse
from ..generation.beams import Asked, Search, generate
from ..losses.likelihood import negative_log_likelihood
from ..metrics import _sacrebleu, bleu, chrf, exact_match, perplexity, rouge_l
from ..metrics import loss as loss_metric
from ..models.heads import encoder_decoder as head
from ..models.heads import no_baselines as baselines
from ..records import Batch, Document, Example, Finding, Head, Loss, Pair, Prediction

__all__ = [
    "Settings", "baselines", "batches", "cut", "encode", "generates", "head", "loss", "metrics", "predict", "prepare",
    "proof", "takes",
]

takes: Final = (Pair,)
cut: Final = "between examples"
generates: Final = True
metrics: Final = (loss_metric, perplexity, exact_match, rouge_l, *((bleu, chrf) if _sacrebleu.installed() else ()))
prepare = unchanged
LANGUAGE: Final = "{language}"


class Settings(BaseModel):
    """What the model is told of a source, and how answers are sought."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)

    prefix: str = ""
    """Text put before every source. T5 was taught its tasks by such words: try `"summarize: "`, with the blank.

    `{language}` in it stands for the language of the target: `"translate English to {language}: "`.
    """
    source_language: str = ""
    """The language of the sources, by the tokenizer's own control token: `eng_Latn` (NLLB), `en_XX` (mBART).

    Empty: as the tokenizer has it. Only for bases whose tokenizer marks languages.
    """
    target_language: str = ""
    """The language of the answers, likewise; a row that names its own goes before it.

    Bases whose tokenizer marks languages need it: it is what the decoder is made to begin with.
    """
    beams: int = Field(default=1, ge=1, le=64)
    """How many beginnings of an answer are followed at once. 1 takes the likeliest token each time; try 4 or 5."""
    length_penalty: float = Field(default=1.0, ge=-10, le=10)
    """Of several beams: above 1 favours long answers, below 1 short ones. Try 0.6 to 2."""


def encode(
    examples: Sequence[Example], codec: Codec, settings: Settings, head: Head
) -> Iterator[tuple[Sequence[Document], Sequence[Finding]]]:
    """Of each example one document: its source, and its target, which is learnt."""
    marked = _marked(codec, settings)
    wrong = [_language_finding(example, codec, settings, marked) for example in examples]
    refused = [each is not None and each.severity == "error" for each in wrong]
    made = iter(source_target.documents(
        [_texts(example, settings, marked) for example, no in zip(examples, refused, strict=True) if not no], codec))
    for no, finding in zip(refused, wrong, strict=True):
        yield [] if no else [next(made)], [finding] if finding else []


def _marked(codec: Codec, settings: Settings) -> bool:
    """Whether the tokenizer marks the language of a text.

    Raises Misuse for languages of the recipe that it does not know, or that nothing tells to the model.
    """
    marked = source_target.marks_languages(codec)
    for option, language, told in (("source_language", settings.source_language, False),
                                   ("target_language", settings.target_language, LANGUAGE in settings.prefix)):
        if language and marked:
            source_target.token_of(language, codec, f"task.{option}")
        elif language and not told:
            raise Misuse("task.language", "this base's tokenizer marks no language in a text", f"task.{option}",
                         f"leave it out, and tell the model in `task.prefix` what to do: `{LANGUAGE}` in it stands for "
                         "`task.target_language`")
    return marked


def _language_finding(example: Example, codec: Codec, settings: Settings, marked: bool) -> Finding | None:
    """What is wrong with the language of a row's answer."""
    assert isinstance(example, Pair)
    if not marked:
        if not example.language or LANGUAGE in settings.prefix:
            return None
        return Finding("warning", "row.language", "rows name the language of their answers, and nothing tells it to the"
                       " model", "task.prefix", f"put `{LANGUAGE}` into `task.prefix`")
    language = example.language or settings.target_language
    if language in codec.control:
        return None
    told = f"there is no control token `{language}`" if language else "nothing says in which language the answer is"
    return Finding("error", "row.language", told, example.where, "set `task.target_language`, or in the row "
                   "`target_language`, to the tokenizer's own name for it, such as `eng_Latn` or `en_XX`")


def _texts(example: Example, settings: Settings, marked: bool) -> Texts:
    """What stands on both sides, and in which languages."""
    assert isinstance(example, Pair)
    language = example.language or settings.target_language
    source = settings.prefix.replace(LANGUAGE, language) + example.prompt
    return Texts(source, example.answer, *((settings.source_language, language) if marked else ()))


def loss(model: Model, batch: Batch, settings: Settings) -> Loss:
    """Negative log-likelihood of the target's tokens, one term an example."""
    return negative_log_likelihood(model.log_probabilities(batch), batch)


def predict(
    model: Model, examples: Sequence[Example], settings: Settings, *, given: Given, max_new_tokens: int,
    batch_size: int,
) -> Iterator[Prediction]:
    """What the model writes for each source, those of one batch together, the longest first.

    A source longer than a document of the run may be is cut. One in a language that is not known has no prediction.
    """
    codec: Codec = given.codec
    marked = _marked(codec, settings)
    wrong = [_language_finding(example, codec, settings, marked) for example in examples]
    places = [place for place, each in enumerate(wrong) if each is None or each.severity != "error"]
    texts = [_texts(examples[place], settings, marked) for place in places]
    frames = {language: source_target.opening(language, codec)
              for language in {each.target_language for each in texts}}
    whole = source_target.asked(texts, codec)
    asked = [Asked(source_target.fitted(ids, codec.longest), *frames[each.target_language])
             for each, ids in zip(texts, whole, strict=True)]
    search = Search(max_new_tokens, settings.beams, settings.length_penalty)
    for index, answer in generate(model, codec, asked, search, batch_size=batch_size):
        pair = examples[places[index]]
        assert isinstance(pair, Pair)
        yield Prediction(
            example=places[index],
            prompt=pair.prompt,
            text=answer.text,
            reference=pair.answer,
            stopped_by=answer.stopped_by,
            tokens=answer.tokens,
            unread=max(0, len(whole[index]) - codec.longest),
        )
