"""Launch arguments that are parameters of nodes: declared, checked and passed on from one table.

Every field of a node's parameter dataclasses is a launch argument of the same name, so that a value
given to the launch file is the node's value or an error, never lost.
"""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pstmo_core.detection.options import AUTO, REFINERS
from pstmo_core.errors import ConfigError, PstmoError
from pstmo_core.keypoints.layouts import layout_name
from pstmo_core.lift.input_kinds import KEYPOINTS, VIDEO, kind_of
from pstmo_core.runtime import SHIPPED
from pstmo_core.settings import is_allowed, rule, user_path
from pstmo_ros.camera_parameters import CameraParameters
from pstmo_ros.detector_parameters import DETECTOR
from pstmo_ros.keypoint_player import PlayerParameters
from pstmo_ros.lifter_parameters import LIFTER
from pstmo_ros.virtual_camera import CameraParameters as VirtualCameraParameters

CAMERA = (CameraParameters,)
PLAYER = (PlayerParameters,)
#: Launch arguments that are not called as the node's parameter, whose name others have too.
CAMERA_NAMES = {"fps": "camera_fps", "width": "image_width", "height": "image_height"}
PLAYER_NAMES = {
    "fps": "clip_fps", "width": "clip_width", "height": "clip_height", "layout": "clip_layout",
}  # fmt: skip
#: Parameters of the virtual camera that are arguments, and what these are called.
VIRTUAL_CAMERA_NAMES = {
    "people": "people", "fps": "camera_fps", "width": "image_width", "height": "image_height",
    "frame_id": "frame_id", "world_frame": "world_frame",
}  # fmt: skip
#: What the launch file decides by itself.
_OWN = frozenset({"autostart", "image_topic", "camera_info_topic", "source", "clip"})
_TABLES: tuple[tuple[tuple[type[Any], ...], dict[str, str]], ...] = (
    (LIFTER, {}), (DETECTOR, {}), (CAMERA, CAMERA_NAMES), (PLAYER, PLAYER_NAMES),
)  # fmt: skip
#: Parameters of the nodes that are called otherwise here, and never by their own names.
_CALLED = {
    "source": ("camera",), "clip": ("player",), "image_topic": ("image",),
    "camera_info_topic": ("camera_info",), "fps": ("camera_fps", "clip_fps"),
    "width": ("image_width", "clip_width"),
}  # fmt: skip
_LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")
#: What these arguments may be besides a path.
_NAMES = {"model": SHIPPED, "pose_model": (*filter(None, AUTO), *REFINERS)}
_EMPTY = "Empty: as the parameter file says."


