"""Puts the sponsor's report together: which numbers, what they mean, what is asked; the numbers come from the asker."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from services.console.facts import Facts, Period
from services.console.figures import Asker, Figure, Series
from services.console.queries import Queries
from services.console.story import Entry, kinds, story
from services.console.targets import Target, targets
from services.console.words import count, decimal, money, number, plain
from shared.contract.schema import Contract
from shared.events import UseCaseApplied

# A sentence: words and the numbers in it.
Sentence = tuple[str | Figure, ...]
# Below this many days an interval would say more than is known.
_DAYS_FOR_A_MARGIN = 8


@dataclass(frozen=True)
class Worth:
    """Value against no model, and how far it may be trusted."""

    value: Figure
    margin: Figure | None
    cost: Figure
    without: Figure
    per_case: Figure
    per_case_without: Figure
    days: Figure
    losing_days: Figure
    accounts: Figure
    by_day: Series
    selected: Sentence


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
        worth=_worth(queries, contract, asker),
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


def _worth(queries: Queries, contract: Contract, asker: Asker) -> Worth:
    in_money = partial(money, digits=contract.digits, currency=contract.currency)
    per_case = partial(_per_case, contract)
    days = asker.one("days with a known outcome", queries.days(), count)
    enough = isinstance(days.value, int) and days.value >= _DAYS_FOR_A_MARGIN
    return Worth(
        value=asker.one("saved against deciding without a model", queries.value(), in_money),
        margin=asker.one("what chance alone could add or take", queries.margin(), in_money) if enough else None,
        cost=asker.one("cost of what was decided", queries.cost(), in_money),
        without=asker.one("cost without a model", queries.cost_without_model(), in_money),
        per_case=asker.one("cost of a case", queries.cost_per_case(contract.digits), per_case),
        per_case_without=asker.one(
            "cost of a case without a model", queries.cost_per_case_without(contract.digits), per_case
        ),
        days=days,
        losing_days=asker.one("days on which no model would have cost less", queries.losing_days(), count),
        accounts=asker.one("the same from the accounts of the days", queries.accounts(), in_money),
        by_day=asker.rows("saved on each day", queries.value_by_day()),
        selected=_selected(queries, contract, asker),
    )


def _per_case(contract: Contract, value: float) -> str:
    return f"{decimal(value, contract.digits + 1)} {contract.currency}"


def _selected(queries: Queries, contract: Contract, asker: Asker) -> Sentence:
    """What must be known where only some decisions ever show how a case ended."""
    seen_after = contract.label.observed_when
    if seen_after == "always":
        return ()
    never = asker.one("cases that can never show how they would have ended", queries.never_seen(seen_after), count)
    after = " or ".join(f"“{plain(name)}”" for name in seen_after)
    return (
        f"How a case ended is seen only after {after}. For ",
        never,
        " cases it can never be known, and no money of theirs is counted: what stands here holds for the cases that "
        "were seen, and for no others.",
    )


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
