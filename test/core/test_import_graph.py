"""What imports what: data goes one way, the live lifter stays small, the core knows no ROS."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "pstmo_core"

TABLE = (ROOT / "docs" / "architecture.md").read_text()
#: The layers of the packages and loose files of pstmo_core, by the table in docs/architecture.md:
#: a package imports from layers of lower numbers only.
LAYER = {
    name: int(number)
    for number, names in re.findall(r"^\| (\d+) \| (.*?) \|", TABLE, re.MULTILINE)
    for name in re.findall(r"`(\w+)/?`", names)
    if name != "pstmo_ros"
}
#: What `Lifter` on ONNX Runtime may import, besides the loose files.
LIVE = (
    "encoding",
    "keypoints",
    "room",
    "streaming",
    "runtime",
    "model.config",
    "model.live.config",
    "model.trained_on",
)
#: Who needs these is training, measuring or drawing for a paper; the product is not.
WORKSHOP = {"bench", "figures", "experiments", "training"}
ROS = {"rclpy", "pstmo_ros", "sensor_msgs", "std_msgs", "geometry_msgs", "launch", "tf2_ros"}

Arrow = tuple[str, str]


@cache
def modules(top: str) -> dict[str, Path]:
    found = {}
    for path in (ROOT / top).rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imported(path: Path) -> frozenset[str]:
    """Return the full names that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


@cache
def arrows(top: str = "pstmo_core") -> tuple[Arrow, ...]:
    """Return who imports whom, in the core and from a package into the core."""
    known = {**modules("pstmo_core"), **modules(top)}
    found: set[Arrow] = set()
    for module, path in modules(top).items():
        for name in imported(path):
            target = name if name in known else name.rpartition(".")[0]
            if target in known and target != module:
                found.add((module, target))
    return tuple(sorted(found))


def package(module: str) -> str:
    """Return the package or loose file of a module of the core; empty for the public face."""
    return (module.split(".") + [""])[1]


def test_every_package_has_its_layer() -> None:
    packages = {package(module) for module in modules("pstmo_core")} - {""}
    assert sorted(packages ^ set(LAYER)) == [], "docs/architecture.md names others than there are"


def test_no_arrow_goes_up_or_along() -> None:
    faults = [
        f"{above} (layer {LAYER[package(above)]}) imports {below} (layer {LAYER[package(below)]})"
        for above, below in arrows()
        if package(above) != package(below)
        and package(above)
        and (not package(below) or LAYER[package(above)] <= LAYER[package(below)])
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("top", ["pstmo_core", "pstmo_ros"])
def test_no_modules_import_each_other_in_a_circle(top: str) -> None:
    below: dict[str, list[str]] = {}
    for above, target in arrows(top):
        below.setdefault(above, []).append(target)
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> None:
        if module in way:
            pytest.fail("a circle: " + " -> ".join([*way[way.index(module) :], module]))
        if module not in done:
            for target in below.get(module, []):
                visit(target, [*way, module])
            done.add(module)

    for module in below:
        visit(module, [])


def test_the_core_has_eight_loose_files_at_most_and_they_are_below_everything() -> None:
    loose = sorted(path.name for path in CORE.glob("*.py"))
    assert len(loose) <= 8, loose


def test_the_core_imports_no_ros() -> None:
    faults = [
        f"{module} imports {name}"
        for module, path in modules("pstmo_core").items()
        for name in imported(path)
        if name.split(".")[0] in ROS
    ]
    assert not faults, "\n".join(faults)


def test_no_node_imports_training_benchmarks_figures_or_experiments() -> None:
    tools = ("pstmo_ros.bench", "pstmo_ros.demo", "pstmo_ros.torture")  # commands, not nodes
    faults = [
        f"{above} imports {below}"
        for above, below in arrows("pstmo_ros")
        if below.startswith("pstmo_core.")
        and package(below) in WORKSHOP
        and not above.startswith(tools)
    ]
    assert not faults, "\n".join(faults)


def loaded_by(program: str) -> set[str]:
    """Return the modules that a program has imported at its end."""
    program = f"import sys\n{program}\nprint(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())


def test_the_live_lifter_imports_the_live_packages_only() -> None:
    loaded = loaded_by(
        "import pstmo_core as pstmo\n"
        "lifter = pstmo.Lifter(pstmo.load_runtime(backend='onnxruntime'))\n"
        "assert [answer for frame in pstmo.load_clip() for answer in lifter.push(frame)]"
    )
    ours = {name.removeprefix("pstmo_core.") for name in loaded if name.startswith("pstmo_core.")}
    loose = {path.stem for path in CORE.glob("*.py")}
    allowed = {name for name in ours if name in loose or f"{name}.".startswith(
        tuple(f"{live}." for live in LIVE))} | {"model", "model.live"}  # fmt: skip
    assert sorted(ours - allowed) == []
    assert not {"torch", "scipy", "cv2", "onnx"} & loaded


def test_the_command_line_loads_nothing_of_the_workshop_before_it_is_asked() -> None:
    loaded = loaded_by("import pstmo_core.cli.commands")
    packages = {name.split(".")[1] for name in loaded if name.startswith("pstmo_core.")}
    assert not WORKSHOP & packages
    assert not {"torch", "scipy", "cv2", "matplotlib", "omegaconf"} & loaded
