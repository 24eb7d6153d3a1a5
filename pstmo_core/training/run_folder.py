"""The folder of a training run: what is written into it, and what must not be lost by that."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pstmo_core.atomic_files import OutputError, check_output, write_text
from pstmo_core.errors import ConfigError, PstmoError, quoted
from pstmo_core.training.config import RunConfig, load_run_config

SETTINGS, STATE, HISTORY = "run.yaml", "last.pt", "history.json"
BEST, LAST = "best.safetensors", "last.safetensors"
#: First line of the settings, by which they are told from a user's own file.
_WRITTEN = "# Written by `pstmo train`: all settings of this run.\n"


def check_run_folder(config: RunConfig) -> None:
    """Check that a run replaces none of its inputs, and no file that another program made.

    Raises:
        OutputError: if it would.
    """
    folder = Path(config.output)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file, but `output` must name a folder")
    dataset = config.dataset
    inputs = (
        config.mocap, *config.mocap_more, config.mocap_replaced, config.encoder, config.initial,
        config.lifter, dataset.poses, dataset.keypoints, dataset.train, dataset.test,
    )  # fmt: skip
    written = [folder / name for name in (SETTINGS, STATE, HISTORY, BEST, LAST)]
    for path in written:
        check_output(path, [each for each in inputs if each])
    there = [path.name for path in written if path.exists()]
    if there and not _was_written(folder / SETTINGS):
        raise OutputError(
            f"{folder}: holds {', '.join(there)}, which `pstmo train` did not write: name another "
            "folder as `output`"
        )


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make a run's folder and keep other runs out of it; the kernel frees it if this one dies.

    Raises:
        OutputError: if another run writes into it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise OutputError(
            f"{folder}: another training is writing into it: wait for its end, or name another "
            "folder as `output`"
        ) from None
    except OSError:
        pass  # some network file systems lock no folders
    try:
        yield
    finally:
        os.close(descriptor)


def write_settings(config: RunConfig) -> None:
    """Write the settings of a run to its folder."""
    write_text(Path(config.output) / SETTINGS, _WRITTEN + config.to_yaml())


def _was_written(settings: Path) -> bool:
    try:
        text = settings.read_text(encoding="utf-8")
        return text.startswith(_WRITTEN) or text == load_run_config(settings, []).to_yaml()
    except (OSError, UnicodeDecodeError, PstmoError):
        return False


#: What may change while a run is interrupted: where and how fast it goes on, and how long.
_MAY_CHANGE = {
    "output", "device", "threads", "save_every", "log_every", "validation_windows",
    "optimiser.learning_rate", "optimiser.batch", "optimiser.accumulate", "optimiser.steps",
    "optimiser.epochs", "optimiser.epoch_steps", "optimiser.schedule", "optimiser.warmup_steps",
    "optimiser.decay_steps", "optimiser.epoch_decay",
}  # fmt: skip
#: Files of data, which may have moved to another folder.
_DATA = {
    "mocap", "mocap_more", "mocap_replaced", "dataset.poses", "dataset.keypoints", "dataset.train",
    "dataset.test",
}  # fmt: skip
_MOST_SHOWN = 4


def require_same(config: RunConfig) -> None:
    """Check that the run in the folder can go on with these settings.

    Raises:
        ConfigError: if it has others; names them.
    """
    stored = load_run_config(Path(config.output) / SETTINGS, [])
    wrong = list(_differences(dataclasses.asdict(stored), dataclasses.asdict(config)))
    if wrong:
        more = f", and {len(wrong) - _MOST_SHOWN} more" if len(wrong) > _MOST_SHOWN else ""
        raise ConfigError(
            f"{config.output} holds a run of other settings ({', '.join(wrong[:_MOST_SHOWN])}"
            f"{more}): name another folder as `output`, or delete that one"
        )


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Say for each setting that would make another run of it what it was and what it is."""
    for name, before in old.items():
        path, now = f"{above}{name}", new[name]
        if isinstance(before, dict) and isinstance(now, dict):
            yield from _differences(before, now, f"{path}.")
        elif path not in _MAY_CHANGE and _compared(path, before) != _compared(path, now):
            yield f"{path} was {quoted(before)} and is {quoted(now)}"


def _compared(path: str, value: Any) -> Any:
    if path not in _DATA:
        return value
    return Path(value).name if isinstance(value, str) else [Path(each).name for each in value]
