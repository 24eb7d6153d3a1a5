"""Writes the parameter files and docs/parameters.md from the declarations of the nodes.

    python scripts/write_parameters.py

Call it after a setting was added or changed; a test compares the files.
"""

from __future__ import annotations

import dataclasses
import inspect
import textwrap
from pathlib import Path
from typing import Any

import yaml

from pstmo_core.atomic_files import write_text
from pstmo_core.settings import limits
from pstmo_core.streaming.config import StreamConfig
from pstmo_ros.camera_parameters import CameraParameters
from pstmo_ros.demo_recorder import RecorderParameters
from pstmo_ros.detector_parameters import DetectorFiles, DetectorParameters
from pstmo_ros.frames.parameters import FrameParameters
from pstmo_ros.inputs.parameters import InputParameters
from pstmo_ros.keypoint_player import PlayerParameters
from pstmo_ros.lifter_parameters import LifterParameters
from pstmo_ros.markers import MarkerStyle
from pstmo_ros.outputs.parameters import OutputParameters
from pstmo_ros.parameters import RUNNING
from pstmo_ros.people_merger import MergerParameters
from pstmo_ros.virtual_camera import CameraParameters as VirtualCameraParameters

ROOT = Path(__file__).parents[1]
#: The nodes with a parameter file, and the groups of their parameters.
FILES: dict[str, tuple[type[Any], ...]] = {
    "lifter": (
        LifterParameters,
        StreamConfig,
        InputParameters,
        FrameParameters,
        OutputParameters,
        MarkerStyle,
    ),
    "detector": (DetectorParameters, DetectorFiles),
}
NODES: dict[str, tuple[type[Any], ...]] = FILES | {
    "keypoint_player": (PlayerParameters,),
    "camera": (CameraParameters,),
    "virtual_camera": (VirtualCameraParameters,),
    "demo_recorder": (RecorderParameters,),
    "people_merger": (MergerParameters,),
}
WIDTH = 96


def title(group: type[Any]) -> str:
    """Return the first sentence of a group's docstring, or of what it is made from."""
    documented = next(cls for cls in group.__mro__ if (cls.__doc__ or "")[:9] != cls.__name__[:9])
    return inspect.cleandoc(documented.__doc__ or "").splitlines()[0].split(". ")[0].rstrip(".")


def allowed(field: dataclasses.Field[Any]) -> str:
    """Say which values a setting may have; empty where any of its kind."""
    if choices := field.metadata["choices"]:
        return "One of: " + ", ".join(str(choice) or '""' for choice in choices)
    return limits(field).strip().capitalize().replace(" hz", " Hz")


def value(default: Any) -> str:
    """Write a default as YAML does."""
    plain = list(default) if isinstance(default, tuple) else default
    if plain == "":
        return '""'
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def parameter_file(node: str) -> str:
    """Return the text of config/NODE.yaml."""
    head = (
        f"Parameters of the {node} node, at their defaults; written by "
        f"scripts/write_parameters.py. `ros2 param describe /{node} NAME` says the same. Numbers "
        "with a decimal point need it: 1.0, not 1."
    )
    lines = [*_comment(head, ""), "/**:", "  ros__parameters:"]
    for group in NODES[node]:
        lines += ["", f"    # --- {title(group)} ---"]
        for field in dataclasses.fields(group):
            meta = field.metadata
            change = "" if meta["change"] in ("", RUNNING) else meta["change"]
            range_ = f"{allowed(field)}." if allowed(field) else ""
            text = " ".join(part for part in (meta["description"], range_, change) if part)
            lines += ["", *_comment(text, "    "), f"    {field.name}: {value(field.default)}"]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Return the text of docs/parameters.md."""
    lines = [
        "# Parameters",
        "",
        *textwrap.wrap(
            "All parameters of all nodes, written from their declarations by "
            "`scripts/write_parameters.py`. A running node tells the same: `ros2 param describe "
            "/lifter look_ahead`. Numbers with a decimal point need it: 1.0, not 1. Parameters can "
            "be changed while the node runs unless the table says otherwise.",
            WIDTH,
        ),
    ]
    for node, groups in NODES.items():
        lines += ["", f"## {node}"]
        for group in groups:
            lines += [
                "",
                f"{title(group)}:",
                "",
                "| parameter | default | values | |",
                "|---|---|---|---|",
            ]
            for field in dataclasses.fields(group):
                meta = field.metadata
                change = "" if meta["change"] in ("", RUNNING) else f" {meta['change']}"
                cells = (
                    f"`{field.name}`", f"`{value(field.default)}`", allowed(field),
                    meta["description"] + change,
                )  # fmt: skip
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def texts() -> dict[Path, str]:
    """Return what the files must hold, by their paths."""
    files = {ROOT / "config" / f"{node}.yaml": parameter_file(node) for node in FILES}
    return files | {ROOT / "docs" / "parameters.md": reference()}


def _comment(text: str, indent: str) -> list[str]:
    prefix = f"{indent}# "
    return textwrap.wrap(text, WIDTH, initial_indent=prefix, subsequent_indent=prefix)


if __name__ == "__main__":
    for path, text in texts().items():
        write_text(path, text)
        print(f"wrote {path.relative_to(ROOT)}")
