"""The commands that the documents show, and where."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Programs whose calls are commands; other lines of a block are a file's content or a drawing.
_PROGRAM = re.compile(
    r"(pstmo|ros2|scripts/[\w/]+\.(?:sh|py)|python3?|pip|colcon|rosdep|torchrun|tensorboard|pytest|cd|git"
    r"|source|export)\b(?![/.\w]*`)"
)
_INLINE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True)
class Shown:
    """A command in a document."""

    document: str
    line: int
    text: str
    inline: bool

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def name(self) -> str:
        """What to call it in the report of the tests."""
        return f"{self.document}:{self.line}: {self.text}"


def documents() -> list[Path]:
    """Return the documents that users and contributors read."""
    folders = [ROOT, ROOT / "docs", ROOT / "docs" / "benchmarks", ROOT / "examples"]
    return [path for folder in folders for path in sorted(folder.glob("*.md"))]


def shown_commands() -> list[Shown]:
    """Return all commands of all documents, each once a document."""
    found: dict[tuple[str, str], Shown] = {}
    for path in documents():
        name = path.relative_to(ROOT).as_posix()
        for inline, find in ((False, _in_blocks), (True, _inline)):
            for line, text in find(path.read_text()):
                # One line may hold several commands.
                for part in re.split(r"\s+&&\s+", text):
                    found.setdefault((name, part), Shown(name, line, part, inline))
    return sorted(found.values(), key=lambda each: (each.document, each.line))


def python_blocks(path: Path) -> list[str]:
    """Return the Python of a document."""
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL)


def _in_blocks(document: str) -> Iterator[tuple[int, str]]:
    """Find commands in blocks, which are indented by four or more, or fenced."""
    fenced, begun, text = False, 0, ""
    for number, line in enumerate(document.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif text or ((fenced or line.startswith("    ")) and _PROGRAM.match(line.strip())):
            begun = begun or number
            text += re.sub(r"(^|\s)#.*", "", line.strip())
            if text.endswith("\\"):
                text = text[:-1]
            else:
                yield begun, " ".join(text.split())
                begun, text = 0, ""


def _inline(document: str) -> Iterator[tuple[int, str]]:
    """Find commands with arguments in the text, between backticks."""
    for number, line in enumerate(document.splitlines(), 1):
        for text in _INLINE.findall(line):
            if _PROGRAM.match(text) and " " in text:
                yield number, text
