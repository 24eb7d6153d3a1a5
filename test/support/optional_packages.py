"""Message packages that are no wheels, built from their definitions for the tests.

The definitions are written down here as far as this package uses them. `TYPE_HASHES` has the hashes
of the published packages' types, which ROS 2 computes from all names and types of a message's
fields and of those inside it: where they agree, the messages are the same on the wire and in
Python.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_HEADER = "std_msgs/Header header"
DEFINITIONS = {
    "people_msgs": {
        "People": f"{_HEADER}; Person[] people",
        "Person": "string name; geometry_msgs/Point position; geometry_msgs/Point velocity; "
        "float64 reliability; string[] tagnames; string[] tags",
    },
    "vision_msgs": {
        "Detection2DArray": f"{_HEADER}; Detection2D[] detections",
        "Detection3DArray": f"{_HEADER}; Detection3D[] detections",
        "Detection2D": f"{_HEADER}; ObjectHypothesisWithPose[] results; BoundingBox2D bbox; "
        "string id",
        "Detection3D": f"{_HEADER}; ObjectHypothesisWithPose[] results; BoundingBox3D bbox; "
        "string id",
        "ObjectHypothesisWithPose": "ObjectHypothesis hypothesis; "
        "geometry_msgs/PoseWithCovariance pose",
        "ObjectHypothesis": "string class_id; float64 score",
        "BoundingBox2D": "Pose2D center; float64 size_x; float64 size_y",
        "BoundingBox3D": "geometry_msgs/Pose center; geometry_msgs/Vector3 size",
        "Pose2D": "Point2D position; float64 theta",
        "Point2D": "float64 x; float64 y",
    },
    "yolo_msgs": {
        "DetectionArray": f"{_HEADER}; Detection[] detections",
        "Detection": "int32 class_id; string class_name; float64 score; string id; "
        "BoundingBox2D bbox; BoundingBox3D bbox3d; Mask mask; KeyPoint2DArray keypoints; "
        "KeyPoint3DArray keypoints3d",
        "BoundingBox2D": "Pose2D center; Vector2 size",
        "BoundingBox3D": "geometry_msgs/Pose center; geometry_msgs/Vector3 size; string frame_id",
        "Mask": "int32 height; int32 width; Point2D[] data",
        "KeyPoint2DArray": "KeyPoint2D[] data",
        "KeyPoint2D": "int32 id; Point2D point; float64 score",
        "KeyPoint3DArray": "KeyPoint3D[] data; string frame_id",
        "KeyPoint3D": "int32 id; geometry_msgs/Point point; float64 score",
        "Pose2D": "Point2D position; float64 theta",
        "Point2D": "float64 x; float64 y",
        "Vector2": "float64 x; float64 y",
    },
    "zed_msgs": {
        "ObjectsStamped": f"{_HEADER}; Object[] objects",
        "Object": "string label; int16 label_id; string sublabel; float32 confidence; "
        "float32[3] position; float32[6] position_covariance; float32[3] velocity; "
        "bool tracking_available; int8 tracking_state; int8 action_state; "
        "BoundingBox2Di bounding_box_2d; BoundingBox3D bounding_box_3d; float32[3] dimensions_3d; "
        "bool skeleton_available; int8 body_format; BoundingBox2Df head_bounding_box_2d; "
        "BoundingBox3D head_bounding_box_3d; float32[3] head_position; Skeleton2D skeleton_2d; "
        "Skeleton3D skeleton_3d",
        "BoundingBox2Df": "Keypoint2Df[4] corners",
        "BoundingBox2Di": "Keypoint2Di[4] corners",
        "BoundingBox3D": "Keypoint3D[8] corners",
        "Keypoint2Df": "float32[2] kp",
        "Keypoint2Di": "uint32[2] kp",
        "Keypoint3D": "float32[3] kp",
        "Skeleton2D": "Keypoint2Df[70] keypoints",
        "Skeleton3D": "Keypoint3D[70] keypoints",
    },
}
#: Of the packages' own definitions, in September 2026 (zed_msgs 5).
TYPE_HASHES = {
    ("people_msgs", "People"): (
        "RIHS01_9ea98a5e58f833a9532957bca23a6b8006a12885d5a16c8ca41dd901d10c33b6"
    ),
    ("vision_msgs", "Detection2DArray"): (
        "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968"
    ),
    ("vision_msgs", "Detection3DArray"): (
        "RIHS01_793f5eab9595ac1c0da07873cc859db42eae51f0ee76056db8562515d830e018"
    ),
    ("yolo_msgs", "DetectionArray"): (
        "RIHS01_719290b4e201b2b6f9aa59f01215bc15b774e7b822f7f6d931d68e5ba6354a6a"
    ),
    ("zed_msgs", "ObjectsStamped"): (
        "RIHS01_0945160ef044aa44b86c8b0e5ae4ed5a8823259eafb37d67e9809efd589d3952"
    ),
}
_PACKAGE = """<package format="3">
  <name>{name}</name> <version>0.0.0</version> <description>for tests</description>
  <maintainer email="tests@example.com">tests</maintainer> <license>none</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <depend>geometry_msgs</depend> <depend>std_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
