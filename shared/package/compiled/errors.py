"""The reason why a model has no compiled form."""


class UnfoldableError(Exception):
    """A step or a model that cannot be folded exactly; the message names it."""
