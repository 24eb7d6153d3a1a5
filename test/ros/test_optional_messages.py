"""The real messages of packages that are no wheels: built from their definitions, over DDS.

overlay/optional_messages.py has the tests, which run in a process that finds the packages.
Stand-ins of those that come in are tested in this process, too (test_inputs.py).
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from optional_packages import TYPE_HASHES, build, run_with, type_hash

pytest.importorskip("pstmo_ros.msg", reason="needs ROS 2 and the built messages")
pytest.importorskip("tf2_ros", reason="needs tf2")
pytest.importorskip("rosidl_generator_py", reason="needs the generators of messages")

HERE = Path(__file__).parent
#: As in scripts/test.sh: without the repository in sys.path.
PYTEST = "import sys; sys.path = [p for p in sys.path if p]; import pytest; sys.exit(pytest.main())"


@pytest.fixture(scope="module")
def prefix() -> Path:
    """Build the packages, which takes a minute the first time."""
    if shutil.which("colcon") is None:
        pytest.skip("needs colcon, which builds the messages of people, vision, yolo and zed")
    return build(HERE.parents[1] / ".pstmo" / "optional_messages")


def test_the_definitions_are_those_that_are_published(prefix: Path) -> None:
    assert {of: type_hash(prefix, *of) for of in TYPE_HASHES} == TYPE_HASHES


def test_people_boxes_and_keypoints_pass_as_the_real_messages(
    ros_domain: None, prefix: Path
) -> None:
    file = HERE / "overlay" / "optional_messages.py"
    ended = run_with(prefix, sys.executable, "-c", PYTEST, str(file), "-q", "-p", "no:randomly")
    assert ended.returncode == 0, ended.stdout
    summary = ended.stdout.splitlines()[-1]
    assert re.match(r"4 passed", summary), ended.stdout
    print(summary)
