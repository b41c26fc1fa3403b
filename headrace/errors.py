"""Expected failures of the command: shown to a person as a sentence, never as a traceback."""


class CommandError(Exception):
    """What went wrong and what to do about it."""
