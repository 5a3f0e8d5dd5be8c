"""Faults of a disk for tests: the n-th call that fails or kills, and what a power cut could leave.

Only the `os` functions that our durable writes use are seen, below one folder.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CALLS = ("open", "write", "fsync", "ftruncate", "rename", "replace", "mkdir", "chmod", "unlink", "rmdir")
DIED = -1
PENDING, DRAWN = 12, 500


def start(work: Callable[[], object]) -> tuple[int, int]:
    """(pid, pipe) of a forked child that does `work`; `finished` waits for it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 0
        try:
            said = str(work())
        except BaseException as error:  # noqa: BLE001 - the parent asserts on it
            code, said = 1, f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:60_000])
        os._exit(code)
    os.close(writing)
    return child, reading


def finished(child: int, reading: int) -> tuple[int, str]:
    """(exit code, what its work returned or raised, as text) of a child; DIED where a signal ended it."""
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return (os.WEXITSTATUS(status) if os.WIFEXITED(status) else DIED), said


def in_child(work: Callable[[], object]) -> tuple[int, str]:
    """Do `work` in a forked child, as `finished` tells it."""
    return finished(*start(work))


def damage(path: Path, how: str, draw: random.Random) -> None:
    """Harm a file in a way that disks and people have: `one bit`, `removed`, `cut short` and so on."""
    data = bytearray(path.read_bytes())
    if how == "removed":
        path.unlink()
    elif how == "emptied":
        path.write_bytes(b"")
    elif how == "cut short":
        path.write_bytes(data[: draw.randrange(len(data))])
    elif how == "half zeros":
        path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    elif how == "longer":
        path.write_bytes(data + b"\n")
    else:
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        path.write_bytes(data)


@contextmanager
def replaced(functions: dict[str, Callable[..., object]]) -> Iterator[None]:
    """`os` with other functions for a while."""
    before = {name: getattr(os, name) for name in functions}
    for name, function in functions.items():
        setattr(os, name, function)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(os, name, function)


