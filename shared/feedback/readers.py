"""Who reads the feedback tables and what for; a test holds this against the imports."""

from typing import NamedTuple


class Reader(NamedTuple):
    """A module, and what it does with the rows."""

    who: str
    module: str
    purpose: str


READERS = (
    Reader("monitor", "services.monitor.ingest", "writes both tables, and asks where to go on"),
    Reader("monitor", "services.monitor.tidying", "joins small files, and deletes what is kept no longer"),
    Reader("monitor", "services.monitor.changes", "finds the blocks that new rows touch"),
    Reader("monitor", "services.monitor.closing", "reports value, quality and incidents of each block"),
    Reader("monitor", "services.monitor.drifting", "compares scores and losses with the package's reference"),
    Reader("monitor", "services.monitor.requests", "counts answered requests beside failed ones"),
    Reader("monitor", "services.monitor.api", "gives decisions with outcomes over HTTP"),
    Reader("monitor", "services.monitor.others", "waits until other members have written what they read"),
    Reader("trainer", "services.trainer.rows", "fits and holds out, from a pinned version"),
    Reader("trainer", "services.trainer.runs", "pins the version of a training"),
    Reader("trainer", "services.trainer.freshness", "waits until the tables hold what the topics hold"),
    Reader("trainer", "services.trainer.evaluations", "evaluates packages that are not served"),
    Reader("console", "services.console.making", "asks for every number of a report"),
    Reader("console", "services.console.pages", "names the version that a page was asked of"),
    Reader("command", "headrace.query", "answers SQL"),
    Reader("command", "headrace.catalogue", "describes the tables"),
    Reader("command", "headrace.backtest", "decides logged rows again"),
    Reader("command", "headrace.value", "prices what was reported again, to the cent"),
    Reader("command", "headrace.collect", "counts what a demo left"),
)
