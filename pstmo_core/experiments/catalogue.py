"""The catalogue of experiments: `pstmo_core/recipes/experiments/`, one YAML file per table."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dacite
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pstmo_core.data.sequences.datasets import DatasetConfig
from pstmo_core.errors import ConfigError
from pstmo_core.evaluation.robustness import Corruption
from pstmo_core.experiments.listing import CATALOGUE, experiment_names
from pstmo_core.training.config import RunConfig, load_run_config
from pstmo_core.training.yaml_file import load_yaml

#: What is known without any training, of `pstmo_core.model.complexity`.
COUNTS = ("parameters", "flops")
_ERRORS = ("mpjpe", "p_mpjpe", "n_mpjpe", "mpjve", "acceleration", "jitter", "pck", "auc")

Settings = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    title: str
    metric: str
    """A count, an error of `metrics.frame_metrics` or `bench.real.Measures`, or `fps`, which is not
    measured here."""
    condition: str = "clean"
    """Name of the condition under which it is measured."""
    group: str = ""
    """An action, or a quality class of the motion capture; empty: the mean that is customary."""

    def __post_init__(self) -> None:
        if self.metric not in (*COUNTS, *_ERRORS, "fps"):
            raise ConfigError(f"column {self.title!r} has the unknown metric {self.metric!r}")


@dataclass(frozen=True)
class Condition:
    """What a network is shown while it is measured, and for which frame it is asked."""

    corruption: Corruption = field(default_factory=Corruption)
    """What spoils the keypoints of sequences."""
    faults: bool = False
    """Spoil the keypoints of single windows as a detector does."""
    gravity: bool = False
    """Tell the network where up is; of single windows, and for the encoding `view`."""
    look_ahead: int | None = None
    """Frames of the window after the one that is lifted; None: the centre frame, by MOFA."""
    real: str = ""
    """A detector whose keypoints of real video are lifted as a stream instead."""


@dataclass(frozen=True)
class Measuring:
    """How the networks of an experiment are measured, all on the test split."""

    windows: int = 0
    """Windows of motion capture a quality class, each seen by its own camera; 0: every frame of
    the data set that was trained on."""
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    """Another data set than that."""
    flip: bool = True
    """Average the poses of a window and of its mirror image."""
    conditions: dict[str, Condition] = field(default_factory=lambda: {"clean": Condition()})


@dataclass(frozen=True)
class Row:
    """A row of a table: a network and how it is trained.

    Settings are parts of a `RunConfig` tree. Those of stage I go on from those of stage II, and
    those of the refine module too.
    """

    name: str
    settings: Settings = field(default_factory=dict)
    pretraining: Settings | None = None
    """Settings of stage I; None: none, stage II starts from scratch."""
    refining: Settings | None = None
    """Settings of the refine module; None: there is none."""
    paper: list[float | None] = field(default_factory=list)
    """The paper's numbers, one per column or none at all."""
    metric: str = ""
    """Takes the place of the columns' metric."""


@dataclass(frozen=True)
class Experiment:
    """A table.

    Raises:
        ConfigError: if its parts do not fit one another.
    """

    name: str
    title: str
    columns: list[Column]
    rows: list[Row]
    text: str = ""
    """What a reader of the table must know."""
    base: Settings = field(default_factory=dict)
    """Settings of all rows."""
    pretraining: Settings = field(default_factory=dict)
    """Settings of stage I, of all rows that have one."""
    refining: Settings = field(default_factory=dict)
    measuring: Measuring = field(default_factory=Measuring)
    flops_per_mac: int = 2
    """What the paper's table calls FLOPs: 2 a multiply-accumulate, 1 in Table 7."""

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ConfigError(f"experiment {self.name} has two rows of one name")
        for row in self.rows:
            if row.paper and len(row.paper) != len(self.columns):
                raise ConfigError(
                    f"row {row.name!r} of {self.name} has {len(row.paper)} numbers for "
                    f"{len(self.columns)} columns"
                )
        if unknown := {c.condition for c in self.columns} - set(self.measuring.conditions):
            raise ConfigError(f"columns of {self.name} name unknown conditions {sorted(unknown)}")

    def row(self, name: str) -> Row:
        """Return a row by name.

        Raises:
            ConfigError: if there is none.
        """
        for row in self.rows:
            if row.name == name:
                return row
        names = ", ".join(repr(row.name) for row in self.rows)
        raise ConfigError(f"{self.name} has no row {name!r}; it has {names}")

    def lifting(self, row: Row, overrides: list[str]) -> RunConfig:
        """Return the configuration of a row's stage II."""
        return _run_config([self.base, row.settings], overrides)

    def masked(self, row: Row, overrides: list[str]) -> RunConfig | None:
        """Return the configuration of a row's stage I, if it has one."""
        if row.pretraining is None:
            return None
        layers = [self.base, row.settings, self.pretraining, row.pretraining]
        return _run_config([*layers, {"stage": "pretrain"}], overrides)

    def refined(self, row: Row, overrides: list[str]) -> RunConfig | None:
        """Return the configuration of the training of a row's refine module, if it has one."""
        if row.refining is None:
            return None
        layers = [self.base, row.settings, self.refining, row.refining]
        return _run_config([*layers, {"stage": "refine"}], overrides)


def load_experiment(name: str) -> Experiment:
    """Read an experiment by its name in the catalogue, or by the path of its file.

    Raises:
        ConfigError: if there is no such experiment, or its file is wrong.
    """
    path = Path(name) if name.endswith(".yaml") else CATALOGUE / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(experiment_names())
        raise ConfigError(f"no experiment {name!r}: name one of {known}, or a YAML file")
    try:
        tree: Any = load_yaml(path)
        if "recipe" in tree:
            recipe = load_yaml(path.parent / "recipes" / f"{tree.pop('recipe')}.yaml")
            tree = OmegaConf.merge(recipe, tree)
        plain: Any = OmegaConf.to_container(tree, resolve=True)
        settings = dacite.Config(strict=True, cast=[tuple, float])
        experiment = dacite.from_dict(Experiment, {"name": path.stem, **plain}, settings)
        for row in experiment.rows:  # a wrong row is refused before the first one is run
            experiment.lifting(row, [])
            experiment.masked(row, [])
            experiment.refined(row, [])
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: its recipe {error.filename} does not exist") from error
    except (ConfigError, dacite.DaciteError, OmegaConfBaseException, YAMLError, TypeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return experiment


def _run_config(layers: list[Settings], overrides: list[str]) -> RunConfig:
    merged: Any = OmegaConf.to_container(OmegaConf.merge(*layers))
    return load_run_config(None, [*_dotted(merged), *overrides])


def _dotted(tree: Settings, prefix: str = "") -> list[str]:
    """Return a tree as overrides by name; JSON is how YAML values may be written."""
    parts: list[str] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            parts += _dotted(value, f"{prefix}{name}.")
        else:
            parts.append(f"{prefix}{name}={json.dumps(value)}")
    return parts
