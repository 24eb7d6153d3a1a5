"""`import pstmo_core as pstmo`: the public names, and the live lifter among them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pstmo_core as pstmo

ROOT = Path(__file__).parents[2]


def test_every_public_name_is_there_and_documented() -> None:
    assert set(pstmo.__all__) <= set(dir(pstmo))
    for name in pstmo.__all__:
        value = getattr(pstmo, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert len(inspect.getdoc(value) or "") > 30, name


def test_type_checkers_see_the_same_names_in_the_same_modules() -> None:
    tree = ast.parse(Path(inspect.getfile(pstmo)).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {alias.name: node.module for node in imports for alias in node.names}
    for other in ("annotations", "import_module", "TYPE_CHECKING", "Any"):
        del seen[other]
    assert seen == pstmo._HOMES
    assert sorted(seen) == sorted(pstmo.__all__)
    assert (Path(inspect.getfile(pstmo)).parent / "py.typed").exists()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Liter'"):
        _ = pstmo.Liter


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, pstmo_core; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert not {"numpy", "onnxruntime", "torch", "scipy", "cv2"} & set(loaded)


def test_the_lines_of_python_in_the_readme_run(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(pstmo.load_clip())
    assert any("(2, 17, 3)" in line for line in lines)


def test_the_live_lifter_gives_the_numbers_of_the_clip() -> None:
    clip = pstmo.load_clip()
    offline = pstmo.lift_clip(clip, at_once=1)
    lifter, rows = pstmo.Lifter(), iter(range(len(clip)))
    for frame in clip:
        for answer in lifter.push(frame):
            people = [clip.ids.index(name) for name in answer.ids]
            np.testing.assert_array_equal(answer.joints, offline.joints[next(rows), people])


def test_arrays_without_ids_are_named_by_a_tracker_and_lifted_alike() -> None:
    clip = pstmo.load_clip()
    named, unnamed = pstmo.Lifter(), pstmo.Lifter()
    size = (clip.width, clip.height)
    for index in range(60):
        there = clip.present(index)
        arrays = clip.keypoints[index][there], clip.scores[index][there], size, clip.layout
        ids = [name for name, here in zip(clip.ids, there, strict=True) if here]
        (expected,) = named.push_points(int(clip.stamps[index]), *arrays, ids)
        (answer,) = unnamed.push_points(int(clip.stamps[index]), *arrays)
        assert len(answer.ids) == len(expected.ids)
        ours = dict(zip(answer.ids, answer.joints, strict=True))
    # Ids were stable from image to image: the window of each person holds one person only.
    theirs = dict(zip(expected.ids, expected.joints, strict=True))
    nearest = [min(np.abs(a - b).max() for b in theirs.values()) for a in ours.values()]
    assert max(nearest) < 1e-6


def test_a_camera_gives_root_positions_and_its_absence_none() -> None:
    clip = pstmo.load_clip()
    camera = pstmo.Camera(
        clip.width, clip.height, (1000.0, 1000.0), (clip.width / 2, clip.height / 2)
    )
    for given, known in ((camera, True), (None, False)):
        (answer,) = pstmo.Lifter(camera=given).push(clip.frame(60))
        assert np.isfinite(answer.roots.position).all() == known


def test_settings_are_checked_when_they_are_made() -> None:
    with pytest.raises(pstmo.PstmoError, match="look_ahead"):
        pstmo.Lifter(config=pstmo.StreamConfig(look_ahead=400))
    assert dataclasses.is_dataclass(pstmo.StreamConfig)


def test_nothing_is_written_to_the_users_home_and_nothing_reported(tmp_path: Path) -> None:
    # ONNX Runtime would leave an id of the device there, for its telemetry.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")}
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": str(Path(pstmo.__file__).parents[1])}
    environment.pop("XDG_CACHE_HOME", None)
    script = "import pstmo_core; pstmo_core.load_runtime()"
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=tmp_path)
    assert done.returncode == 0 and not list(tmp_path.rglob("*"))
