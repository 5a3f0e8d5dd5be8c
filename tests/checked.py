"""Facts of a check's page, made up: fifteen checks that all say something, and hostile where a test wants it."""

from __future__ import annotations

from judged import HOSTILE
from tunesmith.pages.check import Amount, Check, Checked
from tunesmith.records import Figure, Finding, Looked, Noticed, Seen, Severity

CHECKS = ("answers", "bias", "boilerplate", "contamination", "contradictions", "copies", "html", "labels", "language",
          "lengths", "personal", "repetition", "roles", "splits", "unicode")
TEXTS = (
    "Where is my card?",
    "Kartım hələ də gəlməyib, üç həftədir ki gözləyirəm, nə etməliyəm? " * 4,
    "أين بطاقتي؟ لقد مضى أسبوعان ولم تصل بعد (رقم 12345).",
    "我的卡在哪里？" * 20,
    "A row without an end. " * 460,  # 10,000 letters
    "",
)


def checked(*, labels: int = 50, hostile: bool = False, ok: bool = True) -> Checked:
    """Fifteen checks: an error where `ok` is false, some warnings, some notes, three that found nothing."""

    def said(text: str, number: int) -> str:
        return f"{text} {HOSTILE[number % len(HOSTILE)]}" if hostile else text

    names = tuple(said(f"card_payment_not_recognised_{place}" if place else "", place) for place in range(labels))
    bars = Figure("Labels", "rows", {
        "train": tuple(float(4000 // (place + 1)) for place in range(labels)),
        said("validation", 1): tuple(float(500 // (place + 1)) for place in range(labels)),
        "test": tuple(float(place % 7) for place in range(labels))}, names=names)
    lengths = Figure(
        said("Rows by length", 2), "rows",
        {"train": (12.0, 400.0, 2000.0, 900.0, 40.0, 0.0, 1.0), "test": (0.0, 40.0, 210.0, 95.0, 3.0, 0.0, 0.0)},
        edges=(0.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0), across=said("tokens", 3),
        marks={said("training.max_length", 0): 300.0, "the base's context": 8192.0})
    figures = {"labels": (bars,), "lengths": (lengths,)}

    def looked(place: int, name: str) -> Looked:
        severity: Severity = "error" if not ok and place == 5 else ("warning", "note")[place % 2]
        if place % 5 == 2:
            return Looked((), figures.get(name, ()))
        finding = Finding(
            severity, f"audit.{name}", said(f"{place + 3} rows stand in train and in test too: `{name}`", place),
            said(f"data/cards.csv:{place + 2}", place),
            said("take them out: `tunesmith clean data/cards.csv --output CLEAN.jsonl --steps duplicates`, or set "
                 "`data.too_long: split`", place))
        rows = tuple(Seen(said(f"data/cards.csv:{number + 2}", number), said(TEXTS[number % len(TEXTS)], number))
                     for number in range(8))
        return Looked((Noticed(finding, 38 if place % 3 else 8, rows if place % 4 else ()),), figures.get(name, ()))

    return Checked(
        said("cards.yaml", 0), ok, {"base": said("tiny", 1), "task": "classify", "longest allowed": "512 tokens"},
        {"train": Amount(8000, 8000, 120_000, 8000, 700), "validation": Amount(1000, 1000, 15_000, 1000, 400),
         "test": Amount(0, 0, 0, 0, 0)},
        {"label": 8000}, (Finding("note", "data.format", said("`data.train` holds 8000 rows", 4), "data.train"),),
        tuple(Check(name, said(f"What is looked for by {name}, in one sentence that may be somewhat long.", place),
                    looked(place, name)) for place, name in enumerate(CHECKS)))
