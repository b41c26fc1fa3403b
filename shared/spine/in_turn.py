"""What a clock step does for one use case after the other: trouble with one keeps no other from its turn."""

import logging
from collections.abc import Awaitable, Callable, Iterable

from shared.spine.error_policy import kind_of

log = logging.getLogger(__name__)

Work = Callable[[], Awaitable[object]]


async def in_turn(work: Iterable[tuple[str, Work]]) -> None:
    """Do each piece of work, given with the name of its use case; raise at the end what failed, if anything did.

    After a failure nothing more is done for that use case, since the order may matter. Of several failures the one is
    raised that another try may mend, so that the step is run again; its notes say for whom it failed.
    """
    failures: dict[str, Exception] = {}
    for name, do in work:
        if name in failures:
            continue
        try:
            await do()
        except Exception as error:
            error.add_note(name)
            failures[name] = error
            log.warning("a step failed for one of them", extra={"of": name, "error": repr(error)[:500]})
    if failures:
        raise min(failures.values(), key=lambda failure: kind_of(failure) != "transient")
