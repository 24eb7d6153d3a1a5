"""The files around the code agree with it: versions, dependencies, documents for contributors."""

from __future__ import annotations

import ast
import re
import sys
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

#: Dependencies that are not called as the package that is imported.
DEPENDENCIES = {
    "cv2": "python3-opencv", "numpy": "python3-numpy", "tf2_ros": "tf2_ros_py",
    "tqdm": "python3-tqdm", "yaml": "python3-yaml",
}  # fmt: skip
#: What is imported where it is installed, and done without elsewhere.
OPTIONAL = {"cv_bridge", "matplotlib"}


def test_the_version_is_the_same_everywhere() -> None:
    package = ET.parse(ROOT / "package.xml").getroot()
    assert package.findtext("version") == pstmo_core.__version__
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {pstmo_core.__version__}\n" in citation
    assert f"({pstmo_core.__version__})" in (ROOT / "CHANGELOG.md").read_text()
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()


def test_every_package_that_nodes_and_launch_files_import_is_a_dependency() -> None:
    package = ET.parse(ROOT / "package.xml").getroot()
    declared = {e.text for e in package if e.tag in ("depend", "exec_depend")}
    missing = {
        f"{name}: {path.relative_to(ROOT)}"
        for folder in ("pstmo_ros", "launch")
        for path in (ROOT / folder).rglob("*.py")
        for name in _imported(path) - OPTIONAL - {"pstmo_core", "pstmo_ros"}
        if DEPENDENCIES.get(name, name) not in declared
    }
    assert not missing


def _imported(path: Path) -> set[str]:
    """Return the packages outside the standard library that a file imports, wherever it does."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names


def test_notices_name_every_weight_file_and_sample_that_ships() -> None:
    notice = (ROOT / "NOTICE").read_text()
    for folder in ("weights", "samples"):
        for path in (ROOT / "pstmo_core" / folder).iterdir():
            named = path.name in notice or f"{folder}/{path.stem}.*" in notice
            assert named or path.suffix == ".py", path.name


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
