"""Who is measured: the program, the environment it lives in, and its settings.

`TRL default` is what one gets without setting anything but the adapter. `best` is its best plain setting: no
recomputation, the number format that is faster here, the loss in chunks (since 1.16 its default), rows of like length
together. Every other contender is `best` with one thing changed, or another program with the settings that made TRL
fast. `same batches` has our very batches; `grouped` ones have the same set of rows, sorted by length in mega-batches.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunesmith.kernels.ideas import NAMES as IDEAS

OURS, TRL, LLAMA_FACTORY, MS_SWIFT = "ours", "trl", "llama_factory", "ms_swift"
HUGE_PAGES = {"THP_MEM_ALLOC_ENABLE": "1"}
FASTER = "faster"  # bfloat16 or float32, whichever torch multiplies faster on this machine


@dataclass(frozen=True, slots=True)
class Contender:
    """One of those that are compared.

    program: a file of `peers/`; home: which environment runs it; options: for the program; environment: variables;
    once: runs in one long round, because it compiles for minutes.
    """

    name: str
    program: str
    home: str
    options: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    once: bool = False


def ours(name: str, without: tuple[str, ...] = ()) -> Contender:
    """Tunesmith, all of it or without some of its ideas. It asks for huge pages by itself."""
    return Contender(name, "ours.py", OURS, environment={"TUNESMITH_WITHOUT": ",".join(without)})


def trl(name: str, environment: Mapping[str, str] | None = None, *, once: bool = False, **options: Any) -> Contender:
    """TRL, at its defaults where no option is given."""
    return Contender(name, "trl_sft.py", TRL, options, environment or {}, once)


PLAIN = {"best": True, "grouped": True, "dtype": FASTER}
CONTENDERS = (
    ours("tunesmith"),
    trl("TRL default"),
    trl("TRL best", **PLAIN),
    trl("TRL best, same batches", best=True, dtype=FASTER),
    trl("TRL best, no padding", best=True, dtype=FASTER, padding_free=True),
    trl("TRL best, huge pages", HUGE_PAGES, **PLAIN),
    trl("TRL best, compiled", once=True, torch_compile=True, **PLAIN),
    trl("TRL best, compiled, huge pages", HUGE_PAGES, once=True, torch_compile=True, **PLAIN),
    trl("TRL best, bfloat16", **{**PLAIN, "dtype": "bfloat16"}),
    trl("TRL best, float32", **{**PLAIN, "dtype": "float32"}),
    Contender("transformers Trainer", "transformers_trainer.py", TRL, PLAIN),
    Contender("LLaMA-Factory", "llama_factory.py", LLAMA_FACTORY, PLAIN),
    Contender("ms-swift", "ms_swift.py", MS_SWIFT, PLAIN),
)
# Of job D: its best is rows of like length together, no dropout, and the number format that is faster here
ENCODING = {"grouped": True, "no_dropout": True}
TRAINER = "transformers_trainer.py"
ENCODERS = (
    ours("tunesmith"),
    Contender("Trainer default", TRAINER, TRL, {"dtype": "float32"}),
    Contender("Trainer best", TRAINER, TRL, {**ENCODING, "dtype": FASTER}),
    Contender("Trainer best, bfloat16", TRAINER, TRL, {**ENCODING, "dtype": "bfloat16"}),
    Contender("Trainer best, huge pages", TRAINER, TRL, {**ENCODING, "dtype": FASTER}, HUGE_PAGES),
)
NOT_BY_DEFAULT = {"TRL best, bfloat16", "TRL best, float32"}  # to see which is faster, once on a new machine

# One idea left out at a time, and the climb: nothing, then one idea more on each rung.
LEFT_OUT = tuple(ours(f"without {idea}", (idea,)) for idea in IDEAS)
CLIMB = (ours("naive", IDEAS), *(ours(f"rung {place + 1}: + {idea}", IDEAS[place + 1:])
                                 for place, idea in enumerate(IDEAS[:-1])))
LADDER = (ours("tunesmith"), *LEFT_OUT, *CLIMB)


def options(contender: Contender, roofs: Mapping[str, float]) -> dict[str, Any]:
    """The program's options, with the number format that torch multiplies faster here. roofs: of `launch.roofs`."""
    faster = "bfloat16" if roofs["torch bfloat16"] > roofs["torch float32"] else "float32"
    return {name: faster if value == FASTER else value for name, value in contender.options.items()}


def named(words: str | None, there: tuple[Contender, ...] = CONTENDERS) -> list[Contender]:
    """Contenders by name or beginning of a name, parted by `;`. None: those that are measured by default.

    Raises ValueError for a name that nobody has.
    """
    if words is None:
        return [each for each in there if each.name not in NOT_BY_DEFAULT]
    found = []
    for word in words.split(";"):
        exact = [each for each in (*there, *LADDER) if each.name == word.strip()]
        near = [each for each in (*there, *LADDER) if each.name.startswith(word.strip())]
        if not exact and not near:
            if any(each.name.startswith(word.strip()) for each in (*CONTENDERS, *ENCODERS)):
                continue  # of another job
            raise ValueError(f"nobody is called `{word.strip()}`; there are: {'; '.join(e.name for e in there)}")
        found += exact[:1] or near
    return list({each.name: each for each in found}.values())
