"""The folder of a training run: what is written into it, and what must not be lost by that."""

from __future__ import annotations

from pathlib import Path

from pstmo_core.atomic_files import OutputError, check_output, write_text
from pstmo_core.errors import ConfigError, PstmoError
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


def write_settings(config: RunConfig) -> None:
    """Write the settings of a run to its folder."""
    write_text(Path(config.output) / SETTINGS, _WRITTEN + config.to_yaml())


def _was_written(settings: Path) -> bool:
    try:
        text = settings.read_text(encoding="utf-8")
        return text.startswith(_WRITTEN) or text == load_run_config(settings, []).to_yaml()
    except (OSError, UnicodeDecodeError, PstmoError):
        return False


def require_same(config: RunConfig) -> None:
    """Check that the run in the folder can go on with these settings.

    Raises:
        ConfigError: if it has others.
    """
    stored = Path(config.output) / SETTINGS
    if not load_run_config(stored, []).goes_on_as(config):
        raise ConfigError(
            f"{config.output} holds a run of other settings (see {stored}): name another "
            "folder as `output`, or delete that one"
        )
