"""The CUDA stream of the TensorRT backend on a real GPU, where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from pstmo_core.runtime.base import BackendUnavailable
from pstmo_core.runtime.tensorrt.cuda_probe import probe_cuda
from pstmo_core.runtime.tensorrt.cuda_stream import CudaStream, cuda_bindings


@pytest.fixture
def stream() -> CudaStream:
    try:
        probe_cuda()
        driver = cuda_bindings()
    except BackendUnavailable as missing:
        pytest.skip(str(missing))
    return CudaStream(driver)


def test_a_recorded_graph_copies_there_and_back_each_time_it_is_launched(
    stream: CudaStream,
) -> None:
    shape, kind = (16, 27, 18, 3), np.dtype(np.float32)
    sent, received = stream.pinned(shape, kind), stream.pinned(shape, kind)
    memory = stream.device_memory(sent.nbytes)

    def there_and_back() -> None:
        stream.upload(memory, sent)
        stream.download(received, memory)

    launch = stream.record(there_and_back)
    for value in (1.0, 2.0):
        sent[:] = value * np.arange(sent.size, dtype=np.float32).reshape(shape)
        assert not np.array_equal(received, sent)
        launch()
        stream.wait()
        np.testing.assert_array_equal(received, sent)


def test_the_device_is_told_by_name_and_capability(stream: CudaStream) -> None:
    device = probe_cuda()
    assert device.name and float(device.capability) >= 5.0 and float(device.cuda) >= 11.0
