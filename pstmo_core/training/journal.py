"""The records of a training run: TensorBoard events and the history of evaluations."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType

from pstmo_core.atomic_files import write_text
from pstmo_core.errors import PstmoError, how_to_install
from pstmo_core.training.run_folder import HISTORY


class Journal:
    """Writes the events of a run to `<folder>/tensorboard`.

    Events that an earlier process wrote for steps which are now taken again are marked as void.
    """

    def __init__(self, folder: Path, step: int, every: int, batch: int) -> None:
        """Open it.

        Args:
            folder: the run's.
            step: the step that the run is at.
            every: steps between entries.
            batch: windows a step.

        Raises:
            PstmoError: if TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise PstmoError(f"training needs tensorboard: {how_to_install('train')}") from error
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self._every = every
        self._batch = batch
        self._since = (step, time.perf_counter())

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def step(self, step: int, loss: float, rate: float) -> None:
        """Note a step that was taken, with its loss (metres, or as the stage has it) and rate."""
        if step % self._every:
            return
        before, now = self._since, time.perf_counter()
        speed = (step - before[0]) * self._batch / (now - before[1])
        self._writer.add_scalar("training/loss", loss, step)
        self._writer.add_scalar("training/learning_rate", rate, step)
        self._writer.add_scalar("training/windows_per_second", speed, step)
        self._since = step, now

    def evaluation(self, record: dict[str, float]) -> None:
        """Note what an evaluation measured; its `step` says when."""
        step = int(record["step"])
        for name, value in record.items():
            if name != "step":
                self._writer.add_scalar(f"validation/{name}", value, step)
        self._writer.flush()
        self._since = step, time.perf_counter()  # an evaluation is no training


def write_history(folder: Path, history: list[dict[str, float]]) -> None:
    """Write the records of all evaluations to the run's folder."""
    write_text(folder / HISTORY, json.dumps(history, indent=1) + "\n")
