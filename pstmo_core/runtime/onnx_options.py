"""Session options of ONNX Runtime, for the lifter and for the detectors."""

from __future__ import annotations

import onnxruntime


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Return the options of a session that computes on some threads of the CPU.

    Threads that wait for work sleep. By default ONNX Runtime lets them spin, which takes cores from
    the rest of the chain: two threads were slower than one on a busy machine.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
