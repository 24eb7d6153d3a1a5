"""The typed description of a streaming network; it travels inside its weight and ONNX files."""

from __future__ import annotations

from dataclasses import dataclass

from pstmo_core.encoding import ENCODINGS
from pstmo_core.errors import ConfigError
from pstmo_core.model.config import DEEPEST, WIDEST, JsonConfig, require
from pstmo_core.settings import check_settings, setting

MIXINGS = ("attention", "recurrence")
#: Most frames that may be kept, and the longest look-ahead or forecast in milliseconds.
MOST_KEPT, FARTHEST = 1024, 2500
#: Seconds: longer absences are taken for this long.
LONGEST = 600.0
#: Seconds from which on an age says that a frame cannot be reached.
OUT_OF_REACH = 1e6


@dataclass(frozen=True)
class LiveConfig(JsonConfig):
    """Shape of a network STMO-Live, see `pstmo_core.model.live.network`.

    Raises:
        ConfigError: if a value cannot be used.
    """

    noun = "streaming network"
    key = "pstmo_live_config"

    layers: int = setting(
        3,
        "Layers through which a frame learns of the past, before the one that reads its poses.",
        low=1,
        high=DEEPEST,
    )
    width: int = setting(160, "Width of a frame's token.", low=1, high=WIDEST)
    feedforward: int = setting(320, "Hidden width of the feed-forward blocks.", low=1, high=WIDEST)
    heads: int = setting(10, "Attention heads.", low=1, high=WIDEST)
    key_heads: int = setting(
        10,
        "Heads of keys and values in the layers, each shared by heads / key_heads queries.",
        low=1,
        high=WIDEST,
    )
    moment_key_heads: int = setting(
        2, "The same where poses are read: few, for a smaller state.", low=1, high=WIDEST
    )
    sem_width: int = setting(384, "Hidden width of SEM's MLP block.", low=1, high=WIDEST)
    sem_blocks: int = setting(1, "Residual blocks of SEM.", low=1, high=DEEPEST)
    encoding: str = setting(
        "view",
        "How keypoints become network input, see pstmo_core.encoding.",
        choices=tuple(ENCODINGS),
    )
    mixing: str = setting(
        "attention",
        "How a frame learns of the past: attention to the keys and values of kept frames, or a "
        "recurrence whose state decays with time.",
        choices=MIXINGS,
    )
    kept: int = setting(32, "Frames whose keys and values are kept.", low=1, high=MOST_KEPT)
    spacing: float = setting(
        0.024,
        "Least seconds between frames that are kept: a fast camera does not shorten the memory.",
        low=0.0,
        high=10.0,
        unit="s",
    )
    look_aheads: tuple[int, ...] = (0, 40, 80, 160, 320, 520, -80)
    """The moments whose poses are given, in milliseconds before the newest frame, 0 first. Negative
    ones lie in the future: forecasts."""

    def __post_init__(self) -> None:
        check_settings(self)
        require(self.width % self.heads == 0, "width", self.width, f"a multiple of {self.heads}")
        for shared in (self.key_heads, self.moment_key_heads):
            require(self.heads % shared == 0, "heads", self.heads, f"a multiple of {shared}")
        self._check_look_aheads()

    def _check_look_aheads(self) -> None:
        given = self.look_aheads
        rule = f"different whole numbers of milliseconds up to {FARTHEST}, 0 first"
        fits = isinstance(given, (tuple, list)) and 0 < len(given) <= DEEPEST
        fits = fits and all(type(ms) is int and abs(ms) <= FARTHEST for ms in given)
        require(
            fits and given[0] == 0 and len(set(given)) == len(given), "look_aheads", given, rule
        )
        object.__setattr__(self, "look_aheads", tuple(given))  # JSON has lists

    @property
    def depth(self) -> int:
        """Width of one head."""
        return self.width // self.heads

    @property
    def outputs(self) -> int:
        """Numbers per joint that the network gives: x, y, z and log sigma."""
        return 4

    @property
    def state_size(self) -> int:
        """Float32 numbers that the network keeps of a person."""
        ring = 2 * self.kept * self.depth
        recurrence = self.depth * (self.depth + 1)
        layer = self.key_heads * (ring if self.mixing == "attention" else recurrence)
        moments = self.moment_key_heads * ring + self.kept * self.width
        return 2 * self.kept + self.layers * layer + moments

    def head(self, look_ahead: float) -> int:
        """Return the index of the moment that is nearest to a look-ahead in milliseconds."""
        if not abs(look_ahead) <= FARTHEST:
            raise ConfigError(
                f"look_ahead is {look_ahead} ms, but must be at most {FARTHEST} ms: this network "
                f"answers for {', '.join(map(str, self.look_aheads))}"
            )
        return min(
            range(len(self.look_aheads)), key=lambda i: abs(self.look_aheads[i] - look_ahead)
        )
