"""Names and titles of the catalogue's experiments, read without torch."""

from __future__ import annotations

from pathlib import Path

from pstmo_core.errors import PstmoError

CATALOGUE = Path(__file__).resolve().parents[1] / "recipes" / "experiments"


def experiment_names() -> list[str]:
    """Return the names of the catalogue."""
    return sorted(path.stem for path in CATALOGUE.glob("*.yaml"))


def title_and_rows(name: str) -> tuple[str, list[str]]:
    """Return the title of an experiment of the catalogue and the names of its rows.

    Raises:
        PstmoError: if PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise PstmoError("the list of experiments needs PyYAML: pip install pyyaml") from error
    tree = yaml.safe_load((CATALOGUE / f"{name}.yaml").read_text("utf-8"))
    return tree["title"], [row["name"] for row in tree["rows"]]
