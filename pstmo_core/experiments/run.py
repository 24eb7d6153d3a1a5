"""Running a row of an experiment: stage I, stage II, the refine module, the measurements.

The folder of a training run is named by a digest of its settings, so that rows and tables that need
the same run share it. Finished runs are not repeated, and interrupted runs resume.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pstmo_core.atomic_files import write_text
from pstmo_core.errors import PstmoError
from pstmo_core.experiments.catalogue import Experiment, Row
from pstmo_core.experiments.measure import measure_network
from pstmo_core.training.config import RunConfig
from pstmo_core.training.engine import Trainer

#: Settings that the result of a run does not depend on, or that name other runs and folders.
_INCIDENTAL = (
    "output", "encoder", "lifter", "device", "threads", "save_every", "validation_windows",
    "log_every",
)  # fmt: skip
_FILES = {"h36m": ("poses", "keypoints"), "mpi_inf_3dhp": ("train", "test")}


@dataclass(frozen=True)
class Folders:
    """Where the data are and where results go."""

    output: Path = Path("runs/experiments")
    mocap: Path | None = None
    """The motion-capture file; None: as the configuration says."""
    data: Path = Path()
    """Folder of the licensed data sets' files, under their usual names."""
    real: Path | None = None
    """Folder of recordings of real people, see `pstmo_core.bench.real_recordings`."""
    overrides: list[str] = field(default_factory=list)
    """Changes of every training's settings, such as `optimiser.steps=100`."""

    def located(self, config: RunConfig) -> RunConfig:
        """Return a configuration with the paths of its data files."""
        names = _FILES.get(config.dataset.kind, ())
        paths: dict[str, Any] = {
            name: str(self.data / getattr(config.dataset, name)) for name in names
        }
        return dataclasses.replace(
            config,
            mocap=str(self.mocap or config.mocap),
            dataset=dataclasses.replace(config.dataset, **paths),
        )

    def absent(self, experiment: Experiment, row: Row) -> list[str]:
        """Say which data of a row are not there."""
        config = self.located(experiment.lifting(row, self.overrides))
        names = _FILES.get(config.dataset.kind)
        motion = [config.mocap, *config.mocap_more, *filter(None, [config.mocap_replaced])]
        paths = [getattr(config.dataset, name) for name in names] if names else motion
        absent = [str(path) for path in paths if not Path(path).is_file()]
        if self.real is None and any(c.real for c in experiment.measuring.conditions.values()):
            absent.append("recordings of real people (--real FOLDER)")
        return absent

    def result(self, experiment: Experiment, row: Row, seed: int) -> Path:
        """Return where the result of a row and seed lies."""
        folder = re.sub(r"[^a-z0-9]+", "-", row.name.lower()).strip("-")
        return self.output / "results" / experiment.name / folder / f"seed{seed}.json"


@dataclass(frozen=True)
class _TrainingRun:
    """One training run and the digest of everything that its outcome depends on."""

    config: RunConfig
    key: str

    @property
    def weights(self) -> Path:
        return Path(self.config.output) / "best.safetensors"

    def finish(self) -> None:
        """Train, unless that was done."""
        done = Path(self.config.output) / "finished"
        if not done.exists():
            Trainer(self.config).run()
            done.touch()


