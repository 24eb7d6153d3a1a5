"""What torchrun starts for test_distributed.py: several runs in one group of processes.

    torchrun --nproc-per-node 2 test/support/train_in_processes.py FOLDER

FOLDER has the runs' configurations: those in `sgd/` are trained by plain SGD, those in `whole/` as
they are, and those in `killed/` until the last process is killed in the middle of step 7.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import torch

from pstmo_core.data.motion.sampler import Batch
from pstmo_core.training.config import RunConfig, load_run_config
from pstmo_core.training.distributed import Processes, join_processes
from pstmo_core.training.engine import Trainer


def train_by_sgd(config: RunConfig, processes: Processes) -> None:
    """Train so that weights show gradients as they are, and leave losses and weights.

    Adam divides gradients by their size. Where the true one is 0, such as that of a bias before
    BatchNorm, it makes whole steps of rounding errors, which differ by the order of summation.
    """
    trainer = Trainer(config, processes)
    rate = config.optimiser.learning_rate
    trainer.state.optimiser = torch.optim.SGD(trainer.model.parameters(), rate)
    losses = [trainer.train_step(*trainer.draw()) for _ in range(config.optimiser.steps)]
    folder = Path(config.output)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(trainer.model.state_dict(), folder / f"weights_{processes.rank}.pt")
    (folder / f"losses_{processes.rank}.json").write_text(json.dumps(losses))


def train_until_killed(config: RunConfig, processes: Processes) -> None:
    """Train until the last process is gone; torchrun ends the others."""
    trainer = Trainer(config, processes)
    take_step = trainer.train_step

    def step_or_die(*batches: Batch) -> float:
        if trainer.state.step == 7 and processes.rank == processes.count - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return take_step(*batches)

    trainer.train_step = step_or_die  # type: ignore[method-assign]
    trainer.run()


if __name__ == "__main__":
    with join_processes("cpu") as these:
        for file in sorted(Path(sys.argv[1]).glob("sgd/*.yaml")):
            train_by_sgd(load_run_config(file, []), these)
        for file in sorted(Path(sys.argv[1]).glob("whole/*.yaml")):
            Trainer(load_run_config(file, []), these).run()
        for file in sorted(Path(sys.argv[1]).glob("killed/*.yaml")):
            train_until_killed(load_run_config(file, []), these)
