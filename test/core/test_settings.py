"""`setting`: one declaration of default, meaning and range, checked with one sentence."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest

from pstmo_core.errors import ConfigError
from pstmo_core.settings import check_settings, declaration, rule, setting


@dataclasses.dataclass(frozen=True)
class Oven:
    heat: float = setting(180.0, "How hot it is.", low=50.0, high=250.0, unit="degrees")
    trays: int = setting(1, "How many trays.", low=1)
    mode: str = setting("fan", "What moves the air.", choices=("fan", "none"))
    share: float = setting(0.0, "Share of steam.", low=0.0, below=1.0)
    rest: float = setting(-1.0, "Minutes; -1: until it is cool.", low=0.0, high=9.0, special=-1.0)
    timer: int | None = setting(None, "Minutes, if it ends by itself.", low=1)
    light: bool = setting(True, "Whether it is lit.")
    name: str = setting("", "What it is called.")
    racks: tuple[float, float] = setting((10.0, 20.0), "How high they are.", low=0.0, unit="cm")
    other: str = "not a setting"

    def __post_init__(self) -> None:
        check_settings(self, "oven.")


def test_defaults_and_both_ends_of_a_range_are_allowed() -> None:
    Oven()
    Oven(heat=50.0, trays=1000)
    Oven(heat=250, timer=5)
    Oven(rest=9.0)
    Oven(rest=-1.0)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"heat": 300.0}, "oven.heat is 300.0, but must be a number between 50.0 and 250.0"),
        ({"heat": float("nan")}, "between 50.0"),
        ({"heat": "hot"}, "'hot', but must be a number between 50.0"),
        ({"trays": 0}, "a whole number of 1 or more"),
        ({"trays": 1.5}, "a whole number of 1 or more"),
        ({"trays": True}, "a whole number of 1 or more"),
        ({"share": True}, "a number from 0.0 to below 1.0"),
        ({"light": "false"}, "oven.light is 'false', but must be true or false"),
        ({"light": 0}, "light is 0, but must be true or false"),
        ({"name": 3}, "name is 3, but must be a text"),
        ({"mode": "grill"}, "one of 'fan', 'none'"),
        ({"share": 1.0}, "a number from 0.0 to below 1.0"),
        ({"rest": -0.5}, "a number between 0.0 and 9.0, or -1.0"),
        ({"timer": 0}, "timer is 0"),
        ({"racks": (1.0,)}, "two numbers of 0.0 cm or more"),
        ({"racks": (1.0, -1.0)}, "two numbers of 0.0 cm or more"),
        ({"racks": (1.0, float("inf"))}, "two numbers of 0.0 cm or more"),
        ({"racks": 5.0}, "two numbers of 0.0 cm or more"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_what_would_be_right(
    wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        Oven(**wrong)


def test_a_rule_can_be_read_from_the_class() -> None:
    assert rule(declaration(Oven, "heat")) == "a number between 50.0 and 250.0 degrees"
