"""Caches built engines on disk, keyed by all they depend on, written atomically and verified.

Two files an engine: NAME.engine, and NAME.json beside it with all that the engine depends on, in
the clear, and the hash of the engine file. NAME.lock is held while one is looked up or built, so
that of two processes that need the same engine one builds and the other waits and loads. A process
that is killed leaves at most a partial file, which is never read, and no lock. `engine_files`
refuses files that somebody else may have written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pstmo_core.runtime.tensorrt.engine_files import (
    PARTIAL,
    EngineError,
    EngineFolderError,
    locked,
    read_own,
    require_own,
    write_durably,
)

Opened = TypeVar("Opened")
Say = Callable[[str], object]

_ENGINE, _SIDECAR, _LOCK = ".engine", ".json", ".lock"


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
            say: called with a sentence on each thing that happens.
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
        require_own(self.folder, self.folder.lstat())
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
        require_own(self.folder, self.folder.lstat())
        names = {path.name.split(".")[0] for path in self.folder.iterdir() if _is_ours(path)}
        count = 0
        for name in sorted(names):
            with locked(self._path(name, _LOCK), lambda text: None):
                count += self._path(name, _ENGINE).exists()
                for path in self.folder.glob(f"{name}.*"):
                    path.unlink()
        return count

    def _path(self, name: str, end: str) -> Path:
        return self.folder / f"{name}{end}"

    @contextlib.contextmanager
    def _locked(self, key: EngineKey, say: Say) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_own(self.folder, self.folder.lstat())
        with locked(self._path(key.name, _LOCK), say):
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
        plan = read_own(self._path(key.name, _ENGINE))
        try:
            sidecar = json.loads(read_own(self._path(key.name, _SIDECAR)))
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
        write_durably(self._path(key.name, _ENGINE), plan)
        write_durably(self._path(key.name, _SIDECAR), json.dumps(sidecar, indent=1).encode())

    def _drop(self, key: EngineKey) -> None:
        for end in (_SIDECAR, _ENGINE):
            with contextlib.suppress(OSError):
                self._path(key.name, end).unlink()


def _is_ours(path: Path) -> bool:
    return path.suffix in (_ENGINE, _SIDECAR, _LOCK, PARTIAL)


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
        content = json.loads(read_own(sidecar))
        key = content["key"]
        return (
            f"{content['model'] or 'a network'}, {key['precision']}, up to {key['profile'][2]} "
            f"people, {key['tensorrt']}, CUDA {key['cuda']}, {key['device']}"
        )
    except (
        OSError, ValueError, LookupError, TypeError, RecursionError, EngineError
    ) as error:  # fmt: skip
        return f"unusable, will be built again: {error}"
