"""The root of the errors that a user can mend: each says what is wrong, where, and what to do."""


class PstmoError(ValueError):
    """Wrong input, files or settings; commands print its sentence and exit with 2."""


class ConfigError(PstmoError):
    """A configuration that cannot be used, with a sentence that says what would be right."""