def fields(*groups: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields of parameter dataclasses that are launch arguments, by name."""
    return {
        field.name: field
        for group in groups
        for field in dataclasses.fields(group)
        if field.name not in _OWN and not isinstance(field.default, tuple)
    }


def descriptions() -> dict[str, str]:
    """Return the launch arguments that are parameters of nodes, and what each is for."""
    found: dict[str, str] = {}
    for groups, names in _TABLES:
        for name, field in fields(*groups).items():
            text = f"{field.metadata['description']} Must be {rule(field)}. {_EMPTY}"
            found.setdefault(names.get(name, name), text)
    return found


def check(given: Mapping[str, str]) -> None:
    """Check the launch arguments that are parameters of nodes, and the files that they name.

    Raises:
        ConfigError: if one cannot be right.
    """
    for groups, names in _TABLES:
        values(given, groups, names)
    # Its other arguments are those of a real camera too, of which more is allowed.
    virtual = given.get("virtual_camera") == "true"
    virtual_camera_values(given if virtual else {"people": given.get("people", "")})
    level = given.get("log_level", "")
    if level and level.rpartition(":=")[2].lower() not in _LOG_LEVELS:  # NODE:=LEVEL is one, too
        raise ConfigError(f"log_level:={level} must be one of {', '.join(_LOG_LEVELS)}")
    for name in ("model", "pose_model", "person_model", "calibration"):
        path = given.get(name, "").removeprefix("file://")
        if path:
            check_file(name, path, _NAMES.get(name, ()))
    for name in ("layout", "clip_layout"):
        if layout := given.get(name, ""):
            layout_name(layout)
    if given.get("player", "") not in ("", "sample"):
        check_file("player", given["player"])
        _check_kind("player", given["player"], VIDEO, "a video")
    file = None
    try:
        if source := given.get("camera", ""):
            file = CameraParameters(source=source).file
    except PstmoError as error:
        raise ConfigError(f"camera:={error}") from None
    if file is not None:
        _check_kind("camera", str(file), KEYPOINTS, "a file of keypoints")


def check_file(name: str, path: str, names: Sequence[str] = ()) -> None:
    """Check that an argument names a file, where it is none of the names that it may be.

    Raises:
        ConfigError: if there is none.
    """
    if path not in names and not user_path(path).is_file():
        or_name = f", or give {', '.join(names[:-1])} or {names[-1]}" if names else ""
        raise ConfigError(f"{name}:={path} names no file: check the path{or_name}")


def _check_kind(name: str, path: str, wrong: str, what: str) -> None:
    kind = ""
    with contextlib.suppress(PstmoError):  # the node says what is wrong with the file
        kind = kind_of(str(user_path(path)))
    if kind == wrong:
        other = "camera" if name == "player" else "player"
        raise ConfigError(f"{name}:={path} is {what}: give {other}:={path}")


def check_sources(
    sources: Sequence[str], image: str, messages: str = "", cameras: str = ""
) -> None:
    """Check that keypoints come from one place.

    Args:
        sources: of images or keypoints that are asked for.
        image: topic of images, empty if there is none.
        messages: what keypoints come as, where they come from another package.
        cameras: names of cameras that one lifter serves.

    Raises:
        ConfigError: if they would come from several.
    """
    if len(sources) > 1:
        raise ConfigError(f"{' and '.join(sources)} exclude one another: give one of them")
    started = [*sources, *(["image"] if image else [])]
    if messages not in ("", "people2d") and started:
        raise ConfigError(
            f"input:={messages} and {started[0]} exclude one another: keypoints come either from "
            "another package's node or from what this launch file starts"
        )
    if cameras and started:
        raise ConfigError(
            f"cameras:={cameras} and {started[0]} exclude one another: this launch file starts one "
            "camera; start a detector_node in each camera's namespace (docs/robots_reference.md)"
        )
    if "player" in sources and image:
        raise ConfigError("player and image exclude one another: both give keypoints")


def virtual_camera_values(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters of the virtual camera.

    Raises:
        ConfigError: if a value is none for its parameter.
    """
    table = fields(VirtualCameraParameters)
    return {
        name: _value(argument, text, table[name])
        for name, argument in VIRTUAL_CAMERA_NAMES.items()
        if (text := given.get(argument, ""))
    }


def values(
    given: Mapping[str, str], groups: Iterable[type[Any]], names: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return launch arguments as the values of parameters.

    Args:
        given: the launch configuration; an empty text says nothing.
        groups: the dataclasses of the parameters.
        names: of those launch arguments that are not called as the parameter, by parameter.

    Raises:
        ConfigError: if a value is none for its parameter; says which, and what would be right.
    """
    names = names or {}
    found = {}
    for name, field in fields(*groups).items():
        argument = names.get(name, name)
        if text := given.get(argument, ""):
            found[name] = _value(argument, text, field)
    return found


def without_effect(given: Mapping[str, str], started: Collection[str]) -> list[str]:
    """Return the arguments that are given, but that no node takes which is started.

    Args:
        given: the launch configuration; an empty text says nothing.
        started: which of detector, camera, virtual_camera and player are; the lifter always is.
    """
    used = set(fields(*LIFTER))
    for what, names in (
        ("detector", dict.fromkeys(fields(*DETECTOR), "")),
        ("camera", dict.fromkeys(fields(*CAMERA), "") | CAMERA_NAMES),
        ("player", dict.fromkeys(fields(*PLAYER), "") | PLAYER_NAMES),
        ("virtual_camera", VIRTUAL_CAMERA_NAMES),
    ):
        if what in started:
            used |= {argument or name for name, argument in names.items()}
    return sorted(name for name in descriptions() if given.get(name) and name not in used)


#: What launch_ros itself keeps among the arguments, for all nodes of a group.
_OF_LAUNCH_ROS = frozenset({"ros_namespace", "global_params", "ros_remaps"})


def suggest(given: Collection[str], declared: Collection[str]) -> list[str]:
    """Return a sentence for each given name that looks like a misspelt declared one."""
    found = []
    for name in sorted(set(given) - set(declared) - _OF_LAUNCH_ROS):
        if name in _CALLED:
            found += [f"{name} is not used here: it is called {' or '.join(_CALLED[name])}"]
            continue
        for near in difflib.get_close_matches(name, declared, n=1, cutoff=0.75):
            found += [f"there is no argument {name}: did you mean {near}?"]
    return found


def _value(argument: str, text: str, field: dataclasses.Field[Any]) -> Any:
    kind: Any = type(field.default)
    try:
        if kind is bool:
            value: Any = {"true": True, "false": False}[text.lower()]
        else:
            value = kind(text)
        right = is_allowed(value, field) and (kind is not float or math.isfinite(value))
    except (KeyError, ValueError):
        right = False
    if not right:
        raise ConfigError(f"{argument}:={text} cannot be: it must be {rule(field)}")
    return value
