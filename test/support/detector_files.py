"""Keypoint files as the detectors write them, made from a clip of COCO's 17 points."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.keypoints.layouts import get_layout

SIZE = (1280, 720)
NAMES = get_layout("coco17").joint_names
#: Frames of the clip that tests write and read.
FRAMES = 20


def coco_clip(frames: int) -> Clip:
    """Two people of the sample, the second missing in some frames; their points as COCO's."""
    sample = load_clip(sample_path())
    points = sample.keypoints[:frames].copy()
    points[np.isnan(points)] = 300.0
    points[5:8, 1] = np.nan
    scores = np.where(np.isfinite(points).all(-1), np.float32(0.75), np.float32(0))
    return Clip(points, scores, sample.stamps[:frames], *SIZE, "coco17", ("p0", "p1"))


def people(clip: Clip, frame: int) -> list[tuple[int, list[list[float]], list[float]]]:
    return [
        (person, clip.keypoints[frame, person].tolist(), clip.scores[frame, person].tolist())
        for person in np.flatnonzero(clip.present(frame)).tolist()
    ]


def triplets(points: list[list[float]], scores: list[float]) -> list[float]:
    return [value for p, s in zip(points, scores, strict=True) for value in (*p, s)]


def coco_results(clip: Clip) -> Any:
    return [
        {"image_id": f + 1, "category_id": 1, "keypoints": triplets(p, s), "score": 1.7,
         "track_id": i}
        for f in range(len(clip)) for i, p, s in people(clip, f)
    ]  # fmt: skip