def run_experiment(
    experiment: Experiment,
    folders: Folders,
    rows: list[Row],
    seeds: int,
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Run rows of an experiment, as far as their results are missing.

    Args:
        experiment: the table.
        folders: where data and results are.
        rows: which of its rows.
        seeds: how often each, from the seeds 1, 2, ...
        say: called with what is being done.

    Raises:
        PstmoError: if data are absent or a setting cannot be used.
    """
    for row in rows:
        if absent := folders.absent(experiment, row):
            raise PstmoError(
                f"{experiment.name}, {row.name}: not run, data absent: "
                f"{', '.join(absent)}; name the files' folder as --data, or the motion "
                "capture as --mocap and mocap_more=[FILE] (docs/data.md)"
            )
    for seed in range(1, seeds + 1):  # a table of all rows first, its spread later
        for number, row in enumerate(rows, 1):
            done = (seed - 1) * len(rows) + number
            say(f"[{done}/{seeds * len(rows)}] {experiment.name}: {row.name}, seed {seed}")
            run_row(experiment, row, seed, folders, say)


def run_row(
    experiment: Experiment,
    row: Row,
    seed: int,
    folders: Folders,
    say: Callable[[str], object] = lambda line: None,
) -> None:
    """Train and measure one row from one seed, and write the result.

    Stage I and stage II have the same seed, so that the spread over seeds is that of both.
    """
    runs = _training_runs(experiment, row, seed, folders)
    path = folders.result(experiment, row, seed)
    measuring = json.dumps(dataclasses.asdict(experiment.measuring), sort_keys=True)
    key = _digest(runs[-1].key, measuring)
    asked = asked_of(experiment, row)
    if path.exists() and (found := json.loads(path.read_text()))["key"] == key:
        if found.get("asked") != asked:  # other words for the same settings
            write_text(path, json.dumps(found | {"asked": asked}, indent=1) + "\n")
        return
    for training in runs:
        say(f"    {training.config.stage} in {training.config.output}")
        training.finish()
    say("    measuring")
    refine = runs.pop() if runs[-1].config.stage == "refine" else None
    lifting = runs[-1]
    result = {
        "experiment": experiment.name,
        "row": row.name,
        "seed": seed,
        "key": key,
        "asked": asked,
        "overrides": folders.overrides,
        "weights": str(lifting.weights),
        "conditions": {
            name: measure_network(
                experiment.measuring,
                condition,
                lifting.config,
                lifting.weights,
                refine.weights if refine else "",
                folders.real,
            )
            for name, condition in experiment.measuring.conditions.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(result, indent=1) + "\n")


def asked_of(experiment: Experiment, row: Row) -> str:
    """Return the digest of what a table asks of a row: a result of another one is out of date."""
    layers = (experiment.base, experiment.pretraining, experiment.refining, row.settings,
              row.pretraining, row.refining, dataclasses.asdict(experiment.measuring))  # fmt: skip
    return _digest(*(json.dumps(layer, sort_keys=True) for layer in layers))


def _training_runs(
    experiment: Experiment, row: Row, seed: int, folders: Folders
) -> list[_TrainingRun]:
    """Return what must be trained for a row, in order; each starts from the one before."""
    overrides = [*folders.overrides, f"seed={seed}"]
    steps = [
        (experiment.masked(row, overrides), ""),
        (experiment.lifting(row, overrides), "encoder"),
        (experiment.refined(row, overrides), "lifter"),
    ]
    runs: list[_TrainingRun] = []
    for config, source in steps:
        if config is None:
            continue
        before = runs[-1] if runs else None
        config = folders.located(config)
        key = _key(config, before.key if before else "")
        folder = folders.output / "runs" / f"{config.stage}_{key}"
        links: dict[str, Any] = {source: str(before.weights)} if before else {}
        config = dataclasses.replace(config, output=str(folder), **links)
        runs.append(_TrainingRun(config, key))
    return runs


def _key(config: RunConfig, source: str) -> str:
    """Digest what a training's outcome depends on; of data files the name counts, not the place."""
    tree = dataclasses.asdict(config)
    for name in _INCIDENTAL:
        tree.pop(name, None)
    tree["mocap"] = Path(config.mocap).name if config.dataset.kind in ("", "mocap") else ""
    tree["mocap_more"] = [Path(path).name for path in config.mocap_more]
    tree["mocap_replaced"] = Path(config.mocap_replaced).name
    for name in ("poses", "keypoints", "train", "test"):
        tree["dataset"][name] = Path(tree["dataset"][name]).name
    if config.stage != "pretrain":
        del tree["masking"], tree["decoder_layers"]
    return _digest(json.dumps(tree, sort_keys=True), source)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
