"""Converts a look-ahead in frames to time, for a network of either kind."""

from __future__ import annotations

from pstmo_core.errors import ConfigError
from pstmo_core.model.config import ModelConfig
from pstmo_core.model.live.config import LiveConfig

#: Seconds of a frame of look-ahead with a network that has no windows: that of the usual window.
FRAME = 0.04


def frame_time(model: ModelConfig | LiveConfig) -> float:
    """Return the seconds of a frame of look-ahead: the window's step, where there are windows."""
    return FRAME if isinstance(model, LiveConfig) else model.step


def look_ahead_ns(model: ModelConfig | LiveConfig, frames: int) -> int:
    """Return a look-ahead in nanoseconds.

    Args:
        model: the network.
        frames: the look-ahead in frames. A streaming network answers for some moments alone: the
            nearest one counts.

    Raises:
        ConfigError: if the network has no such look-ahead.
    """
    if isinstance(model, LiveConfig):
        return nearest_look_ahead(model.look_aheads, frames) * 1_000_000
    if frames > model.target:
        raise ConfigError(
            f"look_ahead is {frames}, but must be at most {model.target}, half of the network's "
            f"window of {model.frames} frames"
        )
    return round(model.step * 1e9) * frames


def look_ahead_for_recordings(model: ModelConfig | LiveConfig) -> int:
    """Return the look-ahead in frames that suits a recording, where delay costs nothing.

    It is half the window, which makes the target the paper's centre frame. A streaming network
    gains nothing after 160 ms.
    """
    return round(0.16 / FRAME) if isinstance(model, LiveConfig) else model.target


def nearest_look_ahead(look_aheads: tuple[int, ...], frames: int) -> int:
    """Return the look-ahead of a network, in milliseconds, that is nearest to one in frames.

    Args:
        look_aheads: milliseconds, those of the network.
        frames: what is asked for.

    Raises:
        ConfigError: if it is longer than all of them.
    """
    milliseconds = FRAME * 1e3
    known = sorted(ms for ms in look_aheads if ms >= 0)
    if frames * milliseconds > known[-1] + milliseconds / 2:
        raise ConfigError(
            f"look_ahead is {frames} ({frames * milliseconds:.0f} ms), but must be at most "
            f"{known[-1] / milliseconds:.0f}: the network answers for "
            f"{', '.join(map(str, known))} ms before the newest frame"
        )
    return min(known, key=lambda ms: abs(ms - frames * milliseconds))
