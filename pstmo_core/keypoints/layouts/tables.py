"""The parts that layouts share of the tables from source points to Human3.6M joints.

Each of the 17 joints is a weighted sum of named source points; further
entries of a joint are fallbacks, taken in order where a point of the entry before is not seen. A
weight below 0 extrapolates.

The limbs are what detectors give. Detectors know no spine, thorax, neck and head as the motion
capture has them that the network is trained on (docs/data.md), so these are DERIVED. What the
weights rest on, all measured in 3D:

- HEAD is the end of the capture's head bone, which is the middle of the ears: in upright walking
  it lies 196 to 241 mm above the middle of the shoulders and -39 to +33 mm in front of it (clip
  classes `own`, `own_repaired`, `generic_scaled`); the ears of BlazePose's world landmarks of an
  upright woman lie 197 mm above and 35 mm in front. Her nose is 142 mm in front.
- SPINE, THORAX and NECK are least-squares weights (sum 1) over the training split without the
  class `daz` (whose shoulders are 229 mm apart, others 372), tested on the test split's `own`. The
  mean distance to the captured joint in mm, train / test, and that of the naive mapping (middle of
  shoulders and hips; middle of the shoulders; middle of shoulders and head), as
  scripts/measure_layouts.py prints them:

      SPINE    22 / 26   (32 / 35)    the knees tell how far the back is bent
      THORAX   24 / 22   (43 / 39)
      NECK     21 / 15   (28 / 23)
"""

from __future__ import annotations

from collections.abc import Mapping

Entry = Mapping[str, float]
"""Weights of source points; they sum to 1."""
Table = Mapping[str, tuple[Entry, ...]]
"""The entries of each of the 17 joints in the order in which they are tried."""


def _blend(*parts: tuple[float, Entry]) -> Entry:
    """Add entries up, each with a weight."""
    total: dict[str, float] = {}
    for share, entry in parts:
        for point, weight in entry.items():
            total[point] = total.get(point, 0.0) + share * weight
    return total


def same(*names: str) -> tuple[Entry, ...]:
    """A joint that is a source point; further names are fallbacks."""
    return tuple({name: 1.0} for name in names)


_SHOULDERS: Entry = {"lshoulder": 0.5, "rshoulder": 0.5}
HIPS: Entry = {"lhip": 0.5, "rhip": 0.5}
_KNEES: Entry = {"lknee": 0.5, "rknee": 0.5}
_EARS: Entry = {"lear": 0.5, "rear": 0.5}
_EYES: Entry = {"leye": 0.5, "reye": 0.5}
#: OpenPose's neck is the middle of the shoulders, by its training labels.
_OPENPOSE_NECK: Entry = {"neck": 1.0}


def _spine(shoulders: Entry = _SHOULDERS) -> tuple[Entry, ...]:
    return (
        _blend((0.43, shoulders), (0.69, HIPS), (-0.12, _KNEES)),
        _blend((0.51, shoulders), (0.49, HIPS)),
    )


def _thorax(shoulders: Entry = _SHOULDERS) -> tuple[Entry, ...]:
    return (
        _blend((0.85, shoulders), (0.15, _EARS)),
        _blend((1.06, shoulders), (-0.06, HIPS)),
        shoulders,
    )


#: Where the head is seen. One ear alone: the other is hidden because the head is in profile, where
#: the ear lies over its middle. Eyes or nose alone: the head faces the camera, where they do too.
_HEAD: tuple[Entry, ...] = (_EARS, *same("lear", "rear"), _EYES, *same("nose"))


def _neck(shoulders: Entry = _SHOULDERS) -> tuple[Entry, ...]:
    return tuple(_blend((0.42, shoulders), (0.58, head)) for head in _HEAD)


#: For layouts with COCO's points.
DETECTOR: Table = {
    "hip": (HIPS,),
    "rhip": same("rhip"),
    "rknee": same("rknee"),
    "rankle": same("rankle"),
    "lhip": same("lhip"),
    "lknee": same("lknee"),
    "lankle": same("lankle"),
    "spine": _spine(),
    "thorax": _thorax(),
    "neck_nose": _neck(),
    "head": _HEAD,
    "lshoulder": same("lshoulder"),
    "lelbow": same("lelbow"),
    "lwrist": same("lwrist"),
    "rshoulder": same("rshoulder"),
    "relbow": same("relbow"),
    "rwrist": same("rwrist"),
}
#: For OpenPose's layouts, whose neck stands in for shoulders that are not seen.
OPENPOSE: Table = {
    **DETECTOR,
    "spine": _spine() + _spine(_OPENPOSE_NECK),
    "thorax": _thorax() + _thorax(_OPENPOSE_NECK),
    "neck_nose": _neck() + _neck(_OPENPOSE_NECK),
}
