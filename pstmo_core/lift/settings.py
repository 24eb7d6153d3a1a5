"""The options of `pstmo lift`, the same for all its inputs."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pstmo_core.detection.options import DEFAULT_KIND, DetectorOptions
from pstmo_core.errors import ConfigError
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig
from pstmo_core.runtime import find_model
from pstmo_core.settings import check_settings, setting
from pstmo_core.streaming.config import StreamConfig
from pstmo_core.streaming.look_ahead import look_ahead_for_recordings

#: Kinds of output by the suffix that asks for them; bags are folders.
FORMATS = {".npz": "npz", ".json": "json", ".bvh": "bvh", ".mcap": "mcap", ".db3": "sqlite3"}
#: People of a message or lifted at once; the nodes look at as many.
MOST_PEOPLE = 256
#: Those of them that are folders.
BAGS = frozenset({"mcap", "sqlite3"})


@dataclass(frozen=True)
class LiftSettings:
    """Settings of a lift. They go to worker processes and other machines, so they are plain values.

    Raises:
        ConfigError: if values do not fit together.
    """

    formats: tuple[str, ...] = ("npz",)
    """Some of `FORMATS`' values."""
    overlay: bool = False
    """Also an mp4 of keypoints and skeletons."""
    model: str = ""
    """Path of the network; empty: the shipped one."""
    stream: StreamConfig = field(default_factory=StreamConfig)
    """Of the streaming core, except its look-ahead."""
    look_ahead: int | None = setting(
        None,
        "Frames of the window (of 40 ms with the shipped network) that lie after the target frame. "
        "By default half the window, as in the paper: more exact and calmer, for a delay that "
        "costs nothing in a recording. 0 gives the poses that a node shows live.",
        low=0,
        high=175,
        unit="frames",
    )
    camera_info: str = ""
    """Path of a calibration."""
    rectified: bool | None = None
    """Whether images were rectified: the calibration's projection matrix counts. None: by the name
    of a bag's topic."""
    max_people: int | None = setting(
        None,
        "People lifted at once; all, up to the largest number, where it is not given.",
        low=1,
        high=MOST_PEOPLE,
    )
    fps: float | None = setting(
        None, "Frame rate, instead of what the input says.", low=0.001, high=10_000.0, unit="Hz"
    )
    size: tuple[int, int] | None = None
    """Image width and height of keypoint files that do not say them."""
    layout: str | None = None
    """Layout of keypoint files that do not say it."""
    topic: str = ""
    """Of a bag with several."""
    images: int | None = None
    """Number of images to take from a camera; None: until Ctrl-C."""
    detector: str = DEFAULT_KIND
    detector_options: DetectorOptions = field(default_factory=DetectorOptions)
    threads: int = 1
    """Of the lifter's inference."""
    backend: str = "auto"
    """What runs the network, see `pstmo_core.runtime`."""
    precision: str = "fp32"
    """Of the network's matrix products."""

    def __post_init__(self) -> None:
        check_settings(self)
        wrong = [name for name in self.formats if name not in FORMATS.values()]
        if wrong or not self.formats:
            raise ConfigError(
                f"the format is {wrong or 'missing'}, but must be one of "
                f"{', '.join(FORMATS.values())}"
            )
        if set(self.formats) >= BAGS:
            raise ConfigError("a bag is either mcap or sqlite3: ask for one of them")
        if self.stream.look_ahead != StreamConfig.look_ahead:
            raise ConfigError("a lift's look-ahead is LiftSettings.look_ahead, not its stream's")
        if self.camera_info and self.stream.focal:
            raise ConfigError("the calibration says the focal length: leave out --focal")

    def stream_for(self, model: ModelConfig | LiveConfig) -> StreamConfig:
        """Return the settings of the streaming core for a network."""
        ahead = self.look_ahead
        ahead = look_ahead_for_recordings(model) if ahead is None else ahead
        return dataclasses.replace(self.stream, look_ahead=ahead)

    @property
    def bag(self) -> str:
        """The storage of the bag to write, empty where none is."""
        return next((name for name in self.formats if name in BAGS), "")

    def files(self) -> list[str]:
        """Return the files that a lift reads besides its inputs."""
        options = dataclasses.asdict(self.detector_options).values()
        named = [
            self.model,
            self.camera_info,
            self.layout,
            *(each for each in options if isinstance(each, str)),
        ]
        return [name for name in named if name]

    def of_detection(self) -> dict[str, Any]:
        """Return, as JSON has it, what decides on the keypoints that are found in images."""
        found = {
            "detector": self.detector,
            "options": dataclasses.asdict(self.detector_options.for_recordings(self.detector)),
            "fps": self.fps,
            "tracking": [self.stream.min_score, self.stream.expire],
        }
        return _recorded(found)

    def of_output(self) -> dict[str, Any]:
        """Return, as JSON has it, what decides on the outputs."""
        model = str(find_model(self.model))
        detector = dataclasses.asdict(self.detector_options.for_recordings(self.detector))
        shown = {"model": model, "threads": None, "detector_options": detector}
        return _recorded(dataclasses.asdict(self) | shown)


def _recorded(values: dict[str, Any]) -> dict[str, Any]:
    """Return values as JSON has them; with a path of a file go its size and its time of change."""

    def state(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: state(part) for name, part in value.items()}
        if isinstance(value, str) and value and Path(value).is_file():
            stat = Path(value).stat()
            return [value, stat.st_size, stat.st_mtime_ns]
        return value

    recorded: dict[str, Any] = json.loads(json.dumps(state(values)))
    return recorded
