"""The configuration of a training run: a typed tree, read from YAML and overridden by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dacite
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pstmo_core.config import ConfigError, ModelConfig
from pstmo_core.data.sampler import SamplerConfig
from pstmo_core.masking import Masking


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with warm-up, a long constant stretch and a linear decay to zero.

    The constant stretch lets a run be cut short or prolonged: only the decay must follow.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch: int = 64
    steps: int = 30_000
    warmup_steps: int = 200
    decay_steps: int = 8_000
    clip_gradient: float = 1.0
    average: float = 0.999
    """Decay of the running average of the weights; the average is what is kept."""
    multi_frame_weight: float = 1.0
    """Weight lambda of the multi-frame loss (paper, section 3.4.2)."""

    def rate_at(self, step: int) -> float:
        """Return the learning rate at a step."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        cool = min(1.0, (self.steps - step) / max(1, self.decay_steps))
        return self.learning_rate * warm * max(0.0, cool)


@dataclass(frozen=True)
class RunConfig:
    """One training run."""

    mocap: str = "cmu_h36m17.npz"
    """The motion-capture file."""
    output: str = "runs/lifter27"
    """Folder of checkpoints and logs."""
    stage: str = "lift"
    """`pretrain` is stage I, masked pose modelling; `lift` is stage II."""
    encoder: str = ""
    """Stage-I weights from which stage II starts; empty: from scratch."""
    masking: Masking = field(default_factory=Masking)
    """What stage I hides."""
    model: ModelConfig = field(default_factory=ModelConfig)
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    precision: str = "bf16"
    """Arithmetic of the forward pass: bf16 or fp32."""
    device: str = "auto"
    threads: int = 0
    """CPU threads; 0 leaves torch's choice."""
    seed: int = 1
    save_every: int = 1000
    """Steps between checkpoints, each with an evaluation on the validation split."""
    validation_windows: int = 1000
    """Windows a quality class in that evaluation."""

    def __post_init__(self) -> None:
        if self.precision not in ("bf16", "fp32"):
            raise ConfigError(f"precision is {self.precision!r}, but must be bf16 or fp32")
        if self.stage not in ("pretrain", "lift"):
            raise ConfigError(f"stage is {self.stage!r}, but must be pretrain or lift")

    def goes_on_as(self, other: RunConfig) -> bool:
        """Say whether a run of another configuration can go on where this one stopped."""
        names = ("stage", "encoder", "masking", "model", "sampler", "precision", "seed")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def to_yaml(self) -> str:
        """Serialise; `load_run_config` reads it again."""
        return OmegaConf.to_yaml(OmegaConf.create(_plain(self)))


def load_run_config(path: Path | str | None, overrides: list[str]) -> RunConfig:
    """Read a run's YAML file and apply overrides such as `optimiser.steps=1000`.

    Raises:
        ConfigError: if the file cannot be read or a name or value does not fit.
    """
    try:
        file = OmegaConf.load(path) if path is not None else OmegaConf.create()
        tree = OmegaConf.merge(file, OmegaConf.from_dotlist(overrides))
        plain: Any = OmegaConf.to_container(tree, resolve=True)
        return dacite.from_dict(RunConfig, plain, dacite.Config(strict=True, cast=[tuple, float]))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (dacite.DaciteError, OmegaConfBaseException, YAMLError, TypeError) as error:
        raise ConfigError(f"{path or 'overrides'}: {error}") from error


def _plain(config: object) -> dict[str, object]:
    def clean(value: object) -> object:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        return list(value) if isinstance(value, tuple) else value

    return {key: clean(value) for key, value in dataclasses.asdict(config).items()}  # type: ignore[call-overload]
