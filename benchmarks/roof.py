"""The matrix roof: the most floating-point operations a second that a product sustains on this machine, now.

    python roof.py [SECONDS]

Prints one line of JSON with GFLOP/s of torch's products in bfloat16 and float32, and of tunesmith's own in bfloat16.
Each is the best of a few shapes, among them the model's own, and of each shape the median over SECONDS (default 1).
"""

import json
import statistics
import sys
import time
from collections.abc import Callable

SHAPES = ((1800, 1536, 576), (1800, 576, 1536), (1800, 576, 576), (2048, 2048, 2048))  # rows, out, in


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    from tunesmith.kernels.allocator import prepare_environment

    prepare_environment()
    import torch

    from tunesmith.kernels import products

    def by_torch(dtype: torch.dtype) -> float:
        def made(rows: int, out: int, into: int) -> Callable[[], object]:
            x, weight = torch.randn(rows, into).to(dtype), torch.randn(out, into).to(dtype)
            answer = torch.empty(rows, out, dtype=dtype)
            return lambda: torch.mm(x, weight.t(), out=answer)

        return best(made, seconds)

    def by_us(rows: int, out: int, into: int) -> Callable[[], object]:
        x, weight = torch.randn(rows, into).bfloat16(), torch.randn(out, into).bfloat16()
        answer, matrix = torch.empty(rows, out, dtype=torch.bfloat16), products.Matrix(weight, frozen=True)
        return lambda: products.multiply(x, matrix, answer)

    print(json.dumps({
        "torch bfloat16": by_torch(torch.bfloat16), "torch float32": by_torch(torch.float32),
        "tunesmith bfloat16": best(by_us, seconds),
    }))


def best(made: Callable[[int, int, int], Callable[[], object]], seconds: float) -> float:
    """GFLOP/s of the fastest shape."""
    return max(sustained(made(*shape), 2.0 * shape[0] * shape[1] * shape[2], seconds) for shape in SHAPES) / 1e9


def sustained(product: Callable[[], object], operations: float, seconds: float) -> float:
    """Operations a second: the median of the calls that fit into the time."""
    for _ in range(3):
        product()
    found: list[float] = []
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        before = time.perf_counter()
        product()
        found.append(operations / (time.perf_counter() - before))
    return statistics.median(found)


if __name__ == "__main__":
    main()
