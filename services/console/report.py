"""Puts the sponsor's report together: which numbers, what they mean, what is asked; the numbers come from the asker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.console.facts import Facts, Period
from services.console.figures import Asker, Figure, Series
from services.console.promise import Promise, promise
from services.console.queries import Queries
from services.console.story import Entry, kinds, story
from services.console.targets import Target, targets
from services.console.words import count, decimal, plain
from services.console.worth import Worth, worth
from shared.contract.schema import Contract
from shared.evaluation.reported import COST_ALONE

LIMITS = {
    "capacity": "some case got the next best decision: the places were taken, or kept for dearer cases",
    "flagged": "some case was decided without the model, since something in it could not be",
    "control": "some cases were set aside and decided without the model, to compare",
    COST_ALONE: "nothing did: every case got the decision that costs least",
}


@dataclass(frozen=True)
class Desk:
    """The use of a decision that has a limited number of places."""

    name: str
    used: Figure
    most: Figure
    places: Figure
    fewest: Figure
    days: Figure
    full: Figure
    over: Figure
    by_day: Series


@dataclass(frozen=True)
class Report:
    """Everything that the page says about a use case in a period.

    `contract` is in force; under `counted`, the newest in the period, it was decided: its money, limits and places.
    `other_money`: currency and last day of what no sum here holds, since it was counted otherwise.
    """

    facts: Facts
    period: Period
    contract: Contract
    counted: Contract
    other_money: tuple[str, str] | None
    worth: Worth
    promise: Promise
    volume: Figure
    known: Figure
    awaiting: Figure
    given_up: Figure
    unreadable: Figure
    without_a_case: Figure
    incident_days: Figure
    decided: Sequence[tuple[str, Figure]]
    overflow: Figure
    limited: Sequence[tuple[str, Figure]]
    desks: Sequence[Desk]
    targets: Sequence[Target]
    story: Sequence[Entry]

    @property
    def incidents(self) -> list[Entry]:
        """What went wrong, of the story."""
        return kinds(self.story, "back", "trouble")


def build(facts: Facts, period: Period, asker: Asker) -> Report:
    """The report; every number of it is asked for here."""
    other = facts.in_other_money(period)
    queries = Queries(facts.use_case, period, facts.contracts_in(period), only=bool(other))
    contract, ask = queries.newest, partial(_ask, asker)
    decisions = dict.fromkeys(name for one in queries.contracts.values() for name in one.decisions or {})
    return Report(
        facts=facts,
        period=period,
        contract=facts.contract,
        counted=contract,
        other_money=(other[-1].currency, other[-1].block) if other else None,
        worth=worth(facts, period, queries, asker),
        promise=promise(contract, queries, asker),
        volume=ask("cases that were decided", queries.volume()),
        known=ask("cases whose outcome is known", queries.labelled()),
        awaiting=ask("cases whose outcome is still to come", queries.awaiting()),
        given_up=ask("cases whose outcome never came", queries.given_up()),
        unreadable=ask("cases decided without the model, since something in them could not be", queries.unreadable()),
        without_a_case=ask("days on which no case came", queries.days_without_a_case()),
        incident_days=ask("days on which something was out of order", queries.days_with_incidents()),
        decided=[(plain(name), ask(f"cases decided “{plain(name)}”", queries.decided(name))) for name in decisions],
        overflow=ask("cases that got the next best decision, since places are few", queries.for_want_of_places()),
        limited=_limited(contract, queries, asker),
        desks=[desk for name, one in (contract.decisions or {}).items() if one.capacity
               and (desk := _desk(name, queries, asker))],
        targets=targets(contract, queries, facts.revision_of(contract), asker),
        story=story(facts, period),
    )  # fmt: skip


def _limited(contract: Contract, queries: Queries, asker: Asker) -> list[tuple[str, Figure]]:
    """What limited the decisions of a day, and on how many days; what never did is left out."""
    capped = [name for name, one in (contract.decisions or {}).items() if one.capacity]
    full = {f"{name} used up": f"every place for “{plain(name)}” was used" for name in capped}
    found = [
        (words, asker.one(f"days on which {words}", queries.bound_days(what), count))
        for what, words in (full | LIMITS).items()
    ]
    return [(words, days) for words, days in found if days]


def _ask(asker: Asker, what: str, sql: str) -> Figure:
    return asker.one(what, sql, count)


def _desk(name: str, queries: Queries, asker: Asker) -> Desk | None:
    words = plain(name)
    by_day = asker.rows(f"“{words}”: used and places, day by day", queries.used_by_day(name))
    if not by_day.rows:
        return None
    return Desk(
        name=words,
        used=asker.one(f"“{words}” on a mean day", queries.used(name, "avg"), partial(decimal, digits=1)),
        most=asker.one(f"“{words}” on the busiest day", queries.used(name, "max"), count),
        places=asker.one(f"most places for “{words}” on a day", queries.places(name, "max"), count),
        fewest=asker.one(f"fewest places for “{words}” on a day", queries.places(name, "min"), count),
        days=asker.one(f"days with “{words}”", queries.capacity_days(name), count),
        full=asker.one(f"days on which every place for “{words}” was used", queries.full_days(name), count),
        over=asker.one(f"days with more “{words}” than places", queries.days_over(name), count),
        by_day=by_day,
    )