def coco_annotations(clip: Clip) -> Any:
    images = [
        {"id": 900 - f, "file_name": f"frame_{f}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for f in range(len(clip))
    ]
    entries = [dict(e, image_id=901 - e["image_id"]) for e in coco_results(clip)]
    return {"images": images, "annotations": entries, "categories": []}


def alphapose(clip: Clip) -> Any:
    return [
        {"image_id": f"{f}.jpg", "keypoints": triplets(p, s), "score": 2.9, "idx": i}
        for f in range(len(clip)) for i, p, s in people(clip, f)
    ]  # fmt: skip


def alphapose_cmu(clip: Clip) -> Any:
    return {
        f"{f}.jpg": {"version": "x", "bodies": [{"joints": triplets(p, s)}
                                                 for _, p, s in people(clip, f)]}
        for f in range(len(clip))
    }  # fmt: skip


def mmpose(clip: Clip) -> Any:
    frames = [
        {"frame_id": f + 1, "instances": [{"keypoints": p, "keypoint_scores": s}
                                          for _, p, s in people(clip, f)]}
        for f in range(len(clip))
    ]  # fmt: skip
    return {"meta_info": {"dataset_name": "coco"}, "instance_info": frames}


def mmpose_frames(clip: Clip) -> Any:
    return mmpose(clip)["instance_info"]


def gastnet(clip: Clip) -> Any:
    return {"data": [{"frame_index": f, "skeleton": [
        {"pose": p, "score": [[v] for v in s]} for _, p, s in people(clip, f)]}
        for f in range(len(clip))]}  # fmt: skip


def tfjs(clip: Clip) -> Any:
    long = [n.replace("l", "left_", 1) if n[0] == "l" else n.replace("r", "right_", 1)
            if n[0] == "r" else n for n in NAMES]  # fmt: skip
    return [
        [{"keypoints": [{"x": x, "y": y, "score": v, "name": n}
                        for (x, y), v, n in zip(p, s, long, strict=True)], "score": 0.9}
         for _, p, s in people(clip, f)]
        for f in range(len(clip))
    ]  # fmt: skip


def coco_scores_apart(clip: Clip) -> Any:
    """Results of scores beside the points, file names of two numbers, and things of no points."""
    return [{"image_id": "0.jpg", "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.9}] + [
        {"image_id": f"{f:06}_cam3.jpg", "keypoints": p, "keypoint_scores": s}
        for f in range(len(clip)) for _, p, s in people(clip, f)
    ]  # fmt: skip


def coco_without_image_ids(clip: Clip) -> Any:
    return [
        {"file_name": f"frames/{f:06}.mp4", "category_id": 1, "keypoints": triplets(p, s)}
        for f in range(len(clip)) for _, p, s in people(clip, f)
    ]  # fmt: skip


def mmpose_before_1(clip: Clip) -> Any:
    return [[{"bbox": [1, 2, 3, 4, 0.9], "track_id": float(i),
              "keypoints": [[*at, v] for at, v in zip(p, s, strict=True)]}
             for i, p, s in people(clip, f)] for f in range(len(clip))]  # fmt: skip


def ultralytics(clip: Clip) -> Any:
    return [[{"name": "person", "class": 0, "confidence": 0.9, "track_id": i + 1,
              "box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4},
              "keypoints": {"x": [at[0] for at in p], "y": [at[1] for at in p], "visible": s}}
             for i, p, s in people(clip, f)] for f in range(len(clip))]  # fmt: skip


def detectron2(clip: Clip) -> Any:
    return [{"pred_boxes": [[1, 2, 3, 4]], "scores": [0.9, 0.8],
             "pred_keypoints": [[[*at, v] for at, v in zip(p, s, strict=True)]
                                for _, p, s in people(clip, f)]}
            for f in range(len(clip))]  # fmt: skip


def rtmlib(clip: Clip) -> Any:
    return {"fps": 30, "width": SIZE[0], "height": SIZE[1], "frames": [
        {"keypoints": [p for _, p, _ in people(clip, f)],
         "scores": [s for *_, s in people(clip, f)]} for f in range(len(clip))]}  # fmt: skip


def posenet(clip: Clip) -> Any:
    long = [n.replace("l", "left", 1) if n[0] == "l" else n.replace("r", "right", 1)
            if n[0] == "r" else n for n in NAMES]  # fmt: skip
    return [[{"score": 0.9, "keypoints": [
        {"part": n, "position": {"x": x, "y": y}, "score": v}
        for (x, y), v, n in zip(p, s, long, strict=True)]} for _, p, s in people(clip, f)]
        for f in range(len(clip))]  # fmt: skip


def easy_vitpose(clip: Clip) -> Any:
    """Points begin with y there."""
    return {"skeleton": dict(enumerate(NAMES)), "keypoints": [
        {str(i): [[y, x, v] for (x, y), v in zip(p, s, strict=True)]
         for i, p, s in people(clip, f)} for f in range(len(clip))]}  # fmt: skip


WRITERS: dict[str, Callable[[Clip], Any]] = {
    each.__name__: each
    for each in (coco_results, coco_annotations, alphapose, alphapose_cmu, mmpose, mmpose_frames,
                 gastnet, tfjs, coco_scores_apart, coco_without_image_ids, mmpose_before_1,
                 ultralytics, detectron2, rtmlib, posenet, easy_vitpose)
}  # fmt: skip


def write_openpose(folder: Path, clip: Clip, nobody_in: int | None = None) -> None:
    """Write a folder of OpenPose: one file of BODY_25 points for each frame."""
    order = [NAMES.index(n) if n in NAMES else None for n in get_layout("body25").joint_names]
    for frame in range(len(clip)):
        listed = people(clip, frame) if frame != nobody_in else []
        content = {"version": 1.3, "people": [
            {"person_id": [-1], "pose_keypoints_2d": [
                v for c in order for v in ([*p[c], s[c]] if c is not None else [0, 0, 0])]}
            for _, p, s in listed]}  # fmt: skip
        (folder / f"v_{frame:012}_keypoints.json").write_text(json.dumps(content))


def write_predictions(folder: Path, clip: Clip) -> None:
    """Write the instances of each frame to a file of its own, as MMPose's inferencer does."""
    for f in range(len(clip)):
        instances = [{"keypoints": p, "keypoint_scores": s} for _, p, s in people(clip, f)]
        (folder / f"{f:06}.json").write_text(json.dumps(instances))


def write_yolo(folder: Path, clip: Clip, tracked: bool = False) -> None:
    """Write Ultralytics' labels: class, box, points in shares of the image, the track's number."""
    for f in range(len(clip)):
        lines = [
            [0, 0.5, 0.5, 0.2, 0.4, *triplets((np.array(p) / SIZE).tolist(), s), *[i + 1] * tracked]
            for i, p, s in people(clip, f)
        ]
        text = "".join(" ".join(map(str, line)) + "\n" for line in lines)
        (folder / f"walk2_{f + 1}.txt").write_text(text)


def mediapipe_landmarks() -> np.ndarray:
    """Return real landmarks as MediaPipe gives them, (F, 33, 4): shares of the image."""
    pixels = np.array(json.loads((Path(__file__).parents[1] / "data/blazepose33.json").read_text()))
    shares = pixels[..., :2] / (720, 1280)
    visibility = np.full((*shares.shape[:2], 1), 0.9)
    return np.concatenate([shares, pixels[..., 2:], visibility], -1)


def write_videopose3d(path: Path, clip: Clip) -> None:
    """Write the first person as VideoPose3D's preparation of a video does, pickled."""
    content = {"a.mp4": {"custom": [clip.keypoints[:, 0]]}}
    facts = {"layout_name": "coco", "video_metadata": {"a.mp4": {"w": SIZE[0], "h": SIZE[1]}}}
    np.savez_compressed(path, positions_2d=content, metadata=facts)


def deeplabcut_rows(clip: Clip) -> list[list[Any]]:
    """Return the rows of DeepLabCut's CSV of the first person."""
    return [
        ["scorer", *["net"] * 51],
        ["bodyparts", *(n for n in NAMES for _ in range(3))],
        ["coords", *["x", "y", "likelihood"] * 17],
        *([f, *triplets(*people(clip, f)[0][1:])] for f in range(len(clip))),
    ]


def table_rows(clip: Clip, header: Callable[[str, str], str]) -> list[list[Any]]:
    """Return the rows of a table of all people.

    Args:
        clip: what it holds.
        header: names the column of a joint and an axis, "x", "y" or "s".
    """
    names = ["frame", "timestamp_ms", "id", *(header(n, a) for n in NAMES for a in "xys")]
    rows = [
        [frame, frame * 40, f"id{person}", *triplets(points, scores)]
        for frame in range(len(clip)) for person, points, scores in people(clip, frame)
    ]  # fmt: skip
    return [names, *rows]


def write_rows(path: Path, rows: list[list[Any]], delimiter: str = ",") -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def same_people(clip: Clip, truth: Clip) -> None:
    """Each frame has the same people; their ids may be others."""
    assert (clip.layout, clip.width, clip.height) == ("coco17", *SIZE)
    assert len(clip) == len(truth)
    for frame in range(len(truth)):
        found = [clip.keypoints[frame, p] for p in np.flatnonzero(clip.present(frame))]
        expected = [truth.keypoints[frame, p] for p in np.flatnonzero(truth.present(frame))]
        assert len(found) == len(expected)
        for points in expected:
            assert min(float(np.abs(points - each).max()) for each in found) < 0.01
