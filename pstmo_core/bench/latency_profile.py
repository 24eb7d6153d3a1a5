"""Where a step spends its time: ONNX Runtime's profile of the step graph, by kind of operation."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from pstmo_core.bench.networks import Network
from pstmo_core.encoding import input_shape
from pstmo_core.runtime.base import STEP_OUTPUTS
from pstmo_core.runtime.onnx_graph import keep_outputs
from pstmo_core.runtime.step_inputs import step_inputs

PRODUCTS, ATTENTION = "linear maps and convolutions", "products in attention"
_KINDS = {"Softmax": "softmax", "LayerNormalization": "norms"}
_OTHER = "sums, copies, gathering"
_STEPS = 50


def profile_step(network: Network) -> dict[str, float]:
    """Return milliseconds of each kind in a step of one person, one thread, the centre's pose.

    To look costs time too, some microseconds an operation, so the sum is above the step's latency.
    """
    target, _, embeddings = STEP_OUTPUTS
    graph = keep_outputs(network.path.read_bytes(), (target, embeddings))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_profiling = True
    with tempfile.TemporaryDirectory(prefix="pstmo_profile_") as folder:
        options.profile_file_prefix = str(Path(folder) / "step")
        session = onnxruntime.InferenceSession(graph, options, ["CPUExecutionProvider"])
        width = session.get_outputs()[1].shape[1]
        inputs = _inputs(network, width)
        for _ in range(_STEPS):
            session.run([target, embeddings], inputs)
        events = json.loads(Path(session.end_profiling()).read_text())
    times: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            times[_kind(event["args"])] += event["dur"]
    return {kind: time / _STEPS / 1e3 for kind, time in times.most_common()}


def _inputs(network: Network, width: int) -> dict[str, np.ndarray]:
    frames = network.config.frames
    random = np.random.default_rng(0)
    fresh = random.standard_normal((1, *input_shape(network.config.encoding)), np.float32)
    kept = random.standard_normal((frames - 1, width), np.float32)
    return step_inputs(fresh, kept, np.arange(frames)[None], None)


def _kind(arguments: dict[str, Any]) -> str:
    name = arguments["op_name"]
    if name in ("Gemm", "FusedGemm", "MatMul", "FusedMatMul"):
        (shape,) = arguments["input_type_shape"][0].values()
        return ATTENTION if len(shape) > 3 else PRODUCTS
    return _KINDS.get(name, _OTHER)
