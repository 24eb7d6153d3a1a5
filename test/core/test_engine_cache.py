"""The folder of engines: found by what they depend on, never half written, nobody else's."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import Command

from pstmo_core.runtime.tensorrt.engine_cache import EngineCache, EngineKey, default_folder
from pstmo_core.runtime.tensorrt.engine_files import EngineError, EngineFolderError

KEY = EngineKey("ab" * 32, "tensorrt 10.3.0", "12.6", "8.7", "Orin", "fp16", (1, 1, 8), ("a=1",))
PLAN = b"an engine" * 100
#: A process that needs an engine, builds it until a file `go` is there, and says how it went.
WORKER = f"""
import sys, time
from pathlib import Path
from pstmo_core.runtime.tensorrt.engine_cache import EngineCache, EngineKey
folder, log, go = map(Path, sys.argv[1:])
def build():
    with log.open("a") as file:
        file.write("built ")
    while not go.exists():
        time.sleep(0.05)
    return {PLAN!r}
say = lambda text: print(text, flush=True)
EngineCache(folder).engine({KEY!r}, build, bytes, say, "m.onnx")
"""


class Desk:
    """A cache with everything counted that it asks for and says."""

    def __init__(self, folder: Path) -> None:
        self.cache = EngineCache(folder)
        self.built, self.said = 0, ""

    def build(self) -> bytes:
        self.built += 1
        return PLAN

    def open(self, plan: bytes) -> bytes:
        if plan != PLAN:
            raise EngineError("TensorRT does not take it")
        return plan

    def engine(self, key: EngineKey = KEY) -> bytes:
        lines: list[str] = []
        try:
            return self.cache.engine(key, self.build, self.open, lines.append, "m.onnx")
        finally:
            self.said = "\n".join(lines)

    def file(self, end: str) -> Path:
        return self.cache.folder / f"{KEY.name}{end}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "engines")


def test_an_engine_is_built_once_and_then_loaded(desk: Desk) -> None:
    assert desk.engine() == PLAN and "engine kept as" in desk.said
    assert desk.engine() == PLAN and "engine loaded from" in desk.said
    assert desk.built == 1
    assert desk.cache.folder.stat().st_mode & 0o777 == 0o700
    assert desk.file(".engine").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(EngineKey)])
def test_whatever_an_engine_depends_on_makes_it_another_engine(field: str, desk: Desk) -> None:
    desk.engine()
    other = (1, 1, 4) if field == "profile" else ("b=2",) if field == "settings" else "other"
    desk.engine(dataclasses.replace(KEY, **{field: other}))
    assert desk.built == 2
    assert len(desk.cache.entries()) == 2


def _truncate(desk: Desk) -> None:
    desk.file(".engine").write_bytes(PLAN[:50])


def _flip_a_bit(desk: Desk) -> None:
    desk.file(".engine").write_bytes(bytes([PLAN[0] ^ 1]) + PLAN[1:])


def _empty(desk: Desk) -> None:
    desk.file(".engine").write_bytes(b"")


def _lose_the_sidecar(desk: Desk) -> None:
    desk.file(".json").unlink()


def _spoil_the_sidecar(desk: Desk) -> None:
    desk.file(".json").write_text('{"key": ')


def _come_from(desk: Desk, **parts: str) -> None:
    sidecar = json.loads(desk.file(".json").read_text())
    sidecar["key"].update(parts)
    desk.file(".json").write_text(json.dumps(sidecar))


def _come_from_another_version(desk: Desk) -> None:
    _come_from(desk, tensorrt="tensorrt 8.6.1")


def _come_from_another_gpu(desk: Desk) -> None:
    _come_from(desk, device="Xavier", capability="7.2")


def _be_a_link(desk: Desk) -> None:
    elsewhere = desk.cache.folder.parent / "elsewhere"
    desk.file(".engine").rename(elsewhere)
    desk.file(".engine").symlink_to(elsewhere)


def _be_writable_by_others(desk: Desk) -> None:
    desk.file(".engine").chmod(0o666)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_truncate, "truncated or corrupted"),
        (_flip_a_bit, "truncated or corrupted"),
        (_empty, "truncated or corrupted"),
        (_lose_the_sidecar, "a build was interrupted"),
        (_spoil_the_sidecar, "cannot be read"),
        (_come_from_another_version, r"tensorrt tensorrt 8.6.1 (here tensorrt 10.3.0)"),
        (_come_from_another_gpu, "device Xavier (here Orin)"),
        (_be_a_link, "Too many levels of symbolic links"),
        (_be_writable_by_others, "may be written by others"),
    ],
)
def test_a_spoilt_engine_is_deleted_and_built_again_once(
    spoil: object, reason: str, desk: Desk
) -> None:
    desk.engine()
    assert callable(spoil)
    spoil(desk)
    assert desk.engine() == PLAN
    assert reason in desk.said and "is built again" in desk.said
    assert desk.built == 2
    assert desk.engine() == PLAN and desk.built == 2


def test_an_engine_that_fails_when_opened_is_built_again_once_and_then_given_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.engine()

    def refuse(plan: bytes) -> bytes:
        raise EngineError("None from TensorRT")

    monkeypatch.setattr(desk, "open", refuse)
    with pytest.raises(EngineError, match="None from TensorRT"):
        desk.engine()
    assert desk.built == 2
    assert not desk.file(".engine").exists()  # what failed is not kept


def test_an_engine_of_somebody_else_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.engine()
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    assert desk.engine() == PLAN
    assert desk.built == 2  # for this process alone
    assert "belongs to user" in desk.said and "that of somebody else is not run" in desk.said
    with pytest.raises(EngineFolderError, match="belongs to user"):
        desk.cache.entries()


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_is_refused(mode: int, desk: Desk) -> None:
    desk.cache.folder.mkdir()
    desk.cache.folder.chmod(mode)
    assert desk.engine() == PLAN
    assert "may be written by others" in desk.said
    assert list(desk.cache.folder.iterdir()) == []
    with pytest.raises(EngineFolderError, match="chmod go-w"):
        desk.cache.clear()


def test_where_no_folder_can_be_made_the_engine_is_built_for_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")  # holds for root as well
    desk = Desk(tmp_path / "file" / "engines")
    assert desk.engine() == PLAN
    assert "cannot be kept" in desk.said and "for this process alone" in desk.said


def test_a_full_disk_leaves_the_engine_working_and_nothing_behind(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert desk.engine() == PLAN
    assert "the engine works, but cannot be kept" in desk.said and "No space left" in desk.said
    assert [path.suffix for path in desk.cache.folder.iterdir()] == [".lock"]


def _worker(desk: Desk, log: Path, go: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(desk.cache.folder), str(log), str(go)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def test_of_two_processes_that_need_an_engine_one_builds_and_the_other_loads(
    desk: Desk, tmp_path: Path
) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    first = _worker(desk, log, go)
    _wait_for(log)
    second = _worker(desk, log, go)
    assert second.stdout is not None
    assert "waiting for it" in second.stdout.readline()
    go.touch()
    assert "engine kept as" in first.communicate(timeout=60)[0]
    assert "engine loaded from" in second.communicate(timeout=60)[0]
    assert log.read_text().split() == ["built"]


def test_a_kill_during_a_build_leaves_no_engine_and_no_lock(desk: Desk, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = _worker(desk, log, tmp_path / "never")
    _wait_for(log)
    worker.send_signal(signal.SIGKILL)
    worker.communicate(timeout=60)
    assert desk.engine() == PLAN
    assert desk.built == 1 and "waiting" not in desk.said and "loaded" not in desk.said


@pytest.mark.parametrize("after", ["half the engine", "the engine", "half the sidecar"])
def test_what_a_kill_while_writing_leaves_is_never_loaded(after: str, desk: Desk) -> None:
    desk.engine()
    sidecar = desk.file(".json").read_bytes()
    desk.file(".json").unlink()
    if after == "half the engine":
        desk.file(".engine").rename(desk.file(".engine.partial"))
        desk.file(".engine.partial").write_bytes(PLAN[:50])
    if after == "half the sidecar":
        desk.file(".json.partial").write_bytes(sidecar[:50])
    assert desk.engine() == PLAN
    assert desk.built == 2
    assert not list(desk.cache.folder.glob("*.partial"))


def test_the_folder_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "pstmo" / "engines"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    assert default_folder() == Path.home() / ".cache" / "pstmo" / "engines"


def test_the_command_lists_and_clears_engines(desk: Desk, pstmo: Command) -> None:
    folder = desk.cache.folder
    assert "no engines" in pstmo("engine", "list", "--cache", folder)[1]
    desk.engine()
    _, out, _ = pstmo("engine", "list", "--cache", folder)
    assert "m.onnx, fp16, up to 8 people, tensorrt 10.3.0, CUDA 12.6, Orin" in out
    _spoil_the_sidecar(desk)
    assert "unusable" in pstmo("engine", "list", "--cache", folder)[1]
    code, out, _ = pstmo("engine", "clear", "--cache", folder)
    assert code == 0 and "1 engine" in out
    assert list(folder.iterdir()) == []
    folder.chmod(0o777)
    code, _, error = pstmo("engine", "clear", "--cache", folder)
    assert code == 2 and "may be written by others" in error
