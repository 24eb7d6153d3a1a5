"""The files around the code agree with it: versions, dependencies, documents for contributors."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import pstmo_core

ROOT = Path(__file__).parents[2]
#: Keys of rosdep/python.yaml in ros/rosdistro, looked up there; other dependencies are packages.
ROSDEP_KEYS = {
    "python3-numpy", "python3-onnxruntime-pip", "python3-opencv", "python3-pytest",
    "python3-scipy", "python3-tqdm", "python3-yaml",
}  # fmt: skip


def test_the_version_is_the_same_everywhere() -> None:
    package = ET.parse(ROOT / "package.xml").getroot()
    assert package.findtext("version") == pstmo_core.__version__
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {pstmo_core.__version__}\n" in citation
    assert f"({pstmo_core.__version__})" in (ROOT / "CHANGELOG.md").read_text()
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()


def test_every_rosdep_key_exists() -> None:
    package = ET.parse(ROOT / "package.xml").getroot()
    named = {element.text or "" for element in package if element.tag.endswith("depend")}
    assert {name for name in named if name.startswith("python3-")} <= ROSDEP_KEYS


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "QUALITY_DECLARATION.md"])
def test_every_file_that_is_named_for_contributors_is_there(name: str) -> None:
    text = (ROOT / name).read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    paths = re.findall(
        r"`((?:pstmo_core|pstmo_ros|test|scripts|docs|msg)/[\w./]+\.(?:py|md|msg|sh))`", text
    )
    for target in links + paths:
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_continuous_integration_calls_the_one_script() -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yaml").read_text())
    commands = [
        step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step
    ]
    assert commands == ["scripts/test.sh --quick", "scripts/test.sh"]
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yaml"):
        template = yaml.safe_load(path.read_text())
        assert {"name", "description", "body"} <= set(template)
