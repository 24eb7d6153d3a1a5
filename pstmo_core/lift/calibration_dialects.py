"""Translates other programs' calibration files into the form of camera_calibration.

Kalibr's camchain, ORB-SLAM's settings, flat files with fx, fy, cx, cy as SDKs print them, and
OpenCV's XML.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from pstmo_core.camera import CameraError

_CAMERA = re.compile(r"Camera\d*\.(.+)")
#: How fx, fy, cx and cy are called.
_FOCAL = (("fx", "fy"), ("focal_x", "focal_y"), ("focal_length_x", "focal_length_y"))
_CENTRE = (("cx", "cy"), ("ppx", "ppy"), ("principal_point_x", "principal_point_y"))
_COEFFICIENTS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
#: Kalibr's models for lenses that this library knows, and how they are called here.
_KALIBR = {"radtan": "plumb_bob", "equidistant": "equidistant", "none": "plumb_bob"}


def in_usual_words(content: dict[str, Any]) -> dict[str, Any]:
    """Return a file's content as camera_calibration would write it, or as it is.

    Raises:
        CameraError: if it describes several cameras, or a lens that is not known.
    """
    cameras = {
        name: each
        for name, each in content.items()
        if isinstance(each, dict) and "intrinsics" in each and "resolution" in each
    }
    if len(cameras) > 1:
        raise CameraError(
            f"describes {len(cameras)} cameras ({', '.join(map(str, cameras))}): keep the one that "
            "took the images"
        )
    if cameras:
        return _of_kalibr(next(iter(cameras.values())))
    slam = {m[1]: each for name, each in content.items() if (m := _CAMERA.fullmatch(str(name)))}
    return _of_flat(slam or content)


def _of_kalibr(camera: dict[str, Any]) -> dict[str, Any]:
    if camera.get("camera_model", "pinhole") != "pinhole":
        raise CameraError(
            f"has Kalibr's camera model {camera['camera_model']}, but only pinhole is known: "
            "calibrate with pinhole-radtan or pinhole-equi"
        )
    model = str(camera.get("distortion_model", "none"))
    if model not in _KALIBR:
        raise CameraError(
            f"has Kalibr's distortion model {model}, but only {', '.join(_KALIBR)} are known: "
            "calibrate with pinhole-radtan or pinhole-equi"
        )
    fx, fy, cx, cy = camera["intrinsics"]
    return {
        "image_size": camera["resolution"],
        "camera_matrix": [fx, 0, cx, 0, fy, cy, 0, 0, 1],
        "distortion_coefficients": camera.get("distortion_coeffs", []),
        "distortion_model": _KALIBR[model],
    }


def _of_flat(content: dict[str, Any]) -> dict[str, Any]:
    focal = next((pair for pair in _FOCAL if set(pair) <= set(content)), None)
    centre = next((pair for pair in _CENTRE if set(pair) <= set(content)), None)
    if focal is None or centre is None:
        return content
    fx, fy, cx, cy = (content[name] for name in (*focal, *centre))
    usual = {**content, "camera_matrix": [fx, 0, cx, 0, fy, cy, 0, 0, 1]}
    if "k1" in content:
        fisheye = content.get("type") == "KannalaBrandt8"
        names = ("k1", "k2", "k3", "k4") if fisheye else _COEFFICIENTS
        last = max((i for i, name in enumerate(names) if name in content), default=-1)
        count = next(n for n in (4, 5, 8) if n > last)
        usual["distortion_coefficients"] = [float(content.get(n, 0)) for n in names[:count]]
        if fisheye:
            usual["distortion_model"] = "equidistant"
    elif "coeffs" in content:
        usual["distortion_coefficients"] = content["coeffs"]
    return usual


def from_xml(text: str) -> dict[str, Any]:
    """Return the content of OpenCV's XML.

    Raises:
        CameraError: if it is none.
    """
    if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL):
        raise CameraError("is XML with declarations of its own, which are not read")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CameraError(f"is not valid XML ({error})") from error
    return {each.tag: _value(each) for each in root}


def _value(element: ElementTree.Element) -> Any:
    data = element.find("data")
    text = (element.text if data is None else data.text) or ""
    words = text.split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return text.strip().strip('"')
    return numbers[0] if data is None and len(numbers) == 1 else numbers
