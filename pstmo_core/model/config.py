"""The typed description of a network; it travels inside every weight and ONNX file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pstmo_core.encoding import ENCODINGS
from pstmo_core.errors import ConfigError, quoted
from pstmo_core.settings import check_settings, setting

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


_Self = TypeVar("_Self", bound="JsonConfig")


class JsonConfig:
    """A dataclass that travels as JSON in the metadata of weight and ONNX files."""

    noun = "model"
    """What it is the configuration of, for messages."""
    key = ""
    """Where the metadata of a file hold it."""

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

    Raises:
        ConfigError: if a value cannot be used.
    """

    key = "pstmo_config"

    frames: int = setting(27, "Window length F.", choices=tuple(STRIDES))
    layers: int = setting(
        3,
        "Depth of TEM: 3 is P-STMO-S, 4 is P-STMO; 0 leaves TEM out (paper, Table 3).",
        low=0,
        high=DEEPEST,
    )
    width: int = setting(256, "Width d of the Transformer tokens.", low=1, high=WIDEST)
    feedforward: int = setting(
        512, "Hidden width of the Transformers' feed-forward blocks.", low=1, high=WIDEST
    )
    heads: int = setting(8, "Attention heads.", low=1, high=WIDEST)
    sem_width: int = setting(512, "Hidden width of SEM's MLP block.", low=1, high=WIDEST)
    sem: str = setting(
        "mlp",
        "Backbone of SEM (paper, Table 4): an MLP, one linear layer (fc), or a Transformer over "
        "the joints, whose tokens are a 17th of width wide.",
        choices=("mlp", "fc", "transformer"),
    )
    sem_blocks: int = setting(
        1,
        "Depth L of SEM: residual blocks of the MLP, layers of the Transformer.",
        low=1,
        high=DEEPEST,
    )
    mofa: bool = setting(
        True, "False leaves MOFA out (paper, Table 3): the target frame's token goes to the head."
    )
    dropout: float = setting(
        0.1, "Dropout probability in SEM, TEM and MOFA while training.", low=0.0, below=1.0
    )
    encoding: str = setting(
        "person",
        "How keypoints become network input (pstmo_core.encoding).",
        choices=tuple(ENCODINGS),
    )
    mofa_anchor: str = setting(
        "centre",
        "Which frame MOFA's strided path keeps: the window's centre, or the first (the authors').",
        choices=("centre", "first"),
    )
    sigma: bool = setting(
        False, "Whether the heads also give the log of each joint's deviation in metres (INTERVAL)."
    )
    step: float = setting(
        0.04,
        "Time between neighbouring frames of a window (TDS: s / frame rate).",
        low=0.001,
        high=10.0,
        unit="s",
    )

    def __post_init__(self) -> None:
        check_settings(self)
        # Heads share a token of TEM; in SEM's Transformer, the token of a joint.
        parts = 17 * self.heads if self.sem == "transformer" else self.heads
        if self.width % parts:
            raise ConfigError(
                f"width is {self.width}, but must be a multiple of {parts}: "
                + ("17 joints x heads" if self.sem == "transformer" else "heads")
            )

    @property
    def strides(self) -> tuple[int, ...]:
        """MOFA's strides, one per layer."""
        return STRIDES[self.frames]

    @property
    def outputs(self) -> int:
        """Numbers per joint that a head gives: x, y, z, and log sigma where there is one."""
        return 4 if self.sigma else 3

    @property
    def target(self) -> int:
        """Index of the target (centre) frame in the window."""
        return self.frames // 2


def require(holds: bool, name: str, value: object, rule: str) -> None:
    """Raise ConfigError, which says what a value must be, unless that holds."""
    if not holds:
        raise ConfigError(f"{name} is {quoted(value)}, but must be {rule}")
