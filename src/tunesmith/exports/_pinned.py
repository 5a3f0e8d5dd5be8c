"""What a server of ours needs from PyPI, in the versions that stand here: those that the run was proved with."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution

from ..errors import Misuse

NEEDED = ("torch", "transformers", "safetensors", "tokenizers", "pydantic", "ruamel.yaml", "rich", "jinja2", "numpy",
          "fastapi", "prometheus-client", "starlette", "uvicorn")
OF_DEVICES = ("nvidia-", "triton", "cuda-")  # what a torch for graphics cards brings; the image has one for processors


def requirements() -> str:
    """`requirements.txt`: all that is needed, and what that needs, each in one version.

    Raises Misuse for what is not installed.
    """
    found: dict[str, str] = {}
    for name in NEEDED:
        _add(name, found)
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def _add(name: str, found: dict[str, str]) -> None:
    from packaging.utils import canonicalize_name

    canonical = canonicalize_name(name)
    if canonical in found or canonical.startswith(OF_DEVICES):
        return
    try:
        package = distribution(name)
    except PackageNotFoundError as error:
        raise Misuse("export.no_serve", f"an image is told the versions that stand here, and `{name}` is not "
                     "installed", "", "pip install 'tunesmith[serve]'") from error
    found[canonical] = package.version.partition("+")[0]  # `2.13.0+cpu` is found as 2.13.0 in torch's own index
    for each in _wanted(package.requires or ()):
        _add(each, found)


def _wanted(lines: list[str] | tuple[()]) -> Iterator[str]:
    """The packages that are needed on this machine, without extras."""
    from packaging.requirements import Requirement

    for line in lines:
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            yield one.name