@dataclass
class Fault:
    """The `at`-th call of a kind in `calls` meets `what`: an errno, `kill`, `half` (a short write) or `half kill`."""

    at: int
    what: int | str
    calls: tuple[str, ...] = CALLS
    count: int = 0
    synced_again: int = 0
    failed: set[int] = field(default_factory=set)
    kept_open: int | None = None

    @property
    def met(self) -> bool:
        """Whether there were so many calls."""
        return self.count >= self.at

    @contextmanager
    def armed(self) -> Iterator[None]:
        """The fault stands while the context lasts."""
        try:
            with replaced({name: self._wrapped(name, getattr(os, name)) for name in CALLS}):
                yield
        finally:
            if self.kept_open is not None:
                os.close(self.kept_open)

    def _wrapped(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            if name == "fsync" and os.fstat(arguments[0]).st_ino in self.failed:
                self.synced_again += 1
            if name not in self.calls:
                return real(*arguments, **options)
            self.count += 1
            if self.count != self.at:
                return real(*arguments, **options)
            if isinstance(self.what, str) and "half" in self.what:
                if name != "write":
                    return real(*arguments, **options)
                data = bytes(arguments[1])
                written = real(arguments[0], data[: max(len(data) // 2, 1)])
                if "kill" not in self.what:
                    return written
            if isinstance(self.what, str):
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "fsync":
                self.failed.add(os.fstat(arguments[0]).st_ino)
                self.kept_open = os.dup(arguments[0])  # so that no new file gets its inode number
            raise OSError(self.what, os.strerror(self.what))

        return call


@dataclass
class Operation:
    """One thing asked of the disk. `durable_by`: the inode whose fsync makes it last."""

    apply: Callable[[PowerCut], None]
    lost: Callable[[PowerCut], None]
    durable_by: int


class PowerCut:
    """What stood on a disk: inodes, being bytes or {name: inode}; the root is 0."""

    def __init__(self, inodes: dict[int, bytearray | dict[str, int]]) -> None:
        self.inodes = {
            number: (bytearray(thing) if isinstance(thing, bytearray) else dict(thing))
            for number, thing in inodes.items()
        }

    def put(self, number: int, offset: int, data: bytes) -> None:
        file = self.inodes.setdefault(number, bytearray())
        assert isinstance(file, bytearray)
        file.extend(bytes(max(offset + len(data) - len(file), 0)))
        file[offset: offset + len(data)] = data

    def resize(self, number: int, length: int) -> None:
        file = self.inodes.setdefault(number, bytearray())
        assert isinstance(file, bytearray)
        file.extend(bytes(max(length - len(file), 0)))
        del file[length:]

    def entries(self, number: int) -> dict[str, int]:
        found = self.inodes.setdefault(number, {})
        assert isinstance(found, dict)
        return found

    def content(self, number: int = 0) -> object:
        """All that can be reached, as something to compare."""
        thing = self.inodes.get(number, bytearray())
        if isinstance(thing, bytearray):
            return bytes(thing)
        return tuple((name, self.content(inside)) for name, inside in sorted(thing.items()))

    def build(self, folder: Path, number: int = 0) -> None:
        """Make real what stood."""
        folder.mkdir(parents=True)
        for name, inside in self.entries(number).items():
            thing = self.inodes.get(inside, bytearray())
            if isinstance(thing, dict):
                self.build(folder / name, inside)
            else:
                (folder / name).write_bytes(thing)


class Recorder:
    """Records what is asked of the disk below `root`, and tells what a power cut after any of it could leave."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.operations: list[Operation | int] = []  # an int: the fsync of that inode
        self._numbers = itertools.count(1)
        self._paths: dict[Path, int] = {root: 0}
        self._descriptors: dict[int, int] = {}
        self._offsets: dict[int, int] = {}
        self._kinds: dict[int, bool] = {0: True}
        first: dict[int, bytearray | dict[str, int]] = {0: {}}
        for path in sorted(root.rglob("*")):
            number = self._paths[path] = next(self._numbers)
            first[number] = {} if path.is_dir() else bytearray(path.read_bytes())
            first[self._paths[path.parent]][path.name] = number  # type: ignore[index]
        self.first = PowerCut(first)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Everything asked while the context lasts is recorded, and done."""
        with replaced({name: getattr(self, f"_{name}")(getattr(os, name)) for name in CALLS if name != "chmod"}):
            yield

    def states(self, at: int, seed: int) -> Iterator[PowerCut]:
        """What the disk could hold after the first `at` operations, each state once.

        Of up to `PENDING` pending operations all subsets are lost, of more than that `DRAWN` drawn ones; what is lost
        of a write is either not there or zeros.
        """
        done = self.operations[:at]
        synced = [(place, what) for place, what in enumerate(done) if isinstance(what, int)]
        waiting = [
            place for place, what in enumerate(done)
            if isinstance(what, Operation) and not any(later > place and what.durable_by == by for later, by in synced)
        ]
        seen = set()
        for kept, zeros in itertools.product(_subsets(waiting, f"{seed} {at}"), (True, False)):
            disk = PowerCut(self.first.inodes)
            for place, what in enumerate(done):
                if isinstance(what, Operation) and (place not in waiting or place in kept):
                    what.apply(disk)
                elif isinstance(what, Operation) and zeros:
                    what.lost(disk)
            if (content := disk.content()) not in seen:
                seen.add(content)
                yield disk

    def _at(self, path: object, dir_fd: int | None = None) -> Path:
        if dir_fd is None:
            return Path(os.fspath(path))  # type: ignore[arg-type]
        number = self._descriptors[dir_fd]
        return next(p for p, n in self._paths.items() if n == number) / str(path)

    def _entry(self, path: Path, change: Callable[[dict[str, int]], None]) -> None:
        folder = self._paths[path.parent]
        self.operations.append(Operation(lambda d: change(d.entries(folder)), lambda d: None, folder))

    def _new(self, path: Path, folder: bool) -> int:
        number = self._paths[path] = next(self._numbers)
        self._entry(path, lambda entries: entries.update({path.name: number}))
        self.operations[-1].apply = _both(  # type: ignore[union-attr]
            self.operations[-1].apply,  # type: ignore[union-attr]
            lambda d: d.inodes.setdefault(number, {} if folder else bytearray()))
        return number

    def _open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path: object, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
            place = self._at(path, dir_fd)
            descriptor = real(path, flags, mode, dir_fd=dir_fd)
            if place.is_relative_to(self.root):
                self._descriptors[descriptor] = self._paths[place] if place in self._paths else self._new(place, False)
                self._offsets[descriptor] = os.fstat(descriptor).st_size if flags & os.O_APPEND else 0
            return descriptor
        return call

    def _write(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(descriptor: int, data: bytes) -> int:
            written = real(descriptor, data)
            number, offset, kept = self._descriptors[descriptor], self._offsets[descriptor], bytes(data)[:written]
            self._offsets[descriptor] += written
            self.operations.append(Operation(
                lambda d: d.put(number, offset, kept), lambda d: d.put(number, offset, bytes(len(kept))), number))
            return written
        return call

    def _ftruncate(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(descriptor: int, length: int) -> None:
            real(descriptor, length)
            number = self._descriptors[descriptor]
            self.operations.append(Operation(lambda d: d.resize(number, length), lambda d: None, number))
        return call

    def _fsync(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(descriptor: int) -> None:
            real(descriptor)
            inode = os.fstat(descriptor).st_ino
            self.operations.extend(number for path, number in self._paths.items() if path.lstat().st_ino == inode)
        return call

    def _mkdir(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: object, mode: int = 0o777) -> None:
            real(path, mode)
            self._new(Path(os.fspath(path)), True)  # type: ignore[arg-type]
        return call

    def _rename(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(source: object, target: object) -> None:
            real(source, target)
            old, new = self._at(source), self._at(target)
            number = self._paths[old]
            assert old.parent == new.parent, "a rename between folders is not modelled"

            def rename(entries: dict[str, int]) -> None:
                entries.pop(old.name, None)
                entries[new.name] = number

            self._entry(old, rename)
            self._paths.pop(new, None)
            for path in [p for p in self._paths if p.is_relative_to(old)]:
                self._paths[new / path.relative_to(old)] = self._paths.pop(path)
        return call

    _replace = _rename

    def _unlink(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: object, *, dir_fd: int | None = None) -> None:
            place = self._at(path, dir_fd)
            real(path, dir_fd=dir_fd)
            self._entry(place, lambda entries: entries.pop(place.name, None) and None)
            self._paths.pop(place)
        return call

    _rmdir = _unlink


def _both(first: Callable[[PowerCut], None], second: Callable[[PowerCut], object]) -> Callable[[PowerCut], None]:
    def call(disk: PowerCut) -> None:
        first(disk)
        second(disk)
    return call


def _subsets(waiting: list[int], seed: str) -> Iterator[set[int]]:
    if len(waiting) <= PENDING:
        for count in range(len(waiting) + 1):
            yield from map(set, itertools.combinations(waiting, count))
        return
    yield from (set(), set(waiting))
    draw = random.Random(seed)
    yield from ({place for place in waiting if draw.random() < 0.5} for _ in range(DRAWN - 2))
