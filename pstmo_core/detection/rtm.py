"""RTMPose and RTMO networks from ONNX files, run by the library rtmlib on the CPU.

Files are local. rtmlib's own download is used only if `download` is set.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.detection.base import Detections, DetectorError
from pstmo_core.detection.network_file import open_session
from pstmo_core.detection.options import DetectorOptions
from pstmo_core.errors import how_to_install
from pstmo_core.keypoints.layouts import get_layout

WHERE = (
    "get the files named onnx_sdk at "
    "https://github.com/open-mmlab/mmpose/tree/main/projects/rtmpose and unpack end2end.onnx"
)


class RtmDetector:
    """People by YOLOX or RTMDet, and the keypoints of each by RTMPose; or all at once by RTMO.

    Raises:
        DetectorError: if rtmlib or a file is missing.
    """

    def __init__(self, options: DetectorOptions) -> None:
        rtmlib = _library()
        self.layout = options.detector_layout
        self._options = options
        self._search: Any = None
        if options.pose_model:
            self._load(rtmlib)
        elif options.download:
            self._download(rtmlib)
        else:
            raise DetectorError(
                f"the detector rtm needs the path of an RTMPose or RTMO file: {WHERE}, then set "
                "pose_model, and person_model for RTMPose; or set download and rtmlib gets them"
            )

    def detect(self, image: np.ndarray) -> Detections:
        """See `Detector.detect`."""
        joints = len(get_layout(self.layout).joint_names)
        if self._search is None:
            points, scores = self._pose(image)
        else:
            boxes = np.reshape(self._search(image), (-1, 4))[: self._options.most_people]
            # rtmlib takes no boxes at all for the whole image.
            if not len(boxes):
                return Detections.nobody(joints)
            points, scores = self._pose(image, bboxes=boxes)
        if points.shape[1:] != (joints, 2):
            raise DetectorError(
                f"{self._names()}: gives points of the shape {points.shape}, but the layout "
                f"{self.layout} has {joints}: set detector_layout"
            )
        scores = np.clip(scores, 0, 1).astype(np.float32)
        # RTMO gives one person with scores of 0 where nobody is.
        kept = scores.mean(-1) >= self._options.least_score
        kept[self._options.most_people :] = False
        return Detections(points[kept].astype(np.float32), scores[kept])

    def reset(self) -> None:
        """See `Detector.reset`: there is nothing to forget."""

    def describe(self) -> str:
        """See `Detector.describe`."""
        return f"{self._names()} by rtmlib, {self.layout}"

    def _load(self, rtmlib: Any) -> None:
        options = self._options
        session = open_session(Path(options.pose_model), options.detector_threads)
        if finds_people_itself(session):
            self._pose = self._tool(rtmlib.RTMO, options.pose_model, session)
            self._pose.score_thr = options.least_score
            return
        if not options.person_model:
            raise DetectorError(
                f"{options.pose_model}: RTMPose needs people's boxes: {WHERE} of YOLOX or RTMDet, "
                "then set person_model; or take RTMO"
            )
        self._pose = self._tool(rtmlib.RTMPose, options.pose_model, session, turned=True)
        kind = rtmlib.RTMDet if "rtmdet" in options.person_model.lower() else rtmlib.YOLOX
        search = open_session(Path(options.person_model), options.detector_threads)
        self._search = self._tool(kind, options.person_model, search)

    def _tool(self, kind: Any, path: str, session: Any, turned: bool = False) -> Any:
        """Make one of rtmlib's tools with a session of as many threads as wanted.

        `turned` says that it takes width and height, not height and width.
        """
        sides = session.get_inputs()[0].shape[2:]
        arguments: dict[str, Any] = {}
        if len(sides) == 2 and all(isinstance(side, int) for side in sides):
            arguments["model_input_size"] = tuple(sides[::-1] if turned else sides)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it loads
            tool = kind(path, backend="onnxruntime", device="cpu", **arguments)
        tool.session = session
        return tool

    def _download(self, rtmlib: Any) -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                body = rtmlib.Body(mode="balanced", backend="onnxruntime", device="cpu")
        except Exception as error:  # of the network, of the disc, of what came
            raise DetectorError(
                f"rtmlib could not download its files ({type(error).__name__}: {error}): {WHERE}, "
                "then set pose_model and person_model"
            ) from error
        self._pose, self._search = body.pose_model, body.det_model

    def _names(self) -> str:
        tools = (self._search, self._pose) if self._search else (self._pose,)
        return " and ".join(Path(tool.onnx_model).name for tool in tools)


def finds_people_itself(session: Any) -> bool:
    """Tell RTMO, which gives people's boxes (1, N, 5) and keypoints (1, N, J, 3), from RTMPose.

    RTMPose gives two likelihoods (N, J, bins). Exports name their axes in many ways, so the ranks
    of the outputs decide.
    """
    return sorted(len(output.shape) for output in session.get_outputs()) == [3, 4]


def _library() -> Any:
    try:
        import rtmlib
    except ImportError as error:
        raise DetectorError(
            f"the detector rtm needs rtmlib, which does not load in {sys.executable} ({error}): "
            f"pip install rtmlib, or {how_to_install('rtm')}"
        ) from error
    return rtmlib
