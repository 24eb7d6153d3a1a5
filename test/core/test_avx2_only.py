"""scripts/avx2_only: what runs under it takes the processor for one without AVX-512."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pstmo_core.bench.machine import machine

RUN = Path(__file__).parents[2] / "scripts" / "avx2_only" / "run.sh"
NETWORK = """
import threading
import numpy as np
from pstmo_core.bench.machine import machine
from pstmo_core.detection.multipose import Multipose
image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
threading.Thread(target=Multipose(2).search, args=(image, 192, 0.2)).start()
print(machine()["vector_instructions"])
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_libraries_choose_their_code_for_avx2_and_it_runs() -> None:
    if machine()["vector_instructions"] != "AVX-512":
        pytest.skip("needs a processor with AVX-512, to hide it, and NumPy 2")
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    ended = run(str(RUN), sys.executable, "-c", NETWORK)
    if "cannot hide instructions" in ended.stderr:
        pytest.skip("needs a processor and a kernel with cpuid_fault")
    assert (ended.returncode, ended.stdout) == (0, "AVX2\n"), ended.stderr


def test_a_fault_of_the_programs_own_still_ends_it() -> None:
    if machine()["vector_instructions"] != "AVX-512" or shutil.which("cc") is None:
        pytest.skip("needs a processor with AVX-512, NumPy 2 and a C compiler")
    ended = run(str(RUN), sys.executable, "-c", "import ctypes; ctypes.string_at(0)")
    if "cannot hide instructions" in ended.stderr:
        pytest.skip("needs a processor and a kernel with cpuid_fault")
    assert ended.returncode != 0
