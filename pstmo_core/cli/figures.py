"""`pstmo figures attention`, `reconstruction`, `skeletons` and `live`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pstmo_core.atomic_files import check_output
from pstmo_core.cli.app import LIST, group, numbers, require_training, say, words
from pstmo_core.cli.options import Fps, Layout, Size, option
from pstmo_core.errors import PstmoError, how_to_install
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path
from pstmo_core.model.trained_on import H36M17
from pstmo_core.streaming.config import StreamConfig

if TYPE_CHECKING:
    from pstmo_core.figures.clip_windows import ClipWindow
    from pstmo_core.model.config import ModelConfig
    from pstmo_core.model.masking import Masks

figures_app = group("figures", "The paper's figures, of any network: PNG or SVG.")

_Output = Annotated[Path, typer.Option("--output", "-o", help="The .png or .svg to write.")]
_ClipPath = Annotated[
    Path | None, typer.Argument(help="A clip as of `pstmo lift`; the shipped sample by default.")
]
_Person = Annotated[str | None, typer.Option(help="Id of the person; the first by default.")]
_Frame = Annotated[
    int | None,
    typer.Option(help="Frame of the clip in the window's centre; the person's middle by default."),
]
_Focal = Annotated[float, option(StreamConfig, "focal")]
_Ratio = Annotated[
    float | None, typer.Option(help="Stage I: share of the frames that are hidden; the paper's.")
]
_Joints = Annotated[
    int | None, typer.Option(help="Stage I: joints hidden in each visible frame; the paper's.")
]
_Seed = Annotated[int, typer.Option(help="Stage I: of the masks.")]


class _Part(str, Enum):
    tem = "tem"
    mofa = "mofa"
    decoder = "decoder"


@figures_app.command()
def attention(
    weights: Annotated[Path, typer.Argument(help="A safetensors file of stage I or II.")],
    output: _Output,
    clip: _ClipPath = None,
    part: Annotated[_Part | None, typer.Option(help="One part; all by default.")] = None,
    layer: Annotated[int | None, typer.Option(help="One layer, from 0 on.")] = None,
    person: _Person = None,
    frame: _Frame = None,
    focal: _Focal = StreamConfig.focal,
    temporal_ratio: _Ratio = None,
    joints: _Joints = None,
    seed: _Seed = 0,
    fps: Fps = None,
    size: Size = None,
    layout: Layout = None,
) -> None:
    """Draw what the heads attend to (Figures 7 to 10).

    \b
    pstmo figures attention pstmo_core/weights/stmo_27.safetensors -o attention.png

    The file tells the stage. Stage II: TEM and MOFA. Stage I: TEM over the visible frames, and the
    decoder over all, the visible before the hidden.
    """  # noqa: D301
    _require_drawing(output, weights, clip)
    require_training()
    from pstmo_core.figures.attention import draw_attention
    from pstmo_core.figures.attention_maps import choose_maps, load_either_stage, maps_of
    from pstmo_core.figures.canvas import save
    from pstmo_core.model.masked import MaskedSTMO

    network = load_either_stage(weights)
    network.trained_on.require(H36M17)
    window, subject = _window(_load(clip, fps, size, layout), network.config, person, frame, focal)
    masks = _draw_masks(network.config.frames, temporal_ratio, joints, seed)
    maps = choose_maps(maps_of(network, window.frames, masks), part and part.value, layer)
    stage = "I" if isinstance(network, MaskedSTMO) else "II"
    title = f"Attention in stage {stage}, {weights.name}: {subject}"
    save(draw_attention(maps, window.offsets, title), output)
    say(f"wrote {output}")


@figures_app.command()
def reconstruction(
    weights: Annotated[Path, typer.Argument(help="A safetensors file of stage I.")],
    output: _Output,
    clip: _ClipPath = None,
    columns: Annotated[int, typer.Option(min=1, help="Frames of the window to show.")] = 9,
    person: _Person = None,
    frame: _Frame = None,
    focal: _Focal = StreamConfig.focal,
    temporal_ratio: _Ratio = None,
    joints: _Joints = None,
    seed: _Seed = 0,
    fps: Fps = None,
    size: Size = None,
    layout: Layout = None,
) -> None:
    """Draw what stage I restores (Figure 6).

    \b
    pstmo figures reconstruction runs/mpm27/best.safetensors -o reconstruction.png

    A window's 2D poses, what stage I sees of them, and what it makes of that.
    """  # noqa: D301
    _require_drawing(output, weights, clip)
    require_training()
    from pstmo_core.figures.canvas import save
    from pstmo_core.figures.reconstruction import draw_reconstruction, reconstruct
    from pstmo_core.model.checkpoints import load_masked

    network = load_masked(weights)
    network.trained_on.require(H36M17)
    window, subject = _window(_load(clip, fps, size, layout), network.config, person, frame, focal)
    masks = _draw_masks(network.config.frames, temporal_ratio, joints, seed)
    result = reconstruct(network, window, masks)
    title = f"Stage I, {weights.name}: {subject}"
    save(draw_reconstruction(result, columns, title), output)
    say(f"mean distance from the input: {result.summary()}")
    say(f"wrote {output}")


@figures_app.command()
def skeletons(
    output: _Output,
    clip: _ClipPath = None,
    model: Annotated[
        Path | None, typer.Option(help="An ONNX file; the shipped network by default.")
    ] = None,
    frame: Annotated[
        list[str] | None, typer.Option(metavar=LIST, help="Frames to show; chosen by default.")
    ] = None,
    person: Annotated[
        list[str] | None, typer.Option(metavar=LIST, help="Ids of people; all by default.")
    ] = None,
    look_ahead: Annotated[int, option(StreamConfig, "look_ahead")] = StreamConfig.look_ahead,
    focal: _Focal = StreamConfig.focal,
    fps: Fps = None,
    size: Size = None,
    layout: Layout = None,
) -> None:
    """Draw keypoints and lifted skeletons (Figure 11).

    \b
    pstmo figures skeletons clip.npz -o skeletons.png --frame 30,60,90
    """  # noqa: D301
    _require_drawing(output, model, clip)
    from pstmo_core.figures.canvas import save
    from pstmo_core.figures.clip_windows import find_person
    from pstmo_core.figures.skeletons import choose_moments, draw_skeletons
    from pstmo_core.runtime import load_runtime, shipped_model
    from pstmo_core.streaming.lift_clip import lift_clip

    recorded, name = _load(clip, fps, size, layout)
    shown = list(numbers("--frame", frame, least=0)) if frame else []
    runtime = load_runtime(model)
    people = [find_person(recorded, one) for one in words(person or ()) or recorded.ids]
    lifted = lift_clip(recorded, runtime, StreamConfig(look_ahead=look_ahead, focal=focal)).joints
    moments = choose_moments(lifted, people, shown)
    title = f"{name} lifted by {(model or shipped_model()).name}, look-ahead {look_ahead}"
    save(draw_skeletons(recorded, lifted, people, moments, title), output)
    say(f"wrote {output}")


@figures_app.command()
def live(
    results: Annotated[Path, typer.Argument(help="The live.json of `pstmo bench live`.")],
    output: _Output,
) -> None:
    """Draw the errors of streams against delay and cost.

    \b
    pstmo bench live --mocap cmu_h36m17.npz -o benchmarks
    pstmo figures live benchmarks/live.json -o live.png
    """  # noqa: D301
    _require_drawing(output, results)
    from pstmo_core.figures.canvas import save
    from pstmo_core.figures.streams import draw_streams, load_results

    save(draw_streams(load_results(results)), output)
    say(f"wrote {output}")


def _load(
    path: Path | None, fps: float | None, size: tuple[int, int] | None, layout: str | None
) -> tuple[Clip, str]:
    """Return a clip, the shipped sample without a path, and what to call it."""
    path = path or sample_path()
    clip = load_clip(path, fps=fps, size=size, layout=layout)
    for note in clip.notes:
        say(f"{path.name}: {note}")
    return clip, path.name


def _window(
    loaded: tuple[Clip, str],
    model: ModelConfig,
    person: str | None,
    frame: int | None,
    focal: float,
) -> tuple[ClipWindow, str]:
    """Return a window of a clip for a network of stage I or II, and what it shows."""
    from pstmo_core.figures.clip_windows import cut_window

    clip, name = loaded
    window = cut_window(clip, model, person, frame, focal)
    return window, f"{window.person} at {window.time:.2f} s of {name}"


def _draw_masks(frames: int, temporal_ratio: float | None, joints: int | None, seed: int) -> Masks:
    """Draw the masks of one window; None takes the default of `Masking`."""
    from torch import Generator

    from pstmo_core.model.masking import Masking

    masking = Masking(
        Masking.temporal_ratio if temporal_ratio is None else temporal_ratio,
        Masking.joints if joints is None else joints,
    )
    return masking.draw(1, frames, Generator().manual_seed(seed))


def _require_drawing(output: Path, *inputs: Path | None) -> None:
    """Say how to get Matplotlib where it is missing, and which files it writes.

    Raises:
        PstmoError: if it cannot be imported, or the output's name says no known format, or the
            output is an input.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise PstmoError(f"figures need Matplotlib: {how_to_install('figures')}") from error
    from pstmo_core.figures.canvas import check_suffix

    check_suffix(output)
    check_output(output, [each for each in inputs if each])
