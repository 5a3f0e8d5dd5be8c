"""One training by tunesmith, watched through its own events: reports what the peers' `watch.py` reports.

    python ours.py SETTINGS.json
"""

import json
import resource
import sys
import time
from pathlib import Path

UNTIMED = ("allocator", "build", "ideas", "processor")  # they compute nothing


class Watch:
    """An observer that notes when things happened."""

    def __init__(self, parts):
        self.parts = parts
        self.begun, self.stamps, self.judged, self.losses, self.said = None, [], [], [], []

    def __call__(self, event):
        kind = type(event).__name__
        if kind == "Said":
            self.said.append(event.text)
        if kind == "Said" and not self.stamps:
            self.begun = time.time()  # the last line that is said before the first step
        elif kind == "Judged":
            self.judged.append([event.step, event.loss])
        elif kind == "Stepped":
            if not self.stamps:
                self.parts.clear()  # what the first step took is nobody's rule
            self.stamps.append(time.time())
            self.losses.append(event.loss)


def main():
    wanted = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import tunesmith
    from tunesmith.kernels.allocator import prepare_environment

    prepare_environment()
    parts = timed_kernels() if wanted.get("by_part") else {}
    watch = Watch(parts)
    run = tunesmith.train(tunesmith.load_recipe(Path(wanted["recipe"])), observe=watch)
    timings = [json.loads(line) for line in (run.folder / "timings.jsonl").read_text().splitlines()]
    import torch

    print(json.dumps({
        "begun": watch.begun, "stamps": watch.stamps, "asides": asides(watch, timings), "judged": watch.judged,
        "losses": watch.losses, "threads": torch.get_num_threads(), "said": watch.said,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "tokens": [line["tokens"] for line in timings], "peaks": [line["memory_bytes"] for line in timings],
        "parts": parts,
    }))


def timed_kernels():
    """Every public function of `tunesmith.kernels` replaced by itself with a clock.

    Returns what fills up: for each function its calls, and its seconds without those of timed functions inside it.
    """
    import importlib
    import inspect
    import pkgutil

    from tunesmith import kernels

    parts, inner = {}, [0.0]

    def timed(name, function):
        def call(*arguments, **options):
            began = time.perf_counter()
            inner.append(0.0)
            try:
                return function(*arguments, **options)
            finally:
                seconds = time.perf_counter() - began
                own = seconds - inner.pop()
                inner[-1] += seconds
                calls, total = parts.get(name, (0, 0.0))
                parts[name] = (calls + 1, total + own)

        return call

    for found in pkgutil.iter_modules(kernels.__path__):
        if found.name in UNTIMED:
            continue
        module = importlib.import_module(f"tunesmith.kernels.{found.name}")
        for name, function in list(vars(module).items()):
            plain = inspect.isfunction(function) and not inspect.isgeneratorfunction(inspect.unwrap(function))
            if plain and name[0] != "_" and function.__module__ == module.__name__:
                setattr(module, name, timed(f"{found.name}.{name}", function))
    return parts


def asides(watch, timings):
    """Of each step, the seconds before its stamp in which held-out rows were measured and checkpoints saved.

    No peer saves here, and theirs do not count either while they measure held-out rows.
    """
    aside = {step for step, _ in watch.judged} | {len(watch.stamps)}
    seconds = [line["seconds"] for line in timings]
    before = [watch.stamps[0] - seconds[0], *watch.stamps]
    return [max(0.0, watch.stamps[place] - before[place] - seconds[place]) if place + 1 in aside else 0.0
            for place in range(len(watch.stamps))]


if __name__ == "__main__":
    main()
