"""Train the keypoint detector for simulation on rendered images, and write its ONNX files.

    python scripts/sim_detector/train.py --mocap cmu_h36m17.npz

Two small networks: one finds people in the whole image, one their joints in a crop. They know
rendered people only and are of no use on photographs.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import cv2
import networks
import numpy as np
import onnx
import torch
import typer
from images import LabelledImage, draw_images
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from pstmo_core.atomic_files import atomic_file
from pstmo_core.cli.app import run_script
from pstmo_core.data.motion.mocap import load_mocap
from pstmo_core.detection.crops import apply_maps, boxes_of, crop_maps
from pstmo_core.skeleton import mirror_order

WEIGHTS = Path(__file__).parents[2] / "pstmo_core" / "weights"
IMAGE_SIZE = (480, 360)
SMOOTHING = 3.0
NOTE = "for simulation only: trained on rendered people"


def search_sample(labelled: LabelledImage, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return an image for the search and its targets: scores, boxes and where boxes count."""
    width, height = networks.SEARCH_SIZE
    image = cv2.resize(labelled.image, (width, height), interpolation=cv2.INTER_AREA)
    boxes = boxes_of(labelled.points) * width / labelled.image.shape[1]
    if rng.random() < 0.5:
        image, boxes = image[:, ::-1], np.array([width, 0, width, 0]) - boxes * (1, -1, 1, -1)
        boxes = boxes[:, [2, 1, 0, 3]]
    stride = networks.SEARCH_STRIDE
    rows, columns = height // stride, width // stride
    y, x = (np.mgrid[:rows, :columns] + 0.5) * stride
    score, target = np.zeros((1, rows, columns)), np.ones((4, rows, columns))
    counts = np.zeros((1, rows, columns))
    for box in boxes:
        inside = np.clip(box, 0, (width, height) * 2)
        middle, sides = (inside[:2] + inside[2:]) / 2, np.maximum(inside[2:] - inside[:2], 4)
        apart = ((x - middle[0]) / sides[0]) ** 2 + ((y - middle[1]) / sides[1]) ** 2
        peak = np.exp(-apart / 2 / 0.08**2)
        peak[np.unravel_index(apart.argmin(), apart.shape)] = 1.0
        nearer = peak > np.maximum(score[0], 0.2)
        score[0] = np.maximum(score[0], peak)
        distances = np.stack([x - box[0], y - box[1], box[2] - x, box[3] - y])
        target = np.where(nearer, np.maximum(distances, 0.5), target)
        counts[0] = np.maximum(counts[0], nearer)
    return image, score, target, counts


