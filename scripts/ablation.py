"""Short trainings that leave out one thing each, judged on the validation split.

    python scripts/ablation.py --mocap cmu_h36m17.npz -o docs/benchmarks/ablation.md

Each variant trains the network of config/training/lifter27.yaml for the same few steps from the
same seeds. What is kept in that file is kept because of this table.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pstmo_core.training.config import load_run_config
from pstmo_core.training.engine import Trainer

CONFIG = Path(__file__).parents[1] / "config" / "training" / "lifter27.yaml"
VARIANTS: dict[str, list[str]] = {
    "as shipped": [],
    "screen encoding (the paper's)": ["model.encoding=screen"],
    "no joined halves": ["sampler.join_share=0"],
    "bodies as captured": ["sampler.proportions=0"],
    "captured spine, thorax and neck only": ["sampler.derived_share=0"],
    "no mirror": ["sampler.mirror=false"],
    "one speed": ["sampler.speed=[1,1]"],
    "MOFA anchored on frame 0 (the authors')": ["model.mofa_anchor=first"],
    "the paper's width (256, 512)": [
        "model.width=256",
        "model.feedforward=512",
        "model.sem_width=512",
    ],
}
COLUMNS = ("centre_own", "newest_own", "centre_daz", "newest_daz")


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The table to write.")],
    steps: Annotated[int, typer.Option(help="Steps of each training.")] = 1500,
    seeds: Annotated[int, typer.Option(help="Trainings of each variant.")] = 1,
    work: Annotated[Path, typer.Option(help="Folder of the trainings.")] = Path("runs/ablation"),
) -> None:
    """Train the variants one after the other and write the table."""
    schedule = [f"optimiser.steps={steps}", f"optimiser.decay_steps={steps // 3}"]
    rows = []
    for name, overrides in VARIANTS.items():
        for seed in range(1, seeds + 1):
            folder = work / f"{list(VARIANTS).index(name)}_{seed}"
            settings = [f"mocap={mocap}", f"output={folder}", f"seed={seed}", f"save_every={steps}"]
            Trainer(load_run_config(CONFIG, [*settings, *schedule, *overrides])).run()
            record = json.loads((folder / "history.json").read_text())[-1]
            errors = " | ".join(f"{record[column]:.1f}" for column in COLUMNS)
            rows.append(f"| {name} | {seed} | {errors} |")
            print(rows[-1], flush=True)
            _write(output, steps, rows)


def _write(output: Path, steps: int, rows: list[str]) -> None:
    """Write the table as far as it is; a second call of the script goes on from there."""
    head = "| variant | seed | " + " | ".join(c.replace("_", ", ") for c in COLUMNS) + " |"
    rule = "|---" * (len(COLUMNS) + 2) + "|"
    title = f"MPJPE in mm on the validation split, clean keypoints, after {steps} steps."
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n".join([f"# What each part gives\n\n{title}\n", head, rule, *rows]) + "\n")


if __name__ == "__main__":
    typer.run(main)
