"""Built engines on disk: found by everything they depend on, never half written, never trusted.

An engine file is code that the GPU runs, and reading one makes TensorRT run code too. So a folder
or file that belongs to somebody else, or that somebody else may write, is refused.

Two files an engine: NAME.engine, and NAME.json beside it with all that the engine depends on, in
the clear, and the hash of the engine file. NAME.lock is held while one is looked up or built, so
that of two processes that need the same engine one builds and the other waits and loads. A process
that is killed leaves at most a partial file, which is never read, and no lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pstmo_core.errors import PstmoError

Opened = TypeVar("Opened")
Say = Callable[[str], object]

_ENGINE, _SIDECAR, _LOCK, _PARTIAL = ".engine", ".json", ".lock", ".partial"


class EngineError(PstmoError):
    """An engine that cannot be built, read or trusted, with the reason."""


class EngineFolderError(EngineError):
    """A folder or file of engines that somebody else might have written."""


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on; one bit of difference is another engine."""

    onnx_sha256: str
    tensorrt: str
    """Module and version, say `tensorrt 10.3.0`."""
    cuda: str
    """CUDA version of the driver."""
    capability: str
    """Compute capability of the device."""
    device: str
    """Name of the device: tactics are timed on it."""
    precision: str
    profile: tuple[int, int, int]
    """Fewest, usual and most people in a batch."""
    settings: tuple[str, ...]
    """Of the builder, as `name=value`."""

    @property
    def name(self) -> str:
        """The files' name without its end."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class EngineEntry:
    """A line of `pstmo engine list`."""

    name: str
    size: int
    """Bytes of the engine file."""
    description: str


def default_folder() -> Path:
    """Return the folder for engines under XDG's cache folder, ~/.cache/pstmo/engines usually."""
    cache = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(cache) if Path(cache).is_absolute() else Path.home() / ".cache"
    return root / "pstmo" / "engines"


class EngineCache:
    """The folder of built engines. Safe for several threads and processes."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def engine(
        self,
        key: EngineKey,
        build: Callable[[], bytes],
        open_engine: Callable[[bytes], Opened],
        say: Say,
        model: str = "",
    ) -> Opened:
        """Open the engine of a key, building it where none is kept or the kept one is no good.

        Args:
            key: what the engine depends on.
            build: builds the engine file's bytes; raises `EngineError`.
            open_engine: makes a running engine of the bytes and checks what it computes; raises
                `EngineError`. Only an engine that passed is kept.
            say: is told what happens, a sentence each.
            model: name of the network, for `entries`.

        Raises:
            EngineError: if a freshly built engine cannot be built or opened either.
        """
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._locked(key, say))
            except (OSError, EngineFolderError) as error:
                say(
                    f"engines cannot be kept in {self.folder} ({error}): "
                    "this one is built for this process alone"
                )
                return open_engine(build())
            opened = self._open_kept(key, open_engine, say)
            if opened is not None:
                return opened
            plan = build()
            opened = open_engine(plan)
            try:
                self._keep(key, plan, model)
                say(f"engine kept as {self._path(key.name, _ENGINE)}")
            except OSError as error:
                say(f"the engine works, but cannot be kept in {self.folder} ({error})")
            return opened

    def entries(self) -> list[EngineEntry]:
        """List what is kept, including what is broken.

        Raises:
            EngineFolderError: if the folder is not this user's alone.
        """
        if not self.folder.exists():
            return []
        _require_own(self.folder, self.folder.lstat())
        return [
            EngineEntry(path.stem, path.stat().st_size, _describe(path.with_suffix(_SIDECAR)))
            for path in sorted(self.folder.glob(f"*{_ENGINE}"))
        ]

    def clear(self) -> int:
        """Delete all engines and what killed builds left; return how many engines there were.

        An engine that is being built meanwhile is waited for.

        Raises:
            EngineFolderError: if the folder is not this user's alone.
        """
        if not self.folder.exists():
            return 0
        _require_own(self.folder, self.folder.lstat())
        names = {path.name.split(".")[0] for path in self.folder.iterdir() if _is_ours(path)}
        count = 0
        for name in sorted(names):
            with _lock(self._path(name, _LOCK), lambda text: None):
                count += self._path(name, _ENGINE).exists()
                for path in self.folder.glob(f"{name}.*"):
                    path.unlink()
        return count

    def _path(self, name: str, end: str) -> Path:
        return self.folder / f"{name}{end}"

    @contextlib.contextmanager
    def _locked(self, key: EngineKey, say: Say) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_own(self.folder, self.folder.lstat())
        with _lock(self._path(key.name, _LOCK), say):
            yield

    def _open_kept(
        self, key: EngineKey, open_engine: Callable[[bytes], Opened], say: Say
    ) -> Opened | None:
        path = self._path(key.name, _ENGINE)
        try:
            opened = open_engine(self._read(key))
        except FileNotFoundError:
            return None
        except (EngineError, OSError) as error:
            say(f"{path} is not used and is built again: {error}")
            self._drop(key)
            return None
        say(f"engine loaded from {path}")
        return opened

    def _read(self, key: EngineKey) -> bytes:
        """Read an engine file that is this user's and is what its sidecar says."""
        plan = _read_own(self._path(key.name, _ENGINE))
        try:
            sidecar = json.loads(_read_own(self._path(key.name, _SIDECAR)))
            written_for, digest = sidecar["key"], sidecar["plan_sha256"]
        except FileNotFoundError as error:
            raise EngineError("its description is missing, a build was interrupted") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise EngineError("its description cannot be read") from error
        wanted = _plain(key)
        if written_for != wanted:
            raise EngineError(f"it was built for {_difference(written_for, wanted)}")
        if hashlib.sha256(plan).hexdigest() != digest:
            raise EngineError("it is truncated or corrupted, its hash differs from the kept one")
        return plan

    def _keep(self, key: EngineKey, plan: bytes, model: str) -> None:
        """Write engine, then sidecar: an engine without its sidecar is never loaded."""
        sidecar = {
            "model": model,
            "key": _plain(key),
            "plan_sha256": hashlib.sha256(plan).hexdigest(),
        }
        _write(self._path(key.name, _ENGINE), plan)
        _write(self._path(key.name, _SIDECAR), json.dumps(sidecar, indent=1).encode())

    def _drop(self, key: EngineKey) -> None:
        for end in (_SIDECAR, _ENGINE):
            with contextlib.suppress(OSError):
                self._path(key.name, end).unlink()


