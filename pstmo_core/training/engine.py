"""The training loop of all stages."""

from __future__ import annotations

import contextlib
import logging
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pstmo_core.data.motion.doubts import doubts_of
from pstmo_core.data.motion.sampler import Batch
from pstmo_core.model.checkpoints import pick_device
from pstmo_core.training import fast_on_cpu, run_folder
from pstmo_core.training.config import RunConfig
from pstmo_core.training.contradictions import check_batch, refuse_contradictions
from pstmo_core.training.distributed import Processes
from pstmo_core.training.interruption import Interruption
from pstmo_core.training.journal import Journal
from pstmo_core.training.keeping import Keeper
from pstmo_core.training.non_finite import refuse_batches
from pstmo_core.training.optimiser import make_optimiser
from pstmo_core.training.seeds import Use, mixed_seed
from pstmo_core.training.sources import make_source, motion_of
from pstmo_core.training.stage import MicroBatch
from pstmo_core.training.stages import make_stage
from pstmo_core.training.state import TrainingState, start_average, update_average

_log = logging.getLogger(__name__)
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


class Trainer:
    """Trains one network by a run configuration; resumes from the state in its folder."""

    def __init__(self, config: RunConfig, processes: Processes | None = None) -> None:
        """Load the data and make the network.

        Args:
            config: the run's.
            processes: the processes that train together, see `join_processes`; None: this one only.

        Raises:
            PstmoError: if the settings do not fit one another or the data.
        """
        self.config = config
        self.processes = processes or Processes(pick_device(config.device))
        self.folder = Path(config.output)
        self.device = self.processes.device
        if config.threads:
            torch.set_num_threads(config.threads)
        refuse_contradictions(config)
        run_folder.check_run_folder(config)
        check_batch(config, self.processes.count)
        torch.manual_seed(config.seed)
        motion = motion_of(config)
        self.stage = make_stage(config, self.device, motion)
        model = self.stage.build().to(self.device)
        if self.device.type == "cpu":
            fast_on_cpu.install(model)
        self.source = make_source(config, self.device, motion)
        model.trained_on.require(self.source.joints)
        model.trained_on = self.source.joints
        if self.processes.first and config.dataset.kind in ("", "mocap"):
            for doubt in doubts_of(motion.paths, motion.motions):
                _log.warning("%s", doubt)
        self.plan = config.optimiser.over(self.source.windows)
        self._network = self.processes.wrap(model)
        optimiser = make_optimiser(model, self.plan)
        scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")
        self.state = TrainingState(model, start_average(model), optimiser, scaler)
        self._keeper = Keeper(config, self.stage, self.state, self.plan.steps)

    @property
    def model(self) -> nn.Module:
        """The network in training."""
        return self.state.model

    def run(self) -> None:
        """Train until the last step, starting from the last checkpoint if there is one.

        Raises:
            NonFiniteLossError: if the loss stops being a number.
            ConfigError: if the folder holds a run with other settings.
            OutputError: if another run is writing into it.
            KeyboardInterrupt: after SIGINT or SIGTERM; the step was finished and the state saved.
        """
        with contextlib.ExitStack() as stack:
            if self.processes.first:
                stack.enter_context(run_folder.claimed(self.folder))
            self._keeper.go_on(self.processes)
            steps = self.plan.steps
            if self._keeper.finished:
                return
            interruption = stack.enter_context(Interruption(patient=self.processes.count > 1))
            bar, journal = self._open(stack)
            while self.state.step < steps:
                loss = self.train_step(*self.draw())
                bar.update()
                shown = f"loss {loss * self.stage.scale:.4g} {self.stage.unit}"
                bar.set_postfix_str(shown, refresh=False)
                if journal:
                    journal.step(self.state.step, loss, self.plan.rate_at(self.state.step - 1))
                    if self.state.step % self.config.save_every == 0 or self.state.step == steps:
                        self._keeper.keep(journal)
                if self.processes.any(interruption.asked) and self.state.step < steps:
                    if self.processes.first:
                        self._keeper.stop()
                    raise KeyboardInterrupt

    def _open(self, stack: contextlib.ExitStack) -> tuple[tqdm, Journal | None]:
        """Return the progress bar and the journal, which the first process alone has."""
        first, step, plan = self.processes.first, self.state.step, self.plan
        bar = tqdm(total=plan.steps, initial=step, unit="step", smoothing=0.05, disable=not first)
        stack.enter_context(bar)
        if not first:
            return bar, None
        stack.enter_context(logging_redirect_tqdm())  # what is logged has lines of its own
        journal = Journal(self.folder, step, self.config.log_every, plan.batch)
        return bar, stack.enter_context(journal)

    def draw(self) -> list[Batch]:
        """Return this process's micro-batches of the next step."""
        count = self.plan.batch
        return [
            self.source.draw(self.state.step, count, self._micro_batch(index).part)
            for index in range(self.plan.accumulate)
        ]

    def train_step(self, *batches: Batch) -> float:
        """Take one optimiser step.

        Args:
            batches: this process's micro-batches, as `draw` returns them.

        Returns:
            The loss, the mean over all micro-batches of all processes.

        Raises:
            NonFiniteLossError: in all processes, if it or its gradient is NaN or infinite; no step
                was taken. (Under fp16, a gradient that is too large skips the step instead.)
        """
        plan, state = self.plan, self.state
        for group in state.optimiser.param_groups:
            group["lr"] = plan.rate_at(state.step)
        state.optimiser.zero_grad()
        own = self._add_gradients(batches)
        loss = float(self.processes.total(own))
        if not math.isfinite(loss):
            guilty = None if torch.isfinite(own) else batches
            refuse_batches("loss", loss, state.step, self._refused, guilty)
        state.scaler.unscale_(state.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), plan.clip_gradient)
        if not torch.isfinite(norm) and not state.scaler.is_enabled():
            refuse_batches("gradient", float(norm), state.step, self._refused, batches)
        state.scaler.step(state.optimiser)
        state.scaler.update()
        state.step += 1
        update_average(state.average, self.model, plan.average, state.step)
        return loss

    @property
    def _refused(self) -> Path:
        """Where this process keeps the batch that ends the run."""
        rank = f"_rank{self.processes.rank}" if self.processes.count > 1 else ""
        return self.folder / f"non_finite_batch_{self.state.step}{rank}.pt"

    def _add_gradients(self, batches: tuple[Batch, ...]) -> Tensor:
        """Add up gradients of the mean over the whole batch; return this process's part of it.

        Each micro-batch is weighted by its share of the terms in the mean. DistributedDataParallel
        averages gradients over the processes, so each share is multiplied by their number.
        """
        processes, scaler = self.processes, self.state.scaler
        weights = torch.stack([self.stage.weight(batch) for batch in batches])
        shares = weights / processes.total(weights.sum()).clamp(min=1.0)
        loss = torch.zeros((), device=self.device)
        for index, batch in enumerate(batches):
            last = index == len(batches) - 1
            with self._no_averaging() if not last else contextlib.nullcontext():
                part = self._loss(batch, index) * shares[index]
                scaler.scale(part * processes.count).backward()
            loss += part.detach()
        return loss

    def _no_averaging(self) -> contextlib.AbstractContextManager[None]:
        if isinstance(self._network, DistributedDataParallel):
            return self._network.no_sync()
        return contextlib.nullcontext()

    def _loss(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of a micro-batch, the forward pass in the run's precision."""
        seed = self.config.seed
        micro_batch = self._micro_batch(index)
        torch.manual_seed(
            mixed_seed(seed, Use.NETWORK, self.state.step, self.processes.rank, index)
        )
        precision = self.config.precision
        with torch.autocast(self.device.type, _TYPES[precision], enabled=precision != "fp32"):
            return self.stage.loss(self._network, batch, micro_batch)

    def _micro_batch(self, index: int) -> MicroBatch:
        """Say which windows a micro-batch holds.

        Each takes windows at regular intervals over the batch, so that it is a fair sample even of
        a batch that the sampler drew in sections (`SamplerConfig.join_share`).
        """
        processes, accumulate = self.processes, self.plan.accumulate
        part = slice(processes.rank + processes.count * index, None, processes.count * accumulate)
        return MicroBatch(self.state.step, self.plan.batch, part)
