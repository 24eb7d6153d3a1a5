"""Figures: what they show is what the networks do, and the commands write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command import Command

torch = pytest.importorskip("torch", reason="figures need torch")
pytest.importorskip("matplotlib", reason="figures need Matplotlib")

from pstmo_core.encoding import camera_poses  # noqa: E402
from pstmo_core.figures.attention_maps import (  # noqa: E402
    attention_weights,
    lifter_maps,
    masked_maps,
)
from pstmo_core.figures.clip_windows import ClipWindow, cut_window  # noqa: E402
from pstmo_core.figures.reconstruction import reconstruct  # noqa: E402
from pstmo_core.keypoints.clip import Clip, load_clip, sample_path  # noqa: E402
from pstmo_core.model.attention import SelfAttention  # noqa: E402
from pstmo_core.model.checkpoints import load_weights, save_weights  # noqa: E402
from pstmo_core.model.masked import MaskedConfig, MaskedSTMO  # noqa: E402
from pstmo_core.model.masking import Masking, Masks  # noqa: E402
from pstmo_core.runtime import Runtime, shipped_model  # noqa: E402
from pstmo_core.streaming.config import PLAIN, StreamConfig  # noqa: E402
from pstmo_core.streaming.lift_clip import lift_clip  # noqa: E402

WEIGHTS = shipped_model().with_suffix(".safetensors")


@pytest.fixture(scope="module")
def clip() -> Clip:
    return load_clip(sample_path())


@pytest.fixture(scope="module")
def lifted(clip: Clip, shipped: Runtime) -> np.ndarray:
    """The clip's skeletons of keypoints as they come, the target frame in the window's centre."""
    config = StreamConfig(look_ahead=shipped.config.target, flip=False, **PLAIN)
    return lift_clip(clip, shipped, config).joints


@pytest.fixture(scope="module")
def window(clip: Clip) -> ClipWindow:
    return cut_window(clip, load_weights(WEIGHTS).config)


@pytest.fixture(scope="module")
def stage_one_window(clip: Clip) -> ClipWindow:
    return cut_window(clip, MaskedConfig())


@pytest.fixture(scope="module")
def masked() -> MaskedSTMO:
    torch.manual_seed(0)
    size = {"layers": 2, "width": 32, "feedforward": 32, "sem_width": 32, "heads": 4}
    config = MaskedConfig(**size, decoder_layers=1, decoder_width=32, decoder_feedforward=32)
    return MaskedSTMO(config).eval()


@pytest.fixture(scope="module")
def stage_one(masked: MaskedSTMO, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mpm.safetensors"
    save_weights(masked, path)
    return path


def draw(seed: int = 0) -> Masks:
    return Masking().draw(1, 27, torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_the_weights_times_the_values_are_what_the_attention_module_gives() -> None:
    torch.manual_seed(0)
    module = SelfAttention(32, 4, dropout=0.1).eval()
    x = torch.randn(2, 9, 32)
    value = module.qkv(x)[..., 64:].view(2, 9, 4, 8).transpose(1, 2)
    mixed = (attention_weights(module, x) @ value).transpose(1, 2).reshape(2, 9, 32)
    torch.testing.assert_close(module.out(mixed), module(x))


def test_every_row_of_attention_sums_to_one_and_names_the_frames_that_it_stands_for(
    window: ClipWindow,
) -> None:
    network = load_weights(WEIGHTS)
    maps, heads = lifter_maps(network, window.frames), network.config.heads
    assert [(one.part, one.layer, one.weights.shape) for one in maps] == [
        *(("tem", layer, (heads, 27, 27)) for layer in range(3)),
        *(("mofa", layer, (heads, 27 // 3**layer, 27 // 3**layer)) for layer in range(3)),
    ]
    for one in maps:
        np.testing.assert_allclose(one.weights.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(maps[-2].frames, np.arange(1, 27, 3))
    np.testing.assert_array_equal(maps[-1].frames, [4, 13, 22])


def test_looking_inside_leaves_no_hooks_behind(window: ClipWindow) -> None:
    network = load_weights(WEIGHTS)
    lifter_maps(network, window.frames)
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_in_stage_one_tem_sees_the_visible_frames_and_the_decoder_has_them_first(
    masked: MaskedSTMO, stage_one_window: ClipWindow
) -> None:
    masks = draw()
    tem, _, decoder = masked_maps(masked, stage_one_window.frames, masks)
    hidden = masks.temporal[0].numpy()
    np.testing.assert_array_equal(tem.frames, np.flatnonzero(~hidden))
    assert tem.weights.shape == (4, 6, 6) and decoder.weights.shape == (4, 27, 27)
    assert decoder.visible == 6
    np.testing.assert_array_equal(hidden[decoder.frames], [False] * 6 + [True] * 21)


@pytest.mark.parametrize("person", ["walker", "boxer"])
@pytest.mark.parametrize("frame", [100, 180, 250])
@torch.inference_mode()
def test_the_network_makes_of_the_window_what_the_live_lifter_makes_of_the_clip(
    clip: Clip, lifted: np.ndarray, person: str, frame: int
) -> None:
    network = load_weights(WEIGHTS)
    window = cut_window(clip, network.config, person, frame)
    ours = network(torch.as_tensor(window.frames))[1][0].numpy()[..., :3]
    if network.config.encoding == "view":
        ours = camera_poses(ours, window.frames[0, network.config.target], None)
    theirs = lifted[frame, clip.ids.index(person)]
    np.testing.assert_allclose(ours[1:], theirs[1:], atol=1e-4)  # the lifter sets the pelvis to 0


def test_a_restored_pose_is_drawn_where_the_input_was(stage_one_window: ClipWindow) -> None:
    class Perfect:
        config = MaskedConfig()

        def __call__(self, frames: torch.Tensor, *_: object) -> torch.Tensor:
            return frames[:, :, :17, :2]

    result = reconstruct(Perfect(), stage_one_window, draw())  # type: ignore[arg-type]
    assert np.nanmax(result.distances()) < 0.01
    assert "hidden frames 0.0 px" in result.summary()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
@pytest.mark.parametrize(
    "command",
    [
        ("attention", WEIGHTS),
        ("attention", WEIGHTS, "--part", "mofa", "--layer", 1, "--person", "boxer"),
        ("attention", "STAGE ONE", "--part", "decoder"),
        ("reconstruction", "STAGE ONE", "--columns", 3),
        ("skeletons", sample_path(), "--frame", "100,200", "--person", "walker"),
    ],
)
def test_each_figure_is_written_in_the_format_of_its_name(
    command: tuple[object, ...], suffix: str, stage_one: Path, tmp_path: Path, pstmo: Command
) -> None:
    output = tmp_path / f"figure{suffix}"
    words = [stage_one if word == "STAGE ONE" else word for word in command]
    code, out, err = pstmo("figures", *words, "-o", output)
    assert code == 0 and f"wrote {output}" in out, err
    start = b"\x89PNG" if suffix == ".png" else b"<?xml"
    assert output.read_bytes().startswith(start) and output.stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [output]


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("reconstruction", WEIGHTS), "holds a lifting network, not a stage-I network"),
        (("attention", WEIGHTS, "--part", "decoder"), "no attention in part decoder"),
        (("attention", WEIGHTS, "--layer", 7), "layer 7: it has tem 0, tem 1"),
        (("attention", "none.safetensors"), "none.safetensors: no such weight file"),
        (("attention", WEIGHTS, "--person", "cat"), "nobody is named 'cat': the clip has walker"),
        (("attention", WEIGHTS, "--person", "boxer", "--frame", 2), "boxer is not in frame 2"),
        (("skeletons", "--frame", 999), "the clip has no frame 999: it has 0 to 359"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_sentence_with_exit_code_2(
    command: tuple[object, ...], sentence: str, tmp_path: Path, pstmo: Command
) -> None:
    code, _, err = pstmo("figures", *command, "-o", tmp_path / "figure.png")
    (line,) = err.strip().splitlines()
    assert code == 2 and line.startswith("error: ") and sentence in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"costs": 1, "rows": 1}',
        '{"costs": {}, "rows": []}',
        '{"costs": {"a": {"newest": 1}}, "rows": [{"network": "a"}]}',
        '{"costs": {"a": {"newest": 1}}, "rows": []}',
    ],
)
def test_what_is_no_result_of_bench_live_is_said(text: str, tmp_path: Path, pstmo: Command) -> None:
    (tmp_path / "live.json").write_text(text)
    code, _, err = pstmo("figures", "live", tmp_path / "live.json", "-o", tmp_path / "live.png")
    assert code == 2 and "live.json: not a result of `pstmo bench live`" in err
    assert err.count("\n") == 1


def test_a_name_without_a_known_format_is_refused(pstmo: Command) -> None:
    code, _, err = pstmo("figures", "skeletons", "-o", "figure.bmp")
    assert code == 2 and "figure.bmp: figures are written as .png or .svg" in err


def test_without_matplotlib_the_command_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, pstmo: Command
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, err = pstmo("figures", "skeletons", "-o", "figure.png")
    assert code == 2 and "pip install '.[figures]'" in err


def test_lifting_and_the_streaming_core_load_neither_matplotlib_nor_torch() -> None:
    program = (
        "import sys, pstmo_core.cli, pstmo_core.streaming.lift_clip, pstmo_core.streaming.lifter;"
        "sys.exit(str({'matplotlib', 'torch'} & set(sys.modules) or ''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
