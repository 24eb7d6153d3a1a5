"""Serves from the CPU while a thread gets the engine ready, and again if the GPU fails."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from pstmo_core.encoding import input_shape
from pstmo_core.runtime.base import LoadedNetwork, Runtime
from pstmo_core.runtime.step_inputs import in_order

Served = TypeVar("Served", bound=LoadedNetwork)
Answer = TypeVar("Answer")


class EngineWhenReady(Generic[Served]):
    """An engine that a thread loads or builds, as long as it can be used.

    Any thread may call it. `counters` counts steps by where they ran, and `gpu_lost`.
    """

    def __init__(
        self,
        cpu: Served,
        get_engine: Callable[[], Served],
        show: Callable[[Served], object],
        say: Callable[[str], object],
    ) -> None:
        """Start the thread.

        Args:
            cpu: serves meanwhile.
            get_engine: loads or builds the engine; may take minutes; any exception of it means
                that the CPU goes on serving.
            show: called with the runtime that serves from now on.
            say: called with a sentence on each change, from any thread.
        """
        self.counters: Counter[str] = Counter()
        self._cpu, self._show, self._say = cpu, show, say
        self._engine: Served | None = None
        self._lost: Served | None = None
        self._state = "a TensorRT engine is being loaded or built"
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=self._change, args=(get_engine,), name="tensorrt engine", daemon=True
        )
        show(cpu)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the engine serves or never will; False if `timeout` seconds were too short."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def describe(self) -> str:
        """Say who serves, and what became of the engine."""
        engine, state = self._engine, self._state
        return engine.describe() if engine else f"{self._cpu.describe()} ({state})"

    def step(self, on_gpu: Callable[[Served], Answer], on_cpu: Callable[[], Answer]) -> Answer:
        """Return the engine's answer if there is one, else the CPU's."""
        engine = self._engine
        if engine is None:
            return self._counted("steps_on_cpu", on_cpu())
        try:
            answer = on_gpu(engine)
        except Exception as error:  # of TensorRT, of the bindings, or of wrong arguments
            answer = on_cpu()  # fails too if those are at fault
            self._lose(engine, error)
            return self._counted("steps_on_cpu", answer)
        return self._counted("steps_on_gpu", answer)

    def _counted(self, where: str, answer: Answer) -> Answer:
        with self._lock:
            self.counters[where] += 1
        return answer

    def _change(self, get_engine: Callable[[], Served]) -> None:
        try:
            engine = get_engine()
        except Exception as error:  # whatever it is, the CPU serves
            self._state = f"no TensorRT engine: {error}"
            self._say(f"the CPU goes on serving: {self._state}")
            return
        self._engine = engine
        self._show(engine)
        self._say(f"from now on {engine.describe()}")

    def _lose(self, engine: Served, error: Exception) -> None:
        """Serve from the CPU for good. The engine is kept: to delete it would touch the GPU."""
        with self._lock:
            if self._engine is None:
                return  # another thread lost it too
            self.counters["gpu_lost"] += 1
            self._lost, self._engine = engine, None
            self._show(self._cpu)
            self._state = f"the GPU failed: {error}"
        self._say(f"the CPU serves from now on: {self._state}")


class ServesWhileBuilding(Runtime):
    """A backend that is there at once: the CPU's, until the engine is built and checked.

    A kept row holds the encoded frame and its embedding, so that both backends can go on from the
    rows of the other: the engine needs the frame alone; the CPU needs the embedding, which is NaN
    where the engine made the row, and then is computed again from the frame.

    Any thread may call it.
    """

    def __init__(
        self, cpu: Runtime, get_engine: Callable[[], Runtime], say: Callable[[str], object]
    ) -> None:
        """Start getting the engine; arguments as of `EngineWhenReady`."""
        self.config = cpu.config
        self._cpu = cpu
        self._frame_width = int(np.prod(input_shape(cpu.config.encoding)))
        self.row_width = self._frame_width + cpu.row_width
        self.engine = EngineWhenReady(cpu, get_engine, self._show, say)

    def step(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `Runtime.step`."""

        def on_gpu(engine: Runtime) -> tuple[np.ndarray, np.ndarray]:
            poses, frames = engine.step(fresh, kept[:, : self._frame_width], index, frame)
            unknown = np.full((len(frames), self._cpu.row_width), np.nan, np.float32)
            return poses, np.concatenate([frames, unknown], axis=1)

        return self.engine.step(on_gpu, lambda: self._on_cpu(fresh, kept, index, frame))

    def describe(self) -> str:
        """See `Runtime.describe`; says also what became of the engine."""
        return self.engine.describe()

    def _on_cpu(
        self, fresh: np.ndarray, kept: np.ndarray, index: np.ndarray, frame: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        width, count = self._frame_width, len(fresh)
        kept, index = in_order(kept, index)
        embeddings = np.ascontiguousarray(kept[:, width:])
        if np.isnan(embeddings[index[index < len(kept)], 0]).any():
            known = kept[:, :width].reshape(len(kept), *fresh.shape[1:])
            everything = np.concatenate([known, fresh])
            poses, rows = self._cpu.step(everything, embeddings[:0], index, frame)
            rows = rows[len(rows) - count :]
        else:
            poses, rows = self._cpu.step(fresh, embeddings, index, frame)
        return poses, np.concatenate([fresh.reshape(count, width), rows], axis=1)

    def _show(self, runtime: Runtime) -> None:
        """Look from outside like the backend that serves."""
        self.backend, self.precision = runtime.backend, runtime.precision
        self.batch = runtime.batch
