"""The typed description of a network; it travels inside every weight and ONNX file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pstmo_core.encoding import ENCODINGS
from pstmo_core.errors import ConfigError, quoted

CONFIG_VERSION = 1
#: Nine of ten joints are to be nearer to the truth than this many sigma, as are nine of ten points
#: of a Gaussian in space to its middle.
INTERVAL = 2.5

#: MOFA's strides by window length (paper, section 3.3.3; 9 and 351 as in the authors' code).
STRIDES: dict[int, tuple[int, ...]] = {
    9: (1, 3, 3),
    27: (3, 3, 3),
    81: (3, 3, 3, 3),
    243: (3, 3, 3, 3, 3),
    351: (3, 9, 13),
}
WIDEST, DEEPEST = 1 << 14, 64
"""Largest widths and numbers of layers that a file can ask for: memory is taken for them before the
weights are looked at. The paper's networks have 512 and 4."""
ANCHORS = ("centre", "first")
SEMS = ("mlp", "fc", "transformer")


_Self = TypeVar("_Self", bound="JsonConfig")


class JsonConfig:
    """A dataclass that travels as JSON in the metadata of weight and ONNX files."""

    noun = "model"
    """What it is the configuration of, for messages."""

    def to_json(self) -> str:
        """Serialise for the metadata of weight and ONNX files."""
        return json.dumps({"config_version": CONFIG_VERSION, **dataclasses.asdict(self)})  # type: ignore[call-overload]

    @classmethod
    def from_json(cls: type[_Self], text: str) -> _Self:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: if the text is no configuration, or one of another version.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            version = values.pop("config_version")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ConfigError(f"not a {cls.noun} configuration: {quoted(text)}") from error
        if version != CONFIG_VERSION:
            raise ConfigError(
                f"the {cls.noun} configuration has version {quoted(version)}, this program reads "
                f"version {CONFIG_VERSION}: export the model again with this version of pstmo"
            )
        known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        if unknown := sorted(set(values) - known):
            raise ConfigError(f"the {cls.noun} configuration has unknown fields {quoted(unknown)}")
        try:
            return cls(**values)
        except TypeError as error:  # a list or text where a number should be
            raise ConfigError(f"not a {cls.noun} configuration: {quoted(text)}") from error


@dataclass(frozen=True)
class ModelConfig(JsonConfig):
    """Shape of an STMO network (stage II) and of the input that it was trained on.

    The defaults are P-STMO-S for 27 frames as this project trains it; the authors' network is
    ``encoding="screen", mofa_anchor="first"`` (see `pstmo_core.model.mofa` on the anchor).
    """

    frames: int = 27
    """Window length F, a key of `STRIDES`."""
    layers: int = 3
    """Depth of TEM: 3 is P-STMO-S, 4 is P-STMO; 0 leaves TEM out (paper, Table 3)."""
    width: int = 256
    """Width d of the Transformer tokens."""
    feedforward: int = 512
    """Hidden width of the Transformers' feed-forward blocks."""
    heads: int = 8
    """Attention heads."""
    sem_width: int = 512
    """Hidden width of SEM's MLP block."""
    sem: str = "mlp"
    """Backbone of SEM (paper, Table 4): `mlp`, one linear layer `fc`, or a `transformer` over the
    joints, whose tokens are a 17th of `width` wide."""
    sem_blocks: int = 1
    """Depth L of SEM: residual blocks of the MLP, layers of the Transformer."""
    mofa: bool = True
    """False leaves MOFA out (paper, Table 3): the target frame's token goes to the head."""
    dropout: float = 0.1
    """Dropout probability in SEM, TEM and MOFA while training."""
    encoding: str = "person"
    """How keypoints become network input, see `pstmo_core.encoding`."""
    mofa_anchor: str = "centre"
    """Which frame MOFA's strided path keeps: the window's centre, or the first (the authors')."""
    sigma: bool = False
    """Whether the heads also give the log of each joint's deviation in metres, see `INTERVAL`."""
    step: float = 0.04
    """Seconds between neighbouring frames of a window (TDS: s / frame rate)."""

    def __post_init__(self) -> None:
        require(self.frames in STRIDES, "frames", self.frames, f"one of {list(STRIDES)}")
        require(self.encoding in ENCODINGS, "encoding", self.encoding, f"one of {tuple(ENCODINGS)}")
        require(self.mofa_anchor in ANCHORS, "mofa_anchor", self.mofa_anchor, f"one of {ANCHORS}")
        require(self.sem in SEMS, "sem", self.sem, f"one of {SEMS}")
        for name in ("width", "feedforward", "heads", "sem_width", "sem_blocks"):
            value, most = getattr(self, name), DEEPEST if name == "sem_blocks" else WIDEST
            rule = f"a whole number from 1 to {most}"
            require(isinstance(value, int) and 0 < value <= most, name, value, rule)
        layers = self.layers
        rule = f"a whole number from 0 to {DEEPEST}"
        require(isinstance(layers, int) and 0 <= layers <= DEEPEST, "layers", layers, rule)
        require(self.width % self.heads == 0, "width", self.width, f"a multiple of {self.heads}")
        if self.sem == "transformer":
            rule = f"a multiple of 17 x {self.heads} with a Transformer as SEM"
            require(self.width % (17 * self.heads) == 0, "width", self.width, rule)
        require(0.0 <= self.dropout < 1.0, "dropout", self.dropout, "at least 0 and below 1")
        require(0.0 < self.step <= 10.0, "step", self.step, "a time in seconds above 0, at most 10")

    @property
    def strides(self) -> tuple[int, ...]:
        """MOFA's strides, one a layer."""
        return STRIDES[self.frames]

    @property
    def outputs(self) -> int:
        """Numbers a joint that a head gives: x, y, z, and log sigma where there is one."""
        return 4 if self.sigma else 3

    @property
    def target(self) -> int:
        """Index of the target (centre) frame in the window."""
        return self.frames // 2


def require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise ConfigError, which says what a value must be, unless that holds."""
    if not holds:
        raise ConfigError(f"{name} is {quoted(value)}, but must be {rule}")