def crop_sample(
    labelled: LabelledImage, person: int, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Return a crop of a person, its joints in pixels and which of them are in the crop."""
    size = networks.CROP_SIZE
    box = boxes_of(labelled.points[person : person + 1])
    sides = box[:, 2:] - box[:, :2]
    box = box + np.tile(sides, 2) * rng.normal(0, 0.06, (1, 4))
    maps = crop_maps(box, size, rng.uniform(1.05, 1.45))
    turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), rng.normal(0, 8), 1.0)
    maps[0] = (np.vstack([turn, (0, 0, 1)]) @ np.vstack([maps[0], (0, 0, 1)]))[:2]
    crop = cv2.warpAffine(labelled.image, maps[0], size, flags=cv2.INTER_LINEAR)
    points = apply_maps(maps, labelled.points[person : person + 1])[0]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
        points = np.array([size[0], 0]) + points[mirror_order()] * (-1, 1)
    inside = ((points >= 0) & (points < size)).all(-1)
    return crop, points, inside


def colours(images: list[np.ndarray], rng: np.random.Generator) -> Tensor:
    """Return images (N, 3, H, W), RGB, 0 to 1, each with its own light and colour cast."""
    stacked = np.stack(images)[..., ::-1].astype(np.float32) / 255
    shape = (len(images), 1, 1, 3)
    cast = rng.uniform(0.7, 1.3, (len(images), 1, 1, 1)) * rng.uniform(0.9, 1.1, shape)
    lit = np.clip((stacked - 0.5) * rng.uniform(0.7, 1.3, (len(images), 1, 1, 1)) + 0.5, 0, 1)
    return torch.from_numpy(np.clip(lit * cast, 0, 1).astype(np.float32)).permute(0, 3, 1, 2)


def search_loss(model: nn.Module, images: list[LabelledImage], rng: np.random.Generator) -> Tensor:
    """Focal loss of the scores and the relative error of boxes."""
    samples = [search_sample(images[k], rng) for k in rng.integers(len(images), size=32)]
    pixels, *targets = zip(*samples, strict=True)
    score, box, counts = (torch.from_numpy(np.stack(t)).float() for t in targets)
    found, sides = (out.float() for out in model(colours(list(pixels), rng)))
    found = found.clamp(1e-4, 1 - 1e-4)
    hit = score == 1
    right = ((1 - found) ** 2 * found.log())[hit].sum()
    wrong = ((1 - score) ** 4 * found**2 * (1 - found).log())[~hit].sum()
    size = (sides.log() - box.log()).abs() * counts
    return -(right + wrong) / hit.sum().clamp(min=1) + size.sum() / counts.sum().clamp(min=1)


def crop_loss(model: nn.Module, images: list[LabelledImage], rng: np.random.Generator) -> Tensor:
    """Cross-entropy of both coordinates with smoothed targets; a joint outside has a flat one."""
    samples = []
    while len(samples) < 64:
        labelled = images[rng.integers(len(images))]
        if len(labelled.points):
            samples.append(crop_sample(labelled, int(rng.integers(len(labelled.points))), rng))
    crops, points, inside = zip(*samples, strict=True)
    truth = torch.from_numpy(np.stack(points)).float() * networks.BINS_A_PIXEL
    known = torch.from_numpy(np.stack(inside))[..., None]
    loss = torch.zeros(())
    for axis, logits in enumerate(model(colours(list(crops), rng))):
        bins = torch.arange(logits.shape[-1]) + 0.5
        target = torch.exp(-((bins - truth[..., axis, None]) ** 2) / 2 / SMOOTHING**2)
        target = target / target.sum(-1, keepdim=True).clamp(min=1e-6)
        target = torch.where(known, target, torch.full_like(target, 1 / logits.shape[-1]))
        loss = loss - (target * functional.log_softmax(logits.float(), -1)).sum(-1).mean()
    return loss


def fit(model: nn.Module, loss: object, images: list[LabelledImage], steps: int, name: str) -> None:
    """Train a network for some steps, with the learning rate in a single rise and fall."""
    rng = np.random.default_rng(1)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, steps, pct_start=0.1)
    model.train().to(memory_format=torch.channels_last)
    shown: float | None = None
    with tqdm(total=steps, unit="step", desc=name) as bar:
        for _ in range(steps):
            with torch.autocast("cpu", torch.bfloat16):
                value = loss(model, images, rng)  # type: ignore[operator]
            optimiser.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            rate.step()
            shown = value.item() if shown is None else 0.98 * shown + 0.02 * value.item()
            bar.set_postfix_str(f"loss {shown:.3f}", refresh=False)
            bar.update()


def write(model: nn.Module, example: Tensor, path: Path, names: list[str]) -> None:
    """Write a network as ONNX for any number of images, in place of the old one when complete."""
    with atomic_file(path) as partial:
        torch.onnx.export(
            model.eval().float(),
            (example,),
            str(partial),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "batch"} for name in names},
            opset_version=17,
            dynamo=False,
        )
        graph = onnx.load(partial)
        onnx.helper.set_model_props(graph, {"pstmo_detector": NOTE})
        onnx.save(graph, partial)


def main(
    mocap: Annotated[Path, typer.Option(help="The motion-capture file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = WEIGHTS,
    images: Annotated[int, typer.Option(help="Images to render.")] = 8000,
    search_steps: Annotated[int, typer.Option(help="Steps of the search.")] = 2000,
    crop_steps: Annotated[int, typer.Option(help="Steps of the joints' network.")] = 5000,
) -> None:
    """Render, train both networks and write sim_boxes.onnx and sim_pose.onnx."""
    torch.manual_seed(1)
    start = time.monotonic()
    clips = load_mocap(mocap, "train")
    rendered: list[LabelledImage] = []
    for part in tqdm(range(0, images, 100), unit="100 images", desc="rendering"):
        rendered += draw_images(clips, min(100, images - part), part, IMAGE_SIZE)
    search, pose = networks.PersonSearch(), networks.CropPose()
    fit(search, search_loss, rendered, search_steps, "search")
    fit(pose, crop_loss, rendered, crop_steps, "joints")
    width, height = networks.SEARCH_SIZE
    names = ["image", "centre", "box"]
    write(search, torch.rand(2, 3, height, width), output / "sim_boxes.onnx", names)
    width, height = networks.CROP_SIZE
    names = ["crops", "simcc_x", "simcc_y"]
    write(pose, torch.rand(2, 3, height, width), output / "sim_pose.onnx", names)
    print(f"wrote {output}, {(time.monotonic() - start) / 60:.0f} minutes in all")


if __name__ == "__main__":
    run_script(main)
