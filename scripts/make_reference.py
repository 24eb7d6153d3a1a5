r"""Makes recordings with a 3D reference, for `pstmo bench real`, from several calibrated cameras.

    python scripts/make_reference.py calibration.toml -o my_recording \
        --keypoints cam1=cam1.json --keypoints cam2=cam2.json --keypoints cam3=cam3.json

The calibration is a TOML file as Pose2Sim, Anipose and FreeMoCap write it: a table for each camera
with `name`, `size`, `matrix`, `distortions`, `rotation` (a rotation vector, world to camera) and
`translation` in metres. The keypoints are those of one person in each camera's video, in any file
that `pstmo lift` reads, frame by frame at the same moments. A folder of recordings that were made
before can stand for both: it is made again from its own keypoints (--detector says which).

Take the best detector there is for the reference, and others with --also to be judged. The script
says how well the cameras agree: 5 to 10 mm is good, above 15 mm differences between detectors mean
little.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from pstmo_core.atomic_files import atomic_file, check_output
from pstmo_core.bench.real_recordings import opencv_camera
from pstmo_core.bench.triangulation import (
    StationedCamera,
    Triangulated,
    refine_rotations,
    triangulate,
)
from pstmo_core.errors import PstmoError
from pstmo_core.keypoints.clip import load_clip
from pstmo_core.keypoints.layouts import LAYOUTS

#: Millimetres of disagreement at the median from which on the reference is doubtful.
DOUBTFUL = 15.0
#: Seconds over which positions are smoothed, and the longest gap that is filled.
SMOOTHED = 0.15
LONGEST_GAP = 0.2

Keypoints = dict[str, dict[str, np.ndarray]]
"""Camera -> key of the file (LAYOUT_NAME) -> (F, J, 3)."""


def read_calibration(path: Path) -> list[StationedCamera]:
    """Read the cameras of a TOML file.

    Raises:
        PstmoError: if it is none, or has none, or one with a fisheye lens.
    """
    import cv2

    try:
        import tomllib
    except ImportError as error:  # Python 3.10
        raise PstmoError("reading TOML needs Python 3.11 or later") from error
    try:
        tables = tomllib.loads(path.read_text())
        found = [
            _stationed(str(table.get("name", key)), table)
            for key, table in tables.items()
            if isinstance(table, dict) and "matrix" in table
        ]
    except (OSError, KeyError, TypeError, ValueError, cv2.error) as error:
        if isinstance(error, PstmoError):
            raise PstmoError(f"{path}: {error}") from error
        raise PstmoError(f"{path}: is no calibration as Pose2Sim writes it ({error})") from error
    if not found:
        raise PstmoError(f"{path}: has no camera, that is, no table with a matrix")
    return found


def _stationed(name: str, table: dict[str, Any]) -> StationedCamera:
    import cv2

    if table.get("fisheye"):
        raise PstmoError(f"{name} has a fisheye lens: undistort its videos first")
    width, height = map(int, table["size"])
    return StationedCamera(
        name,
        opencv_camera(width, height, np.array(table["matrix"]), np.array(table["distortions"])),
        cv2.Rodrigues(np.array(table["rotation"], float))[0],
        np.array(table["translation"], float),
    )


def read_recordings(folder: Path) -> tuple[list[StationedCamera], Keypoints, float]:
    """Read cameras and keypoints of recordings that this script made."""
    cameras, keypoints, fps = [], {}, 0.0
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            camera = opencv_camera(int(file["width"]), int(file["height"]), file["K"], file["D"])
            cameras.append(StationedCamera(path.stem, camera, file["R"], file["T"]))
            keypoints[path.stem] = {
                key: file[key] for key in file.files if key.partition("_")[0] in LAYOUTS
            }
            fps = float(file["fps"])
    if not cameras:
        raise PstmoError(f"{folder}: has no recordings (*.npz)")
    return cameras, keypoints, fps


def read_keypoints(cameras: list[StationedCamera], given: list[str], name: str) -> Keypoints:
    """Read files given as CAMERA=FILE; the first person of each."""
    found: Keypoints = {camera.name: {} for camera in cameras}
    for each in given:
        camera, _, path = each.partition("=")
        known = next((one for one in cameras if one.name == camera), None)
        if known is None or not path:
            raise PstmoError(f"{each!r} is no CAMERA=FILE of the cameras {', '.join(found)}")
        size = (known.camera.width, known.camera.height)
        clip = load_clip(Path(path), fps=1.0, size=size)
        values = np.concatenate([clip.keypoints[:, 0], clip.scores[:, 0, :, None]], -1)
        found[camera][f"{clip.layout}_{name}"] = values
    return found


def rays_of(
    cameras: list[StationedCamera], keypoints: Keypoints, key: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return rays (V, F, J, 2) and scores (V, F, J) of a detector."""
    missing = [camera.name for camera in cameras if key not in keypoints[camera.name]]
    if missing:
        raise PstmoError(f"the cameras {', '.join(missing)} have no keypoints {key}")
    points = [keypoints[camera.name][key] for camera in cameras]
    if len({each.shape for each in points}) > 1:
        lengths = ", ".join(str(len(each)) for each in points)
        raise PstmoError(f"the cameras have {lengths} frames, but must have the same ones")
    rays = []
    for camera, values in zip(cameras, points, strict=True):
        known = np.isfinite(values[..., :2]).all(-1) & (values[..., 2] > 0)
        pixels = np.where(known[..., None], values[..., :2], 0)
        rays.append(np.where(known[..., None], camera.camera.rays(pixels), np.nan))
    return np.stack(rays), np.nan_to_num(np.stack(points)[..., 2])