@contextlib.contextmanager
def _lock(path: Path, say: Say) -> Iterator[None]:
    """Hold a lock that the kernel drops when its holder dies."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another process or thread works on this engine: waiting for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Tell whether the file that is locked is the one that others find: `clear` deletes it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read_own(path: Path) -> bytes:
    """Read a file if it is this user's alone, judged and read through one descriptor."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as file:
        _require_own(path, os.fstat(file.fileno()))
        return file.read()


def _require_own(path: Path, status: os.stat_result) -> None:
    if not (stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)):
        raise EngineFolderError(f"{path} is neither a folder nor a file, but a link or a device")
    if status.st_uid != os.geteuid():
        raise EngineFolderError(
            f"{path} belongs to user {status.st_uid}, this program runs as user {os.geteuid()}; "
            "an engine is code, and that of somebody else is not run"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise EngineFolderError(
            f"{path} may be written by others; an engine is code: chmod go-w it, or delete it"
        )


def _write(path: Path, data: bytes) -> None:
    """Write a file atomically, also across a loss of power."""
    partial = path.with_name(path.name + _PARTIAL)
    partial.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_ours(path: Path) -> bool:
    return path.suffix in (_ENGINE, _SIDECAR, _LOCK, _PARTIAL)


def _plain(key: EngineKey) -> dict[str, object]:
    """Return a key as JSON gives it back."""
    plain: dict[str, object] = json.loads(json.dumps(dataclasses.asdict(key)))
    return plain


def _difference(written: object, wanted: dict[str, object]) -> str:
    if not isinstance(written, dict):
        return "something unknown"
    return ", ".join(
        f"{name} {written.get(name)} (here {value})"
        for name, value in wanted.items()
        if written.get(name) != value
    )


def _describe(sidecar: Path) -> str:
    try:
        content = json.loads(_read_own(sidecar))
        key = content["key"]
        return (
            f"{content['model'] or 'a network'}, {key['precision']}, up to {key['profile'][2]} "
            f"people, {key['tensorrt']}, CUDA {key['cuda']}, {key['device']}"
        )
    except (
        OSError, ValueError, LookupError, TypeError, RecursionError, EngineError
    ) as error:  # fmt: skip
        return f"unusable, will be built again: {error}"
