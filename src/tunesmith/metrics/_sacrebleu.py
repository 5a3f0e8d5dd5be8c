"""What `bleu` and `chrf` share: sacrebleu, which counts, and its signature, without which its values say little."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata, util
from typing import Any

from ..errors import Misuse


def installed() -> bool:
    """Whether sacrebleu is there; it is not imported."""
    return util.find_spec("sacrebleu") is not None


def scorer(kind: str) -> Any:
    """The metric of sacrebleu of that class, with its own defaults. Raises Misuse where it is not installed."""
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise Misuse("metric.not_installed", f"`{kind.lower()}` needs sacrebleu, which is not installed",
                     "evaluation.metric", "pip install 'tunesmith[metrics]'") from error
    return {"BLEU": metrics.BLEU, "CHRF": metrics.CHRF}[kind]()


def counts(scorer: Any, text: str, references: Sequence[str]) -> list[float]:
    """What the scorer adds up over a corpus, of one answer and all that would be right."""
    [found] = scorer._extract_corpus_statistics([text], [[reference] for reference in references])
    return [float(number) for number in found]


def unit(options: str) -> str:
    """The unit with the signature that sacrebleu writes for rows of any number of references."""
    version = metadata.version("sacrebleu") if installed() else "none"
    return f"0 to 100, sacrebleu nrefs:var|case:mixed|{options}|version:{version}"
