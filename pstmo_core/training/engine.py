"""The training loop of all stages."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from pstmo_core.atomic_files import atomic_file
from pstmo_core.data.motion.doubts import doubts_of
from pstmo_core.data.motion.sampler import Batch
from pstmo_core.errors import ConfigError, PstmoError
from pstmo_core.model.checkpoints import Network, pick_device, save_weights
from pstmo_core.training import fast_on_cpu, run_folder
from pstmo_core.training.config import RunConfig
from pstmo_core.training.contradictions import refuse_contradictions
from pstmo_core.training.distributed import Processes
from pstmo_core.training.interruption import Interruption
from pstmo_core.training.journal import Journal, write_history
from pstmo_core.training.optimiser import make_optimiser
from pstmo_core.training.seeds import Use, mixed_seed
from pstmo_core.training.sources import make_source
from pstmo_core.training.stage import MicroBatch
from pstmo_core.training.stages import make_stage
from pstmo_core.training.state import TrainingState, start_average, update_average

_log = logging.getLogger(__name__)
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


class NonFiniteLossError(PstmoError):
    """The loss became NaN or infinite; the batch was saved."""


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
        self._check_batch()
        torch.manual_seed(config.seed)
        self.stage = make_stage(config, self.device)
        model = self.stage.build().to(self.device)
        if self.device.type == "cpu":
            fast_on_cpu.install(model)
        self.source = make_source(config, self.device)
        model.trained_on.require(self.source.joints)
        model.trained_on = self.source.joints
        if self.processes.first and config.dataset.kind in ("", "mocap"):
            for doubt in doubts_of([config.mocap, *config.mocap_more]):
                _log.warning("%s", doubt)
        self.plan = config.optimiser.over(self.source.windows)
        self._network = self.processes.wrap(model)
        optimiser = make_optimiser(model, self.plan)
        scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")
        self.state = TrainingState(model, start_average(model), optimiser, scaler)

    @property
    def model(self) -> nn.Module:
        """The network in training."""
        return self.state.model

    def run(self) -> None:
        """Train until the last step, starting from the last checkpoint if there is one.

        Raises:
            NonFiniteLossError: if the loss stops being a number.
            ConfigError: if the folder holds a run with other settings.
            KeyboardInterrupt: after SIGINT or SIGTERM; the step was finished and the state saved.
        """
        self._go_on()
        steps = self.plan.steps
        if self._is_finished():
            return
        with contextlib.ExitStack() as stack:
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
                        self._keep(journal)
                if self.processes.any(interruption.asked) and self.state.step < steps:
                    self._stop()

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
            NonFiniteLossError: in all processes, if it is NaN or infinite; no step was taken.
        """
        plan, state = self.plan, self.state
        for group in state.optimiser.param_groups:
            group["lr"] = plan.rate_at(state.step)
        state.optimiser.zero_grad()
        own = self._add_gradients(batches)
        loss = float(self.processes.total(own))
        if not math.isfinite(loss):
            self._refuse(batches, own, loss)
        state.scaler.unscale_(state.optimiser)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), plan.clip_gradient)
        state.scaler.step(state.optimiser)
        state.scaler.update()
        state.step += 1
        update_average(state.average, self.model, plan.average, state.step)
        return loss

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

    def _check_batch(self) -> None:
        batch, accumulate = self.config.optimiser.batch, self.config.optimiser.accumulate
        count = self.processes.count
        if batch % (count * accumulate):
            raise ConfigError(
                f"optimiser.batch is {batch}, but must be a multiple of {count * accumulate}: "
                f"{count} processes times {accumulate} micro-batches (optimiser.accumulate)"
            )
        if count * accumulate > 1 and self.config.stage == "lift" and self.config.loss.twins:
            raise ConfigError(
                "loss.twins compares windows of a batch that processes and micro-batches would "
                "separate: train in one process with optimiser.accumulate=1, or set loss.twins=0"
            )

    def _go_on(self) -> None:
        """Load the last checkpoint, if there is one, and store the configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._last.exists():
            run_folder.require_same(self.config)
            self.state.load(self._last)
            if self.processes.first:
                self._say_where()
        if not self.processes.agree(self.state.step):  # they have all read it now
            raise ConfigError(
                f"the processes find different checkpoints in {self.folder}: name a folder that "
                "all machines share as `output`"
            )
        if self.processes.first and not self._is_finished():
            run_folder.write_settings(self.config)

    def _is_finished(self) -> bool:
        return 0 < self.state.step >= self.plan.steps

    def _say_where(self) -> None:
        """Say where a run goes on that was found in the folder."""
        if not self._is_finished():
            _log.info("resuming from step %d of %s", self.state.step, self._last)
            return
        write_history(self.folder, self.state.history)  # a kill may have come between the two
        _log.info(
            "%s is finished: it has %d steps, and %d were asked for; more optimiser.steps go on",
            self.folder, self.state.step, self.plan.steps,
        )  # fmt: skip

    @property
    def _last(self) -> Path:
        return self.folder / run_folder.STATE

    def _keep(self, journal: Journal) -> None:
        """Evaluate the averaged weights, keep them if they are the best, and save the state."""
        averaged = self._averaged()
        record = self.stage.judge(averaged)
        record["step"] = self.state.step
        self.state.history.append(record)
        _log.info("step %d: %s", self.state.step, json.dumps(record))
        journal.evaluation(record)
        if record["score"] < self.state.best:
            self.state.best = record["score"]
            save_weights(averaged, self.folder / run_folder.BEST)
        save_weights(averaged, self.folder / run_folder.LAST)
        self.state.save(self._last)
        write_history(self.folder, self.state.history)

    def _averaged(self) -> Network:
        averaged = copy.deepcopy(self.state.model)
        averaged.load_state_dict(self.state.average)
        return averaged.eval()

    def _stop(self) -> None:
        """End an interrupted run so that it can be resumed, and used as it is."""
        if self.processes.first:
            save_weights(self._averaged(), self.folder / run_folder.LAST)
            self.state.save(self._last)
            _log.info(
                "stopped after step %d, saved in %s: repeat the command to resume",
                self.state.step,
                self._last,
            )
        raise KeyboardInterrupt

    def _refuse(self, batches: tuple[Batch, ...], own: Tensor, loss: float) -> None:
        """Save the batch whose loss is NaN or infinite, in the process where it occurred."""
        name = f"non_finite_batch_{self.state.step}"
        name += f"_rank{self.processes.rank}" if self.processes.count > 1 else ""
        path = self.folder / f"{name}.pt"
        if not torch.isfinite(own):
            frames = torch.cat([batch.frames for batch in batches])
            poses = torch.cat([batch.poses for batch in batches])
            with atomic_file(path) as partial:
                torch.save({"frames": frames, "poses": poses}, partial)
        raise NonFiniteLossError(
            f"the loss at step {self.state.step} is {loss}: batch saved in {path}; if nothing is "
            "wrong with it, lower optimiser.learning_rate"
        )
