"""The training loop of stage II."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from tqdm import tqdm

from pstmo_core.checkpoints import pick_device, save_weights
from pstmo_core.data.mocap import load_mocap
from pstmo_core.data.sampler import Batch, Sampler
from pstmo_core.data.windows import Clips
from pstmo_core.evaluation import Evaluation
from pstmo_core.model.stmo import STMO
from pstmo_core.training.config import RunConfig
from pstmo_core.training.losses import lifting_loss
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
        model = STMO(config.model).to(self.device)
        model.use_explicit_attention(self.device.type == "cpu")  # faster there in bf16
        generator = torch.Generator(self.device).manual_seed(config.seed)
        clips = Clips.of(load_mocap(config.mocap, "train"), self.device)
        self.sampler = Sampler(clips, config.model, config.sampler, generator)
        self.validation = Evaluation(
            config.mocap, "val", config.model, self.device, windows=config.validation_windows
        )
        rate = config.optimiser
        optimiser = torch.optim.AdamW(
            model.parameters(), rate.learning_rate, (0.9, 0.99), weight_decay=rate.weight_decay
        )
        self.state = TrainingState(model, start_average(model), optimiser, generator)

    @property
    def model(self) -> STMO:
        """The network in training."""
        return self.state.model  # type: ignore[return-value]

    def run(self) -> None:
        """Train to the last step, from the last checkpoint where there is one.

        Raises:
            NonFiniteLossError: if the loss stops being a number.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        last = self.folder / "last.pt"
        if last.exists():
            self.state.load(last)
            _log.info("going on from step %d of %s", self.state.step, last)
        (self.folder / "run.yaml").write_text(self.config.to_yaml())
        steps = self.config.optimiser.steps
        with tqdm(total=steps, initial=self.state.step, unit="step", smoothing=0.05) as bar:
            while self.state.step < steps:
                loss = self.train_step(self.sampler.draw(self.config.optimiser.batch))
                bar.update()
                bar.set_postfix_str(f"loss {loss * 1000:.0f} mm", refresh=False)
                if self.state.step % self.config.save_every == 0 or self.state.step == steps:
                    self._keep(last)

    def train_step(self, batch: Batch) -> float:
        """Take one optimiser step on a batch and return its loss in metres."""
        config, state = self.config.optimiser, self.state
        for group in state.optimiser.param_groups:
            group["lr"] = config.rate_at(state.step)
        half = self.config.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            all_frames, target = self.model(batch.frames)
        loss = lifting_loss(
            all_frames.float(), target.float(), batch.poses, config.multi_frame_weight
        )
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
        averaged = STMO(self.config.model).to(self.device)
        averaged.load_state_dict(self.state.average)
        averaged.eval()
        record = self.validation.summary(averaged)
        record["step"] = self.state.step
        self.state.history.append(record)
        _log.info("step %d: %s", self.state.step, json.dumps(record))
        if record["score"] < self.state.best:
            self.state.best = record["score"]
            save_weights(averaged, self.folder / "best.safetensors")
        save_weights(averaged, self.folder / "last.safetensors")
        self.state.save(last)
        (self.folder / "history.json").write_text(json.dumps(self.state.history, indent=1) + "\n")
