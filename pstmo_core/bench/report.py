"""Writes the results of a benchmark, atomically: JSON for programs, Markdown for people."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pstmo_core.atomic_files import write_text


def percentiles(seconds: np.ndarray) -> dict[str, float]:
    """Return median, p95 and p99 of durations (N,) in milliseconds."""
    values = np.percentile(np.asarray(seconds, np.float64) * 1e3, [50, 95, 99])
    return dict(zip(("median_ms", "p95_ms", "p99_ms"), values.tolist(), strict=True))


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table; floats with 3 significant digits."""
    lines = [header, ["---"] * len(header), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def write_report(folder: Path, name: str, results: dict[str, Any], markdown: str) -> list[Path]:
    """Write NAME.json and NAME.md to a folder and return their paths; NaN becomes null.

    Raises:
        OSError: if they cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plain = json.dumps(_plain(results), indent=1, allow_nan=False)
    texts = {".json": plain + "\n", ".md": markdown.rstrip() + "\n"}
    paths = []
    for suffix, text in texts.items():
        path = folder / f"{name}{suffix}"
        write_text(path, text)
        paths.append(path)
    return paths


def _plain(value: Any) -> Any:
    """Return results with null for NaN, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:#.3g}".rstrip(".") if 0 < abs(value) < 1000 else f"{value:.0f}"
