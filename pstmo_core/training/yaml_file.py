"""YAML files of settings, read within bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf

from pstmo_core.errors import ConfigError

#: Bytes of a file of settings; the longest that is shipped has 4 kB.
MOST_BYTES = 1 << 16
#: Lists and mappings inside each other; a run's settings have three levels.
MOST_LEVELS = 32
#: Repetitions by name (`*name`): ten lists of ten of them make ten billion.
MOST_ALIASES = 64


def load_yaml(path: Path | str) -> Any:
    """Return a file's settings as OmegaConf's tree.

    Raises:
        ConfigError: if it is beyond a limit, or no YAML; its sentence lacks the path.
        OSError: if it cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ConfigError(f"has more than {MOST_BYTES} bytes: is it a file of settings?")
    levels = aliases = 0
    try:
        text = data.decode()
        for event in yaml.parse(text, yaml.SafeLoader):
            if levels == 0 and isinstance(event, (yaml.ScalarEvent, yaml.SequenceStartEvent)):
                raise ConfigError("holds no settings (name: value)")
            levels += isinstance(event, yaml.CollectionStartEvent)
            levels -= isinstance(event, yaml.CollectionEndEvent)
            aliases += isinstance(event, yaml.AliasEvent)
            if levels > MOST_LEVELS:
                raise ConfigError(f"is nested more than {MOST_LEVELS} levels deep")
            if aliases > MOST_ALIASES:
                raise ConfigError(f"has more than {MOST_ALIASES} aliases (*name)")
        return OmegaConf.create(text)
    except ConfigError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"is no YAML that can be read ({error})") from error
