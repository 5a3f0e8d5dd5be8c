"""Many tensors stepped in one pass, against torch's own optimiser."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tunesmith.kernels import adamw as kernel
from tunesmith.training.optimisers import adamw

SHAPES = [(3, 5), (40,), (1,), (70, 300), (2, 16)]
SETTINGS = adamw.Settings(weight_decay=0.1, beta2=0.98)


@pytest.fixture(autouse=True, params=["native", "torch"])
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_WITHOUT", "native" if request.param == "torch" else "")


def made(dtype: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in SHAPES]


def gradients(step: int, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(shape, generator=generator, dtype=dtype) * 10.0**-step for shape in SHAPES]


def built(parameters: list[torch.nn.Parameter], copies: list[torch.Tensor]) -> Any:
    group = {"params": parameters, "copies": copies, "scale": 2.0, "decay": True}
    return adamw.build([group], 0.01, SETTINGS)


def run(optimiser: Any, parameters: list[torch.nn.Parameter], steps: range, scale: float = 1.0) -> None:
    for step in steps:
        for parameter, gradient in zip(parameters, gradients(step, parameters[0].dtype), strict=True):
            parameter.grad = gradient
        if step == 2:  # one that a step does not reach is left alone, and counts its own steps
            parameters[1].grad = None
        for group in optimiser.param_groups:
            group["gradient_scale"] = scale
        optimiser.step()


@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_steps_equal_torchs_own_on_gradients_times_the_scale(dtype: torch.dtype, rounding: float) -> None:
    expected, found = made(dtype), made(dtype)
    own = torch.optim.AdamW(expected, lr=0.02, betas=(0.9, 0.98), weight_decay=0.1)
    for step in range(5):
        for parameter, gradient in zip(expected, gradients(step, dtype), strict=True):
            parameter.grad = gradient * 0.25
        if step == 2:
            expected[1].grad = None
        own.step()
    optimiser = built(found, [])
    run(optimiser, found, range(5), scale=0.25)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=rounding, atol=rounding)
        for name, kept in own.state[other].items():
            torch.testing.assert_close(optimiser.state[one][name], kept, rtol=rounding * 5, atol=1e-12)


def test_copies_hold_the_new_numbers_rounded_and_say_that_they_changed() -> None:
    parameters = made()
    copies = [torch.zeros_like(parameter, dtype=torch.bfloat16) for parameter in parameters]
    versions = [copy._version for copy in copies]
    run(built(parameters, copies), parameters, range(1))
    for parameter, copy, version in zip(parameters, copies, versions, strict=True):
        assert torch.equal(copy, parameter.bfloat16())
        assert copy._version > version


def test_a_state_laid_into_another_optimiser_goes_on_bit_for_bit() -> None:
    whole, parts = made(), made()
    run(built(whole, []), whole, range(4))
    first = built(parts, [])
    run(first, parts, range(2))
    copied = [torch.nn.Parameter(parameter.detach().clone()) for parameter in parts]
    second = built(copied, [])
    for old, new in zip(parts, copied, strict=True):
        second.state[new] = {name: kept.clone() for name, kept in first.state[old].items()}
    run(second, copied, range(2, 4))
    assert all(torch.equal(one, other) for one, other in zip(whole, copied, strict=True))


def test_the_number_of_threads_changes_no_bit() -> None:
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            parameters = made()
            run(built(parameters, []), parameters, range(2))
            found.append((kernel.length(gradients(0)), [parameter.detach() for parameter in parameters]))
    finally:
        torch.set_num_threads(threads)
    assert found[0][0] == found[1][0]
    assert all(torch.equal(one, other) for one, other in zip(found[0][1], found[1][1], strict=True))


def test_the_length_is_that_of_all_numbers_together() -> None:
    given = gradients(0)
    expected = torch.cat([each.double().flatten() for each in given]).norm()
    torch.testing.assert_close(kernel.length(given).double(), expected, rtol=1e-6, atol=0)
    given[3][5, 7] = torch.nan
    assert kernel.length(given).isnan()
