"""The training loop of both stages."""

from __future__ import annotations

import copy
import json
import logging
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from pstmo_core.checkpoints import pick_device, save_weights
from pstmo_core.config import ConfigError
from pstmo_core.data.mocap import load_mocap
from pstmo_core.data.sampler import Batch, Sampler
from pstmo_core.data.windows import Clips
from pstmo_core.model.attention import use_explicit_attention
from pstmo_core.training.config import RunConfig, load_run_config
from pstmo_core.training.stages import make_stage
from pstmo_core.training.state import TrainingState, start_average, update_average

_log = logging.getLogger(__name__)


class NonFiniteLossError(RuntimeError):
    """The loss became NaN or infinite; the batch was saved."""


class Trainer:
    """Trains one network as a run configuration says; a folder with checkpoints is gone on with."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.folder = Path(config.output)
        self.device = pick_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.stage = make_stage(config, self.device)
        model = self.stage.build().to(self.device)
        use_explicit_attention(model, self.device.type == "cpu")  # faster there in bf16
        generator = torch.Generator(self.device).manual_seed(config.seed)
        clips = Clips.of(load_mocap(config.mocap, "train"), self.device)
        self.sampler = Sampler(clips, config.model, config.sampler, generator)
        rate = config.optimiser
        optimiser = torch.optim.AdamW(
            model.parameters(), rate.learning_rate, (0.9, 0.99), weight_decay=rate.weight_decay
        )
        self.state = TrainingState(model, start_average(model), optimiser, generator)

    @property
    def model(self) -> nn.Module:
        """The network in training."""
        return self.state.model

    def run(self) -> None:
        """Train to the last step, from the last checkpoint where there is one.

        Raises:
            NonFiniteLossError: if the loss stops being a number.
            ConfigError: if the folder holds a run of other settings.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        last, stored = self.folder / "last.pt", self.folder / "run.yaml"
        if last.exists():
            if not load_run_config(stored, []).goes_on_as(self.config):
                raise ConfigError(
                    f"{self.folder} holds a run of other settings (see {stored}): name another "
                    "folder as `output`, or delete that one"
                )
            self.state.load(last)
            _log.info("going on from step %d of %s", self.state.step, last)
        stored.write_text(self.config.to_yaml())
        steps = self.config.optimiser.steps
        with tqdm(total=steps, initial=self.state.step, unit="step", smoothing=0.05) as bar:
            while self.state.step < steps:
                loss = self.train_step(self.sampler.draw(self.config.optimiser.batch))
                bar.update()
                shown = f"loss {loss * self.stage.scale:.3g} {self.stage.unit}"
                bar.set_postfix_str(shown, refresh=False)
                if self.state.step % self.config.save_every == 0 or self.state.step == steps:
                    self._keep(last)

    def train_step(self, batch: Batch) -> float:
        """Take one optimiser step on a batch and return its loss."""
        config, state = self.config.optimiser, self.state
        for group in state.optimiser.param_groups:
            group["lr"] = config.rate_at(state.step)
        half = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            loss = self.stage.loss(self.model, batch, state.generator)
        if not torch.isfinite(loss):
            path = self.folder / f"non_finite_batch_{state.step}.pt"
            torch.save({"frames": batch.frames, "poses": batch.poses}, path)
            raise NonFiniteLossError(
                f"the loss at step {state.step} is {loss}: batch saved in {path}"
            )
        state.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_gradient)
        state.optimiser.step()
        state.step += 1
        update_average(state.average, self.model, config.average, state.step)
        return loss.item()

    def _keep(self, last: Path) -> None:
        """Evaluate the averaged weights, keep them if they are the best, and save the state."""
        averaged = copy.deepcopy(self.state.model)
        averaged.load_state_dict(self.state.average)
        record = self.stage.judge(averaged.eval())
        record["step"] = self.state.step
        self.state.history.append(record)
        _log.info("step %d: %s", self.state.step, json.dumps(record))
        if record["score"] < self.state.best:
            self.state.best = record["score"]
            save_weights(averaged, self.folder / "best.safetensors")
        save_weights(averaged, self.folder / "last.safetensors")
        self.state.save(last)
        (self.folder / "history.json").write_text(json.dumps(self.state.history, indent=1) + "\n")
