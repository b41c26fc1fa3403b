"""What goes back for an error inside a prediction: which problem it is to the client."""

import logging

from services.serving.bounds import SpoolFullError
from services.serving.lock import SpoolBusyError
from services.serving.score import BadRowError, OverloadedError
from shared.spine.problems import Problem

log = logging.getLogger(__name__)


def problem_of(error: Exception) -> Problem:
    """Return the problem that an error is; what is unknown is logged, and said to be ours."""
    match error:
        case Problem():
            return error
        case SpoolBusyError() | SpoolFullError() | OverloadedError():
            return _because(error, Problem(503, str(error)))
        case BadRowError():
            log.warning("a record cannot be scored", extra={"error": str(error)})
            return _because(error, Problem(422, str(error), record=error.position))
        case TimeoutError():
            return Problem(503, "no answer within the time limit")
        case _:
            log.error("a request failed", exc_info=error)
            return Problem(500, "this request failed inside")


def _because(error: Exception, problem: Problem) -> Problem:
    problem.__cause__ = error
    return problem
