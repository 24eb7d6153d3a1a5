"""The configuration of a training run: a typed tree, read from YAML and overridden by name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import dacite
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from pstmo_core.data.motion.balance import BalanceConfig
from pstmo_core.data.motion.sampler import SamplerConfig
from pstmo_core.data.motion.streams import StreamTiming
from pstmo_core.data.sequences.datasets import DatasetConfig
from pstmo_core.errors import ConfigError, names_known, quoted
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.model.masking import Masking
from pstmo_core.settings import check_settings, setting
from pstmo_core.training.losses import LossConfig
from pstmo_core.training.yaml_file import load_yaml


@dataclass(frozen=True)
class OptimiserConfig:
    """The optimiser, its learning rate over time, and how a batch is worked through.

    The defaults are this project's: AdamW with warm-up, a long constant stretch and a linear decay
    to zero. The constant stretch lets a run be cut short or prolonged: only the decay must follow.
    The authors' are `kind=amsgrad schedule=exponential`, with `batch=160 epochs=80
    learning_rate=7e-4` for stage II and 1e-4 for stage I.

    Raises:
        ConfigError: if a value cannot be used.
    """

    kind: str = setting(
        "adamw",
        "AdamW, or amsgrad: Adam with AMSGrad and without weight decay, as the authors train.",
        choices=("adamw", "amsgrad"),
    )
    learning_rate: float = setting(1e-3, "The highest learning rate.", low=0.0)
    weight_decay: float = setting(0.01, "AdamW's; the other kind has none.", low=0.0)
    batch: int = setting(
        64, "Windows a step, those of all processes and micro-batches together.", low=1
    )
    accumulate: int = setting(
        1, "Micro-batches in which each process works through its share of the batch.", low=1
    )
    steps: int = setting(30_000, "Length of the run in steps.", low=0)
    epochs: int = setting(
        0, "Length of the run in epochs, instead of steps; 0: steps count.", low=0
    )
    epoch_steps: int = setting(
        0,
        "Steps of an epoch; 0: as many whole batches as the data have. Virtual cameras have no "
        "end, so with them epochs need this.",
        low=0,
    )
    schedule: str = setting(
        "constant_decay",
        "Warm-up, a constant rate and a linear decay to zero; or exponential: times epoch_decay "
        "after each epoch.",
        choices=("constant_decay", "exponential"),
    )
    warmup_steps: int = setting(200, "Steps in which the rate rises from zero.", low=0)
    decay_steps: int = setting(
        8_000, "Steps at the end in which the rate falls to zero; all of a shorter run.", low=0
    )
    epoch_decay: float = setting(0.97, "Factor of the exponential schedule.", low=0.0, high=1.0)
    clip_gradient: float = setting(1.0, "Largest norm of the gradient.", low=0.0)
    average: float = setting(
        0.999,
        "Decay of the running average of the weights; the average is what is kept.",
        low=0.0,
        below=1.0,
    )
    multi_frame_weight: float = setting(
        1.0, "Weight lambda of the multi-frame loss (paper, section 3.4.2).", low=0.0
    )

    def __post_init__(self) -> None:
        check_settings(self, "optimiser.")

    def over(self, windows: int | None) -> OptimiserConfig:
        """Return this with `steps` and `epoch_steps` as they are for a source of training windows.

        Args:
            windows: windows of an epoch; None: the source has no end.

        Raises:
            ConfigError: if epochs matter and are not known, or are shorter than a batch.
        """
        if self.epoch_steps == 0 and windows is not None and windows < self.batch:
            raise ConfigError(
                f"optimiser.batch is {self.batch}, but the training data have only {windows} "
                "windows: use a smaller batch"
            )
        length = self.epoch_steps or (windows or 0) // self.batch
        if length == 0 and (self.epochs or self.schedule == "exponential"):
            raise ConfigError(
                "these training data have no end and so no epochs, which optimiser.epochs and "
                "optimiser.schedule=exponential count: set optimiser.epoch_steps"
            )
        steps = self.epochs * length if self.epochs else self.steps
        return dataclasses.replace(self, steps=steps, epoch_steps=length)

    def rate_at(self, step: int) -> float:
        """Return the learning rate at a step; `over` must have set an exponential one's epochs."""
        if self.schedule == "exponential":
            return self.learning_rate * self.epoch_decay ** (step // self.epoch_steps)
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        cool = min(1.0, (self.steps - step) / max(1, min(self.decay_steps, self.steps)))
        return self.learning_rate * warm * max(0.0, cool)


@dataclass(frozen=True)
class RunConfig:
    """One training run.

    Raises:
        ConfigError: if a value cannot be used.
    """

    mocap: str = "cmu_h36m17.npz"
    """The motion-capture file."""
    mocap_more: tuple[str, ...] = ()
    """Further motion-capture files."""
    mocap_replaced: str = ""
    """A text file that names clips of `mocap` to leave out, because a further file has them."""
    without_licences: tuple[str, ...] = ()
    """Clips under these licences are not trained on."""
    balance: BalanceConfig | None = None
    """How often which motion is drawn; None: each frame as often as any other."""
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    """A data set of sequences to train on, instead of motion capture with virtual cameras."""
    output: str = "runs/lifter27"
    """Folder of checkpoints and logs."""
    stage: str = setting(
        "lift",
        "pretrain is stage I, masked pose modelling; lift is stage II; refine trains the refine "
        "module on the poses of lifter; live trains a streaming network.",
        choices=("pretrain", "lift", "refine", "live"),
    )
    encoder: str = ""
    """Stage-I weights from which stage II starts; empty: from scratch."""
    initial: str = ""
    """Stage-II weights of the same or a narrower network from which stage II starts, or of a window
    network from which a streaming network takes what they have in common, or of a streaming one."""
    lifter: str = ""
    """Stage-II weights whose poses the refine module refines."""
    masking: Masking = field(default_factory=Masking)
    """What stage I hides."""
    decoder_layers: int = setting(
        0,
        "Depth L_D of stage I's decoder (paper, Table 7); 0: one layer less than TEM, as the "
        "paper's.",
        low=0,
    )
    model: ModelConfig = field(default_factory=ModelConfig)
    live: LiveConfig = field(default_factory=LiveConfig)
    """The streaming network of the stage `live`, which has no use for `model`."""
    stream: StreamTiming = field(default_factory=StreamTiming)
    """When the frames come of which it sees sequences."""
    sampler: SamplerConfig = field(default_factory=SamplerConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    precision: str = setting(
        "bf16",
        "Arithmetic of the forward pass; fp16 scales the loss.",
        choices=("bf16", "fp16", "fp32"),
    )
    device: str = setting("auto", "cpu, cuda, or auto: cuda where there is one.")
    threads: int = setting(0, "CPU threads; 0 leaves torch's choice.", low=0)
    seed: int = setting(1, "Of all randomness: equal seeds give equal runs.", low=0)
    save_every: int = setting(
        1000,
        "Steps between checkpoints, each with an evaluation on the validation split.",
        low=1,
    )
    validation_windows: int = setting(1000, "Windows a quality class in that evaluation.", low=1)
    log_every: int = setting(10, "Steps between entries in TensorBoard.", low=1)

    def __post_init__(self) -> None:
        check_settings(self)

    def to_yaml(self) -> str:
        """Serialise; `load_run_config` reads it again."""
        return OmegaConf.to_yaml(OmegaConf.create(_plain(self)))


def load_run_config(path: Path | str | None, overrides: list[str]) -> RunConfig:
    """Read a run's YAML file and apply overrides such as `optimiser.steps=1000`.

    Raises:
        ConfigError: if the file cannot be read or a name or value does not fit.
    """
    try:
        file = load_yaml(path) if path is not None else OmegaConf.create()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    try:
        tree = OmegaConf.merge(file, OmegaConf.from_dotlist(overrides))
        plain: Any = OmegaConf.to_container(tree, resolve=True)
        _fill_empty(plain, RunConfig)
        _check_tree(plain, RunConfig)
        return dacite.from_dict(RunConfig, plain, dacite.Config(strict=True, cast=[tuple, float]))
    except (
        dacite.DaciteError,
        OmegaConfBaseException,
        YAMLError,
        TypeError,
        OverflowError,
    ) as error:
        where = f"{path} and the values after it" if path and overrides else path
        raise ConfigError(f"{where or 'overrides'}: {error}") from error


def _fill_empty(tree: Any, group: Any) -> None:
    """Make the empty text or list of `name=` and `name:`, which YAML takes for null."""
    if not isinstance(tree, dict) or not dataclasses.is_dataclass(group):
        return
    kinds = get_type_hints(group)
    for name in tree.keys() & kinds.keys():
        kind = kinds[name]
        if tree[name] is None and (kind is str or get_args(kind)[1:] == (Ellipsis,)):
            tree[name] = "" if kind is str else []
        for each in (kind, *get_args(kind)):
            _fill_empty(tree[name], each)


def _check_tree(tree: Any, group: Any, above: str = "") -> None:
    """Check names, numbers and lists of a tree against the fields of a dataclass.

    dacite makes a list of letters of a text where a list should be, and does not name the setting
    where a number should be.
    """
    if not isinstance(tree, dict) or not dataclasses.is_dataclass(group):
        return
    kinds = get_type_hints(group)
    for name, value in tree.items():
        if name not in kinds:
            raise ConfigError(
                f"no setting is {quoted(f'{above}{name}')}: {names_known(name, kinds)}"
            )
        _check_value(value, kinds[name], f"{above}{name}")
        for kind in (kinds[name], *get_args(kinds[name])):  # a field may be None instead
            _check_tree(value, kind, f"{above}{name}.")


def _check_value(value: Any, kind: Any, name: str) -> None:
    if kind is float and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ConfigError(f"{name} is {quoted(value)}, but must be a number")
    if get_origin(kind) is tuple:
        items = get_args(kind)
        count = None if items[-1] is Ellipsis else len(items)
        if not isinstance(value, list) or count not in (None, len(value)):
            size = "" if count is None else f" of {count}"
            raise ConfigError(f"{name} is {quoted(value)}, but must be a list{size}: {name}=[...]")
        for item in value:
            _check_value(item, items[0], name)


def _plain(config: object) -> dict[str, object]:
    def clean(value: object) -> object:
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items()}
        return list(value) if isinstance(value, tuple) else value

    return {key: clean(value) for key, value in dataclasses.asdict(config).items()}  # type: ignore[call-overload]
