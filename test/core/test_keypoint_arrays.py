"""NumPy files of keypoints: other programs' npz, other units, hostile ones."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from detector_files import (
    FRAMES,
    SIZE,
    coco_clip,
    people,
    same_people,
    write_videopose3d,
)

from pstmo_core.keypoints.clip import Clip, ClipError, load_clip
from pstmo_core.keypoints.formats import reading
from pstmo_core.keypoints.npz import bounded


@pytest.fixture(scope="module")
def truth() -> Clip:
    return coco_clip(FRAMES)


def test_detectrons_npz_as_videopose3ds_script_writes_it(truth: Clip, tmp_path: Path) -> None:
    found, boxes = np.empty(FRAMES, object), np.empty(FRAMES, object)
    for f in range(FRAMES):
        rows = [
            [*zip(*p, strict=True), [0.0] * 17, s] for _, p, s in people(truth, f)
        ]  # x, y, logit, probability
        found[f], boxes[f] = [[], np.array(rows, np.float32)], [[], np.ones((len(rows), 5))]
    path = tmp_path / "walk.mp4.npz"
    np.savez(path, boxes=boxes, keypoints=found, segments=np.empty(FRAMES, object),
             metadata={"w": SIZE[0], "h": SIZE[1]})  # fmt: skip
    same_people(load_clip(path, fps=30), truth)


def test_videopose3ds_npz_is_read_without_running_its_pickle(truth: Clip, tmp_path: Path) -> None:
    points = truth.keypoints[:, 0]
    facts = {"layout_name": "coco", "video_metadata": {"a.mp4": {"w": SIZE[0], "h": SIZE[1]}}}
    path = tmp_path / "data_2d_custom_x.npz"
    write_videopose3d(path, truth)
    clip = load_clip(path, fps=50)
    assert (clip.width, clip.height, clip.layout, clip.ids) == (*SIZE, "coco17", ("p0",))
    np.testing.assert_allclose(clip.keypoints[:, 0], points)
    np.savez(path, positions_2d={"a": {"custom": [points]}, "b": {"custom": []}}, metadata=facts)
    with pytest.raises(ClipError, match="holds 2 videos"):
        load_clip(path, fps=50)

    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    assert pickle.dumps(Hostile())
    np.savez(path, positions_2d=np.array(Hostile(), dtype=object), metadata=facts)
    with pytest.raises(ClipError):
        load_clip(path, fps=50)
    assert not (tmp_path / "ran").exists()


def test_scores_and_stamps_of_other_units_are_told_and_said(truth: Clip, tmp_path: Path) -> None:
    def saved(**changes: Any) -> Clip:
        whole = {"keypoints": truth.keypoints, "scores": truth.scores, "layout": "coco17",
                 "stamps": truth.stamps / 1e9, "width": SIZE[0], "height": SIZE[1]}  # fmt: skip
        np.savez(tmp_path / "c.npz", **(whole | changes))
        return load_clip(tmp_path / "c.npz")

    assert saved().notes == ()
    percent = saved(scores=truth.scores * 100)
    np.testing.assert_allclose(percent.scores, truth.scores, atol=1e-6)
    assert "percents" in percent.notes[0]
    flags = saved(scores=np.where(truth.scores > 0, 2, 0))
    assert flags.scores.max() == 1 and "COCO's visibility" in flags.notes[0]
    heatmap = saved(scores=truth.scores * 2)
    assert heatmap.scores.max() == 1 and "count as 1" in heatmap.notes[0]
    for unit, name in ((1e-6, "milliseconds"), (1e-3, "microseconds")):
        clip = saved(stamps=truth.stamps * unit)
        np.testing.assert_allclose(clip.stamps, truth.stamps, atol=2000)
        assert clip.notes == (f"stamps were taken as {name}",)
    shares = saved(keypoints=truth.keypoints / np.float32(SIZE))
    np.testing.assert_allclose(shares.keypoints, truth.keypoints, atol=0.01)
    with pytest.raises(ClipError, match="around 0 that are neither pixels nor shares"):
        saved(keypoints=truth.keypoints / np.float32(SIZE) * 2 - 1)


def test_sizes_are_bounded_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.npz"
    with path.open("wb") as file:
        np.savez_compressed(file, keypoints=np.zeros((100, 17, 2)))
    data = path.read_bytes()
    monkeypatch.setattr(bounded, "MOST_BYTES", 1000)
    with pytest.raises(bounded.NpzError, match="GB of arrays or more"):
        bounded.read_plain_npz(path, 1000)
    head = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6, 17, 2)}
    with zipfile.ZipFile(path, "w") as archive, archive.open("keypoints.npy", "w") as opened:
        np.lib.format.write_array_header_1_0(opened, head)  # type: ignore[arg-type]
    assert len(data) > path.stat().st_size
    with pytest.raises(ClipError, match="cut it into parts"):
        load_clip(path)
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    (tmp_path / "long.json").write_text("[" * 1000)
    with pytest.raises(ClipError, match="cut it into parts"):
        load_clip(tmp_path / "long.json")