</package>
"""
_CMAKE = """cmake_minimum_required(VERSION 3.16)
project({name})
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
# Python needs nothing of C++, which would take half of the time.
list(FILTER AMENT_EXTENSIONS_rosidl_generate_idl_interfaces EXCLUDE REGEX "cpp")
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} DEPENDENCIES geometry_msgs std_msgs)
ament_package()
"""


def build(folder: Path) -> Path:
    """Build the packages below a folder, unless they are there, and return their prefix.

    Raises:
        RuntimeError: if they cannot be built; says why.
    """
    key = json.dumps([DEFINITIONS, _CMAKE, sys.prefix, sys.version], sort_keys=True)
    prefix = folder / hashlib.sha256(key.encode()).hexdigest()[:12]
    if prefix.exists():
        return prefix
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=folder))
    try:
        for name, messages in DEFINITIONS.items():
            _write(work / "src" / name, name, messages)
        ended = subprocess.run(
            [
                "colcon", "--log-base", "log", "build", "--merge-install", "--base-paths", "src",
                "--install-base", "install", "--cmake-args", "-DBUILD_TESTING=OFF",
                "-DCMAKE_BUILD_TYPE=Debug", f"-DPython3_EXECUTABLE={sys.executable}",
                "--no-warn-unused-cli", *(["-G", "Ninja"] if shutil.which("ninja") else []),
            ],
            cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=900,
        )  # fmt: skip
        if ended.returncode:
            raise RuntimeError(ended.stdout[-2000:])
        (work / "install").rename(prefix)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return prefix


def _write(folder: Path, name: str, messages: dict[str, str]) -> None:
    (folder / "msg").mkdir(parents=True)
    for message, fields in messages.items():
        (folder / "msg" / f"{message}.msg").write_text(fields.replace("; ", "\n") + "\n")
    files = " ".join(f"msg/{message}.msg" for message in messages)
    (folder / "CMakeLists.txt").write_text(_CMAKE.format(name=name, files=files))
    (folder / "package.xml").write_text(_PACKAGE.format(name=name))


def type_hash(prefix: Path, package: str, message: str) -> str:
    """Return the hash of a built message's type."""
    told = json.loads((prefix / "share" / package / "msg" / f"{message}.json").read_text())
    return next(
        str(each["hash_string"])
        for each in told["type_hashes"]
        if each["type_name"] == f"{package}/msg/{message}"
    )


def run_with(prefix: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that finds the packages below a prefix."""
    return subprocess.run(
        ["bash", "-c", 'source "$0" && exec "$@"', str(prefix / "local_setup.bash"), *command],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=500,
        env=os.environ | {"COLCON_CURRENT_PREFIX": str(prefix)},
    )  # fmt: skip
