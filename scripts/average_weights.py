r"""Average the weights of networks of one training, or of a training and a fine-tune of it.

    python scripts/average_weights.py before.safetensors during.safetensors after.safetensors \
        -o mean.safetensors

Such networks lie in one valley of the loss, and their mean is often better than each (Wortsman et
al., Model soups, 2022): it keeps what the fine-tune would forget. Calibrate sigma afterwards.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import torch
import typer

from pstmo_core.atomic_files import check_output
from pstmo_core.cli.app import run_script
from pstmo_core.model.checkpoints import CheckpointError, load_lifter, save_weights


def main(
    weights: Annotated[list[Path], typer.Argument(help="Safetensors files of equal networks.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")],
) -> None:
    """Write the mean."""
    check_output(output, weights)
    networks = [load_lifter(path) for path in weights]
    for path, other in zip(weights, networks, strict=True):
        if other.config != networks[0].config:
            raise CheckpointError(f"{path}: is of another network than {weights[0]}")
        for each in networks:  # files of earlier versions do not state their joint order
            other.trained_on.require(each.trained_on)
    mean = networks[0].state_dict()
    for name, values in mean.items():
        if values.is_floating_point():
            every = torch.stack([network.state_dict()[name] for network in networks])
            mean[name] = every.mean(0)
    networks[0].load_state_dict(mean)
    networks[0].trained_on = max((each.trained_on for each in networks), key=dataclasses.astuple)
    save_weights(networks[0], output)


if __name__ == "__main__":
    run_script(main)
