"""The root of the errors that a user can mend: each says what is wrong, where, and what to do."""


class PstmoError(ValueError):
    """Wrong input, files or settings; commands print its sentence and exit with 2."""