def smooth(points: np.ndarray, fps: float) -> np.ndarray:
    """Smooth positions (F, J, 3) in time, short gaps filled, long ones left NaN."""
    from scipy.signal import savgol_filter

    window = 2 * round(SMOOTHED * fps / 2) + 1
    result = np.full_like(points, np.nan)
    rows = np.arange(len(points))
    for joint in range(points.shape[1]):
        known = np.isfinite(points[:, joint]).all(-1)
        if known.sum() < window:
            continue
        column = np.stack(
            [np.interp(rows, rows[known], points[known, joint, axis]) for axis in range(3)], -1
        )
        if window > 2:
            column = savgol_filter(column, window, min(2, window - 1), axis=0)
        before = np.maximum.accumulate(np.where(known, rows, -len(rows)))
        after = np.minimum.accumulate(np.where(known, rows, 2 * len(rows))[::-1])[::-1]
        filled = known | (after - before <= LONGEST_GAP * fps)
        result[filled, joint] = column[filled]
    return result


def report(cameras: list[StationedCamera], found: Triangulated, turned: np.ndarray) -> list[str]:
    """Say how well the cameras agree, with warnings."""
    lines, medians = [], []
    for index, camera in enumerate(cameras):
        depth = camera.to_camera(found.points)[..., 2]
        error = found.errors[index]
        pixels = np.nanmedian(error) * camera.camera.focal[0]
        medians.append(float(np.nanmedian(error * depth) * 1e3))
        share = found.inliers[index].mean()
        lines.append(
            f"{camera.name}: {pixels:.1f} px or {medians[-1]:.0f} mm off at the median, "
            f"{share:.0%} of the points used; turning it by {turned[index]:.1f} degrees fits best"
        )
    unknown = 1 - np.isfinite(found.points).all(-1).mean()
    if np.median(medians) > DOUBTFUL:
        lines.append(
            f"warning: the cameras disagree by {np.median(medians):.0f} mm: check that they are "
            "synchronised and calibrated in metres, and that all see the same person"
        )
    for camera, median in zip(cameras, medians, strict=True):
        if median > 2 * np.median(medians):
            lines.append(f"warning: {camera.name} fits the others badly: was it moved, or late?")
    if unknown > 0.05:
        lines.append(f"warning: {unknown:.0%} of the points are not agreed on by two cameras")
    return lines


def main(
    calibration: Annotated[
        Path, typer.Argument(help="The calibration (TOML), or a folder of recordings.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the recordings.")],
    keypoints: Annotated[
        list[str],
        typer.Option(help="CAMERA=FILE, the keypoints that make the reference; one per camera."),
    ] = [],  # noqa: B006
    also: Annotated[
        list[str],
        typer.Option(help="NAME:CAMERA=FILE, keypoints of another detector to be judged."),
    ] = [],  # noqa: B006
    detector: Annotated[
        str, typer.Option(help="What to call the reference's detector; of a folder: its key.")
    ] = "reference",
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 0.0,
    name: Annotated[str, typer.Option(help="Of the recording.")] = "",
    refine: Annotated[
        bool,
        typer.Option("--refine", help="Turn each camera to where it fits best: tripods slip."),
    ] = False,
) -> None:
    """Make recordings with a 3D reference."""
    try:
        if calibration.is_dir():
            cameras, found, fps = read_recordings(calibration)
            key = detector
        else:
            cameras = read_calibration(calibration)
            found = read_keypoints(cameras, keypoints, detector)
            for each in also:
                other, _, assignment = each.partition(":")
                for camera, more in read_keypoints(cameras, [assignment], other).items():
                    found[camera] |= more
            key = next((k for k in found[cameras[0].name] if k.endswith(f"_{detector}")), detector)
        if fps <= 0:
            raise PstmoError("give the frame rate of the videos (--fps)")
        rays, scores = rays_of(cameras, found, key)
        refined, turned = refine_rotations(cameras, rays, scores)
        if refine:
            cameras, turned = refined, np.zeros(len(cameras))
        points = triangulate(cameras, rays, scores)
        for line in report(cameras, points, turned):
            typer.echo(line)
        read = list(calibration.glob("*.npz")) if calibration.is_dir() else [calibration]
        write(output, name, cameras, found, key, smooth(points.points, fps), points, fps, read)
    except PstmoError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from error


def write(
    output: Path,
    name: str,
    cameras: list[StationedCamera],
    keypoints: Keypoints,
    key: str,
    points: np.ndarray,
    found: Triangulated,
    fps: float,
    inputs: list[Path],
) -> None:
    """Write one npz a camera, never in place of an input."""
    output.mkdir(parents=True, exist_ok=True)
    for index, station in enumerate(cameras):
        camera = station.camera
        matrix = np.array(
            [[camera.focal[0], 0, camera.centre[0]], [0, camera.focal[1], camera.centre[1]],
             [0, 0, 1]]
        )  # fmt: skip
        path = output / (f"{name}_cam{index + 1:02d}.npz" if name else f"{station.name}.npz")
        check_output(path, inputs)
        with atomic_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file,
                points3d_camera=station.to_camera(points).astype(np.float32),
                layout=np.str_(key.partition("_")[0]),
                reprojection_px=(found.errors[index] * camera.focal[0]).astype(np.float32),
                K=matrix,
                D=np.array(camera.distortion or (0.0,) * 4),
                R=station.rotation,
                T=station.translation,
                width=camera.width,
                height=camera.height,
                fps=fps,
                **keypoints[station.name],
            )
        typer.echo(f"wrote {path}")


if __name__ == "__main__":
    typer.run(main)
