"""Messages of packages that this one does not depend on."""

from __future__ import annotations

import importlib
from typing import Any

from pstmo_core.errors import PstmoError


def messages_of(package: str, parameter: str, source: str = "") -> Any:
    """Import the messages of a package that this one does not depend on.

    Args:
        package: for example hri_msgs.
        parameter: what asks for them.
        source: where to build the package from, where it is no Debian package.

    Raises:
        PstmoError: if the package is not installed; says how to install it.
    """
    try:
        return importlib.import_module(f"{package}.msg")
    except ImportError as error:
        name = package.replace("_", "-")
        how = (
            f"build {source} in your workspace" if source else f"apt install ros-$ROS_DISTRO-{name}"
        )
        raise PstmoError(
            f"{parameter} needs {package}, which is not installed: {how}, or set {parameter} to "
            "its default"
        ) from error
