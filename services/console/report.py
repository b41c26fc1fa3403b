"""Puts the sponsor's report together: which numbers, what they mean, what is asked; the numbers come from the asker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.console.facts import Facts, Period
from services.console.figures import Asker, Figure, Series
from services.console.queries import Queries
from services.console.story import Entry, kinds, story
from services.console.targets import Target, targets
from services.console.words import count, decimal, number, plain
from services.console.worth import Worth, worth
from shared.contract.schema import Contract
from shared.events import UseCaseApplied


@dataclass(frozen=True)
class Desk:
    """The use of a decision that has a limited number of places."""

    name: str
    used: Figure
    most: Figure
    places: Figure
    days: Figure
    full: Figure
    over: Figure
    by_day: Series


@dataclass(frozen=True)
class Report:
    """Everything that the page says about a use case in a period."""

    facts: Facts
    period: Period
    contract: Contract
    worth: Worth
    volume: Figure
    known: Figure
    awaiting: Figure
    given_up: Figure
    unreadable: Figure
    decided: Sequence[tuple[str, Figure]]
    overflow: Figure
    desks: Sequence[Desk]
    targets: Sequence[Target]
    story: Sequence[Entry]

    @property
    def incidents(self) -> list[Entry]:
        """What went wrong, of the story."""
        return kinds(self.story, "back", "trouble")


def contracts_in(facts: Facts, period: Period) -> dict[str, Contract]:
    """The contracts under which blocks of the period were decided, the newest last; else the one in force."""
    used = {report.contract_digest for report in facts.within(period)}
    found = {digest: contract for digest, contract in facts.contracts.items() if digest in used}
    return found or {facts.contract.digest: facts.contract}


def build(facts: Facts, period: Period, asker: Asker) -> Report:
    """The report; every number of it is asked for here."""
    contract = facts.contract
    queries = Queries(facts.use_case, period, contracts_in(facts, period))
    ask = partial(_ask, asker)
    return Report(
        facts=facts,
        period=period,
        contract=contract,
        worth=worth(facts, period, queries, asker),
        volume=ask("cases that were decided", queries.volume()),
        known=ask("cases whose outcome is known", queries.labelled()),
        awaiting=ask("cases whose outcome is still to come", queries.awaiting()),
        given_up=ask("cases whose outcome never came", queries.given_up()),
        unreadable=ask("cases decided without the model, since something in them could not be", queries.unreadable()),
        decided=[(plain(name), ask(f"cases decided “{plain(name)}”", queries.decided(name)))
                 for name in contract.decisions or {}],
        overflow=ask("cases that got the next best decision, since all places were taken",
                     queries.for_want_of_places()),
        desks=[desk for name, one in (contract.decisions or {}).items() if one.capacity
               and (desk := _desk(facts, name, queries, asker))],
        targets=targets(contract, queries, revision(facts), asker),
        story=story(facts, period),
    )  # fmt: skip


def revision(facts: Facts) -> int:
    """The revision of the contract in force."""
    return facts.of(UseCaseApplied)[-1].revision


def _ask(asker: Asker, what: str, sql: str) -> Figure:
    return asker.one(what, sql, count)


def _desk(facts: Facts, name: str, queries: Queries, asker: Asker) -> Desk | None:
    term = f"decisions.{name}.capacity.limit"
    words = plain(name)
    by_day = asker.rows(f"“{words}”: used and places, day by day", queries.used_by_day(name))
    if not by_day.rows:
        return None
    return Desk(
        name=words,
        used=asker.one(f"“{words}” on a mean day", queries.used(name, "avg"), partial(decimal, digits=1)),
        most=asker.one(f"“{words}” on the busiest day", queries.used(name, "max"), count),
        places=asker.one(f"places for “{words}” a day, as the terms say", queries.term(term, revision(facts)), number),
        days=asker.one(f"days with “{words}”", queries.capacity_days(name), count),
        full=asker.one(f"days on which every place for “{words}” was used", queries.full_days(name), count),
        over=asker.one(f"days with more “{words}” than places", queries.days_over(name), count),
        by_day=by_day,
    )
