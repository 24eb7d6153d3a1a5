"""The joint orders that a network was trained on; its weight and ONNX files state them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pstmo_core.errors import ConfigError, quoted

#: Where the metadata of a file state them.
KEY = "pstmo_trained_on"


@dataclass(frozen=True)
class TrainedOn:
    """What the 17 rows of a network's input and output stand for.

    Nothing else in a file tells: networks for other orders have the same shapes.
    """

    keypoints: str = ""
    """Name of the keypoints' joint order, such as `h36m17` or `coco17`; empty = not stated."""
    poses: str = ""
    """Name of the poses'; empty = not stated."""

    @classmethod
    def stated_in(cls, metadata: Mapping[str, str]) -> TrainedOn:
        """Read what `metadata` wrote; files of earlier versions state nothing.

        Raises:
            ConfigError: if it cannot be read.
        """
        if KEY not in metadata:
            return cls()
        try:
            read = cls(**json.loads(metadata[KEY]))
        except (ValueError, TypeError, RecursionError) as error:
            raise ConfigError(
                f"not a statement of joint orders: {quoted(metadata[KEY])}"
            ) from error
        if not all(isinstance(name, str) for name in dataclasses.astuple(read)):
            raise ConfigError(f"not a statement of joint orders: {quoted(metadata[KEY])}")
        return read

    def metadata(self) -> dict[str, str]:
        """Return the entry in the metadata of a file; none where nothing is stated."""
        return {KEY: json.dumps(dataclasses.asdict(self))} if self != TrainedOn() else {}

    def require(self, used_on: TrainedOn) -> None:
        """Check that a network suits data in these orders. What is not stated suits.

        Raises:
            ConfigError: if it was trained on others.
        """
        for noun, own in dataclasses.asdict(self).items():
            here = getattr(used_on, noun)
            if own and here and own != here:
                raise ConfigError(
                    f"the network was trained on {noun} in the joint order {quoted(own)}, but here "
                    f"they are in the order {quoted(here)}: use a network that was trained on "
                    f"{quoted(here)}, or this one on data in its own order (pstmo evaluate "
                    "--dataset)"
                )


#: What everything that lifts keypoints gives to a network and takes from it: Human3.6M's joints.
H36M17 = TrainedOn("h36m17", "h36m17")
