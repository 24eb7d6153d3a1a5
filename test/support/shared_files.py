"""Files beside the checkout that are too large or not ours to commit; tests that need them skip."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared(name: str) -> Path:
    """Return a file or folder of `shared/`, or skip the test with the reason.

    It is looked for in $PSTMO_SHARED, then beside the checkout, then beside the folders above it.
    """
    checkout = Path(__file__).resolve().parents[2]
    given = os.environ.get("PSTMO_SHARED")
    roots = [Path(given)] if given else []
    roots += [folder / "shared" for folder in checkout.parents]
    for root in roots:
        if (root / name).exists():
            return root / name
    pytest.skip(f"needs shared/{name} beside the checkout, or in the folder $PSTMO_SHARED")
