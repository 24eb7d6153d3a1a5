"""The training runs that come with the package, by name: `pstmo train lifter27`."""

from __future__ import annotations

from pathlib import Path

from pstmo_core.errors import ConfigError

FOLDER = Path(__file__).resolve().parents[1] / "recipes" / "training"


def recipe_names() -> list[str]:
    """Return the names of the shipped runs."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_path(recipe: Path | str) -> Path:
    """Return the file of a run, given the name of a shipped one, a path, or a run's folder.

    Raises:
        ConfigError: if there is neither.
    """
    path = Path(recipe)
    if (path / "run.yaml").is_file():
        return path / "run.yaml"
    if path.is_file():
        return path
    shipped = FOLDER / f"{recipe}.yaml"
    if path.suffix or len(path.parts) > 1 or not shipped.is_file():
        raise ConfigError(
            f"{recipe}: no such run: give a YAML file, or the name of a shipped one "
            f"({', '.join(recipe_names())})"
        )
    return shipped
