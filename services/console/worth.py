"""What a period was worth, and how far that may be trusted: chance, chosen cases, cause."""

from dataclasses import dataclass
from functools import partial

from scipy.stats import t as student

from services.console.facts import Facts, Period
from services.console.figures import Asker, Figure, Sentence, Series
from services.console.queries import Queries
from services.console.words import count, decimal, money, plain
from shared.contract.schema import Contract
from shared.evaluation.estimates import Estimate, NotEstimated
from shared.evaluation.period import PeriodValue, period_value
from shared.evaluation.reported import Reported

# Below this many days a range would say more than is known.
_DAYS_FOR_A_RANGE = 8
NOT_CAUSAL = (
    "This compares, case by case, what was decided with what would have been decided without a model, at the costs in "
    "the terms. No case was set aside to be decided without it, so nobody can say what else would have gone "
    "differently."
)
TOO_FEW = (
    "Some cases are set aside, drawn at random, and decided without the model. They are too few yet to say what the "
    "model itself has earned."
)


@dataclass(frozen=True)
class Worth:
    """Value against no model. `cause`: what the model itself earned, or why nobody can say."""

    value: Figure
    cost: Figure
    without: Figure
    per_case: Figure
    per_case_without: Figure
    days: Figure
    losing_days: Figure
    accounts: Figure
    by_day: Series
    range: Sentence
    causal: bool
    cause: Sentence
    selected: Sentence


def worth(facts: Facts, period: Period, queries: Queries, asker: Asker) -> Worth:
    """Every number is asked for here; money is that of the newest contract in the period."""
    contract = queries.newest
    in_money = partial(money, digits=contract.digits, currency=contract.currency)
    per_case = partial(_per_case, contract)
    causal, cause = _cause(facts, period, queries, asker)
    return Worth(
        value=asker.one("saved against deciding without a model", queries.value(), in_money),
        cost=asker.one("cost of what was decided", queries.cost(), in_money),
        without=asker.one("cost without a model", queries.cost_without_model(), in_money),
        per_case=asker.one("cost of a case", queries.cost_per_case(contract.digits), per_case),
        per_case_without=asker.one(
            "cost of a case without a model", queries.cost_per_case_without(contract.digits), per_case
        ),
        days=asker.one("days with a known outcome", queries.days(), count),
        losing_days=asker.one("days on which no model would have cost less", queries.losing_days(), count),
        accounts=asker.one("the same from the accounts of the days", queries.accounts(), in_money),
        by_day=asker.rows("saved on each day", queries.value_by_day()),
        range=_range(contract, queries, asker),
        causal=causal,
        cause=cause,
        selected=_selected(contract, queries, asker),
    )


def _per_case(contract: Contract, value: float) -> str:
    return f"{decimal(value, contract.digits + 1)} {contract.currency}"


def _range(contract: Contract, queries: Queries, asker: Asker) -> Sentence:
    """A plain 95 % interval (Student's t) of the judged days, the same as that of `headrace value`."""
    in_money = partial(money, digits=contract.digits, currency=contract.currency)
    days = asker.one("days that can be judged", queries.judged_days(), count)
    times = times_of(days)
    if times is None:
        return ()
    saved = asker.one("saved on the days that can be judged", queries.judged_value(), in_money)
    margin = asker.one("what chance alone could add to that or take from it", queries.margin(times), in_money)
    return (
        "Days differ. The ", days, " days that can be judged saved ", saved, "; if days like these came again, they "
        "would in nineteen of twenty such times save as much, give or take ", margin, ". That is all this range says: "
        "it takes the days for independent, and holds for a single look.",
    )  # fmt: skip


def times_of(days: Figure) -> float | None:
    """How many standard deviations a plain 95 % range reaches; None where so few days tell nothing."""
    number = int(days.value or 0)
    return None if number < _DAYS_FOR_A_RANGE else round(float(student.ppf(0.975, number - 1)), 4)


def _cause(facts: Facts, period: Period, queries: Queries, asker: Asker) -> tuple[bool, Sentence]:
    contract = queries.newest
    reports = [
        Reported(one.block, one.release_sequence, one.contract_digest, one.model_dump())
        for one in facts.within(period)
        if one.contract_digest in queries.contracts
    ]
    # The command that tells these numbers refuses a period of two currencies.
    if not reports or queries.only:
        return False, (NOT_CAUSAL,)
    found = period_value(facts.use_case, reports, [contract.digits])
    if isinstance(found.causal, NotEstimated):
        set_aside = any("control" in one["arms"] for one in reports)
        return False, (TOO_FEW if set_aside else NOT_CAUSAL, *_of_all(facts, period, contract, found, asker))
    told = _estimate("causal.estimate", facts, period, contract, found.causal, asker)
    sentence = (
        "Some cases, drawn at random, were decided without the model. Measured against those ", told["drawn"],
        ", the model itself earned about ", told["minor"], ": in nineteen of twenty such draws the true sum lies "
        "between ", told["low"], " and ", told["high"], ".",
    )  # fmt: skip
    return True, (*sentence, *_of_all(facts, period, contract, found, asker))


def _of_all(facts: Facts, period: Period, contract: Contract, found: PeriodValue, asker: Asker) -> Sentence:
    """What cases that never show an outcome were worth, from those that were looked into at random."""
    if not isinstance(found.of_all, Estimate):
        return ()
    told = _estimate("estimate_of_all_cases.estimate", facts, period, contract, found.of_all, asker)
    return (
        " Cases that never show their outcome were looked into at random: with all of them it saved about ",
        told["minor"], ", between ", told["low"], " and ", told["high"], ".",
    )  # fmt: skip


def _estimate(
    path: str, facts: Facts, period: Period, contract: Contract, found: Estimate, asker: Asker
) -> dict[str, Figure]:
    in_money = partial(money, digits=contract.digits, currency=contract.currency)
    command = f"headrace value {facts.use_case} --from {period.first} --to {period.last} --json"
    values = {"minor": found.minor, "low": found.low, "high": found.high, "drawn": found.drawn}
    return {
        name: asker.told(f"{plain(path.partition('.')[0])}: {name}", f"{command}   # {path}.{name}", value,
                         count if name == "drawn" else in_money)
        for name, value in values.items()
    }  # fmt: skip


def _selected(contract: Contract, queries: Queries, asker: Asker) -> Sentence:
    """What must be known where only some decisions ever show how a case ended."""
    seen_after = contract.label.observed_when
    if seen_after == "always":
        return ()
    never = asker.one("cases that can never show how they would have ended", queries.never_seen(seen_after), count)
    after = " or ".join(f"“{plain(name)}”" for name in seen_after)
    return (
        f"How a case ended is seen only after {after}. For ",
        never,
        " cases it can never be known by itself, and no money of theirs is counted: what stands here holds for the "
        "cases that were seen, and for no others.",
    )
