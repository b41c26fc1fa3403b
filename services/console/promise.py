"""What the models had promised when they were put into use, beside what was saved on the days that can be judged."""

from dataclasses import dataclass
from functools import partial

from services.console.figures import Asker, Figure, Sentence, Series
from services.console.queries import Queries
from services.console.words import count, money
from services.console.worth import times_of
from shared.contract.schema import Contract

NOTHING_PROMISED: Sentence = (
    "Nothing was promised for the days that can be judged: no case was kept aside when the model was trained, by which "
    "to say what it should save, or those that were kept could not be read.",
)


@dataclass(frozen=True)
class Promise:
    """The promise for the days that can be judged; `unpromised` days are not among `days`."""

    days: Figure
    promised: Figure
    saved: Figure
    unpromised: Figure
    by_day: Series
    told: Sentence

    @property
    def broken(self) -> bool:
        """Whether less than half of what was promised was saved."""
        return 2 * (self.saved.value or 0) < (self.promised.value or 0)


def promise(contract: Contract, queries: Queries, asker: Asker) -> Promise:
    """Every number is asked for here."""
    in_money = partial(money, digits=contract.digits, currency=contract.currency)
    days = asker.one("days that can be judged, with a promise", queries.promised_days(), count)
    unpromised = asker.one("days that can be judged, without a promise", queries.unpromised_days(), count)
    promised = asker.one("promised for these days", queries.promised("day_promise"), in_money)
    saved = asker.one("saved on these days", queries.promised("day_value"), in_money)
    more = (saved.value or 0) >= (promised.value or 0)
    words, what = ("more", "day_value - day_promise") if more else ("less", "day_promise - day_value")
    difference = asker.one(f"{words} than was promised for these days", queries.promised(what), in_money)
    told: Sentence = (
        "Before a model may decide it is tried on cases that it has not learned from: what it would have saved is its "
        "promise. For the cases of ", days, " days that can be judged it promised ", promised, "; saved were ",
        saved, ", which is ", difference, f" {words}",
    )  # fmt: skip
    if times := times_of(days):
        margin = asker.one("what chance alone could do to the difference", queries.promised_margin(times), in_money)
        told += (", give or take ", margin, " in nineteen of twenty such times, if days like these came again")
    told += (".",)
    if unpromised:
        told += (" For ", unpromised, " more of these days nothing was promised.")
    by_day = asker.rows("promised and saved on each day that can be judged", queries.promised_by_day())
    return Promise(days, promised, saved, unpromised, by_day, told if days else NOTHING_PROMISED)
