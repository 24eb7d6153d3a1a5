"""What a run keeps in its folder: the best and last weights, and the state to go on from."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from pstmo_core.errors import ConfigError
from pstmo_core.model.checkpoints import Network, save_weights
from pstmo_core.training import run_folder
from pstmo_core.training.journal import Journal, write_history

if TYPE_CHECKING:
    from pstmo_core.training.config import RunConfig
    from pstmo_core.training.distributed import Processes
    from pstmo_core.training.stage import Stage
    from pstmo_core.training.state import TrainingState

_log = logging.getLogger(__name__)


class Keeper:
    """Keeps a run in its folder, and finds there where it was."""

    def __init__(self, config: RunConfig, stage: Stage, state: TrainingState, steps: int) -> None:
        """Keep a run.

        Args:
            config: the run's.
            stage: judges which weights are the best.
            state: what is kept; `go_on` changes it.
            steps: length of the run.
        """
        self._config, self._stage, self._state, self._steps = config, stage, state, steps
        self._folder = Path(config.output)
        self._last = self._folder / run_folder.STATE

    @property
    def finished(self) -> bool:
        """Say whether all steps have been taken."""
        return 0 < self._state.step >= self._steps

    def go_on(self, processes: Processes) -> None:
        """Load the last checkpoint, if there is one, and store the configuration.

        Raises:
            ConfigError: if the folder holds a run with other settings, or not all processes find
                the same in it.
            CheckpointError: if the checkpoint cannot be used.
        """
        if self._last.exists():
            run_folder.require_same(self._config)
            self._state.load(self._last)
            if processes.first:
                self._say_where()
        if not processes.agree(self._state.step):  # they have all read it now
            raise ConfigError(
                f"the processes find different checkpoints in {self._folder}: name a folder that "
                "all machines share as `output`"
            )
        if processes.first and not self.finished:
            run_folder.write_settings(self._config)

    def keep(self, journal: Journal) -> None:
        """Evaluate the averaged weights, keep them if they are the best, and save the state."""
        state, averaged = self._state, self._averaged()
        record = self._stage.judge(averaged)
        record["step"] = state.step
        state.history.append(record)
        _log.info("step %d: %s", state.step, json.dumps(record))
        journal.evaluation(record)
        if record["score"] < state.best:
            state.best = record["score"]
            save_weights(averaged, self._folder / run_folder.BEST)
        save_weights(averaged, self._folder / run_folder.LAST)
        state.save(self._last)
        write_history(self._folder, state.history)

    def stop(self) -> None:
        """Save a run that is interrupted, so that it can be resumed, and used as it is."""
        save_weights(self._averaged(), self._folder / run_folder.LAST)
        self._state.save(self._last)
        _log.info(
            "stopped after step %d, saved in %s: repeat the command to resume",
            self._state.step, self._last,
        )  # fmt: skip

    def _say_where(self) -> None:
        """Say where a run goes on that was found in the folder."""
        if not self.finished:
            _log.info("resuming from step %d of %s", self._state.step, self._last)
            return
        write_history(self._folder, self._state.history)  # a kill may have come between the two
        _log.info(
            "%s is finished: it has %d steps, and %d were asked for; more optimiser.steps go on",
            self._folder, self._state.step, self._steps,
        )  # fmt: skip

    def _averaged(self) -> Network:
        averaged = copy.deepcopy(self._state.model)
        averaged.load_state_dict(self._state.average)
        return averaged.eval()
