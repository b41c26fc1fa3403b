"""The two kinds of error that code may raise on purpose; everything else is a bug."""


class TransientError(Exception):
    """Something outside is away (database, broker, store): the same message again, nothing is lost."""


class PermanentError(Exception):
    """The message can never be processed (bad body, broken invariant): a dead letter at once."""
