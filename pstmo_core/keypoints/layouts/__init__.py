"""Keypoint layouts of detectors, one file each, and their conversion to the Human3.6M layout."""

from __future__ import annotations

from pstmo_core.errors import names_known, quoted
from pstmo_core.keypoints.layouts.blazepose33 import BLAZEPOSE33
from pstmo_core.keypoints.layouts.body25 import BODY25
from pstmo_core.keypoints.layouts.body25b import BODY25B
from pstmo_core.keypoints.layouts.coco17 import COCO17
from pstmo_core.keypoints.layouts.from_file import SUFFIXES, read_layout
from pstmo_core.keypoints.layouts.h36m17 import H36M17
from pstmo_core.keypoints.layouts.halpe26 import HALPE26
from pstmo_core.keypoints.layouts.halpe136 import HALPE136
from pstmo_core.keypoints.layouts.layout import FARTHEST, Layout, LayoutError
from pstmo_core.keypoints.layouts.openpose18 import OPENPOSE18
from pstmo_core.keypoints.layouts.wholebody133 import WHOLEBODY133
from pstmo_core.keypoints.layouts.zed34 import ZED34
from pstmo_core.keypoints.layouts.zed38 import ZED38

__all__ = ["FARTHEST", "LAYOUTS", "Layout", "LayoutError", "get_layout", "layout_name"]

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        COCO17, OPENPOSE18, BODY25, HALPE26, BLAZEPOSE33, WHOLEBODY133, HALPE136, ZED34, ZED38,
        H36M17, BODY25B,
    )
}  # fmt: skip
#: Layouts of users' files, by their names.
_READ: dict[str, Layout] = {}


def layout_name(given: str) -> str:
    """Return the name of a layout that a user gives by its name or by its YAML file.

    A file is read, and `get_layout` knows its layout from then on.

    Raises:
        LayoutError: if there is no such layout, or its file is missing or wrong.
    """
    if not given.lower().endswith(SUFFIXES):
        return get_layout(given).name
    layout = read_layout(given)
    if layout.name in LAYOUTS:
        raise LayoutError(f"{given}: is called {layout.name}, as a layout that is known: rename it")
    _READ[layout.name] = layout
    return layout.name


def get_layout(name: str) -> Layout:
    """Return the layout of this name.

    Raises:
        LayoutError: if there is none; it lists those there are.
    """
    if name in LAYOUTS:
        return LAYOUTS[name]
    if name in _READ:
        return _READ[name]
    raise LayoutError(
        f"no layout is named {quoted(name)}: {names_known(name, LAYOUTS)}, and a YAML file's "
        "(docs/formats.md) where you give the layout yourself"
    )
