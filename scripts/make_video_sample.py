"""Makes the shipped sample video: a woman and a man in a park, filmed by a phone.

    pip download --no-deps sports2d==0.8.34
    python scripts/make_video_sample.py sports2d-0.8.34-py3-none-any.whl

Writes pstmo_core/samples/park.mp4: 3.5 s of the package's demonstration, cut to where both
people can be seen, at 3/4 of the size. NOTICE credits it; the same ffmpeg writes the same bytes.
"""

from __future__ import annotations

import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Annotated

import imageio_ffmpeg
import typer

from pstmo_core.atomic_files import atomic_file, check_output
from pstmo_core.cli.app import run_script

VIDEO = "Sports2D/Demo/demo.mp4"
FRAMES = (54, 160)
"""First frame and the one after the last: then the man jumps from the roof."""
CROP = (1280, 960, 300, 20)
"""Width, height, left and top in the original of 1768 x 994 pixels."""
SIZE = (960, 720)
FPS = 30
QUALITY = 26
"""H.264's constant rate factor: 0.6 MB."""


def main(
    wheel: Annotated[Path, typer.Argument(help="The wheel of sports2d.")],
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("pstmo_core/samples/park.mp4"),
) -> None:
    """Cut the sample out of the wheel's video."""
    check_output(output, [wheel])
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        original = archive.extract(VIDEO, folder)
        with atomic_file(output) as partial:
            subprocess.run(_command(original, partial), check=True)
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.2f} MB")


def _command(original: str, output: Path) -> list[str]:
    cut = f"trim=start_frame={FRAMES[0]}:end_frame={FRAMES[1]},setpts=PTS-STARTPTS"
    crop = "crop=" + ":".join(map(str, CROP))
    scale = f"scale={SIZE[0]}:{SIZE[1]}:flags=area,format=yuv420p"
    exact = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]
    coded = ["-c:v", "libx264", "-preset", "veryslow", "-crf", str(QUALITY), "-g", str(FPS)]
    return [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-i", original),
        *("-vf", ",".join((cut, crop, scale)), "-r", str(FPS), "-an", *exact, *coded),
        *("-threads", "1", "-movflags", "+faststart", str(output)),
    ]


if __name__ == "__main__":
    run_script(main)
