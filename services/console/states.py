"""PURE: how a use case stands: each rule by itself, and the worst of them for the whole; silence is never well."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.console.facts import Facts
from services.console.schedule import due
from services.console.words import day
from shared.contract.capacity import block_bounds
from shared.events import ActivationReported, KpiReported, ModelReleased, TrainingFinished

State = Literal["well", "waiting", "silent", "watch", "trouble"]
# From the best to the worst. What cannot be seen is worse than what is known to be well, and better than known trouble.
ORDER: tuple[State, ...] = ("well", "waiting", "silent", "watch", "trouble")
_RECENT = timedelta(days=7)
_JUDGED = 28
_SILENT_AFTER = timedelta(days=2)


@dataclass(frozen=True)
class Verdict:
    """What one rule says: its state, the rule in words, and what was found."""

    rule: str
    state: State
    found: str


@dataclass(frozen=True)
class Standing:
    """A use case and every rule's verdict."""

    facts: Facts
    verdicts: Sequence[Verdict]

    @property
    def state(self) -> State:
        """The worst of all."""
        return max((one.state for one in self.verdicts), key=ORDER.index, default="silent")

    @property
    def because(self) -> list[Verdict]:
        """The rules that make it so."""
        return [one for one in self.verdicts if one.state == self.state]


def standing(facts: Facts, published: frozenset[tuple[str, str]], overdue_after: timedelta) -> Standing:
    """Every rule, asked at `facts.now`; `published` are the (first, last) blocks of reports that went out."""
    judged = [report for report in facts.reports if report.mature][-_JUDGED:]
    verdicts = [
        *_about_silence(facts),
        *_about_outcomes(facts, judged),
        *_about_value(facts, judged),
        *_about_limits(facts, judged),
        *_about_changes(facts),
        *_about_reports(facts, published, overdue_after),
    ]
    return Standing(facts, verdicts)


def _about_silence(facts: Facts) -> Iterator[Verdict]:
    rule = "a model decides, and cases came within two days"
    if facts.release is None:
        yield Verdict(rule, "silent", "no model decides yet")
    elif not facts.reports:
        yield Verdict(rule, "silent", "no day has been accounted for yet")
    else:
        found = f"the last cases came on {day(facts.reports[-1].block)}"
        yield Verdict(rule, "silent" if is_silent(facts) else "well", found)


def is_silent(facts: Facts) -> bool:
    """Whether two days have passed since the last day with a case; a use case without any has not begun."""
    if not facts.reports:
        return False
    return facts.now - block_bounds(facts.contract, facts.reports[-1].block)[1] > _SILENT_AFTER


def _about_outcomes(facts: Facts, judged: Sequence[KpiReported]) -> Iterator[Verdict]:
    rule = "the outcomes of some day are known well enough to judge it"
    if facts.reports:
        found = f"the last day that can be judged is {day(judged[-1].block)}" if judged else "none can be judged yet"
        yield Verdict(rule, "well" if judged else "waiting", found)


def _about_value(facts: Facts, judged: Sequence[KpiReported]) -> Iterator[Verdict]:
    contracts = facts.in_money_of(facts.contract)
    judged = [report for report in judged if report.contract_digest in contracts]
    if judged and any(report.labelled for report in judged):
        value = sum(report.value_minor for report in judged)
        found = "it saved money" if value > 0 else "it saved nothing"
        rule = "over the last four weeks that can be judged it saved money against deciding without a model"
        yield Verdict(rule, "well" if value > 0 else "trouble", found)


def _about_limits(facts: Facts, judged: Sequence[KpiReported]) -> Iterator[Verdict]:
    rule = "no limit was broken on the last seven days that can be judged"
    recent = judged[-7:]
    if recent:
        broken = [report.block for report in recent if report.incidents]
        found = f"last broken on {day(broken[-1])}" if broken else "none was"
        yield Verdict(rule, "watch" if broken else "well", found)
    over = [
        report.block
        for report in facts.reports[-7:]
        if any(report.capacity_used.get(name, 0) > limit for name, limit in report.capacity_limit.items())
    ]
    if over:
        yield Verdict("there were never more cases than places", "trouble", f"there were on {day(over[-1])}")


def _about_changes(facts: Facts) -> Iterator[Verdict]:
    rule = "within seven days no model was taken back, no training failed, and every server took the model"
    since = facts.now - _RECENT
    back = [event for event in facts.of(ModelReleased) if event.cause == "rollback" and event.time > since]
    failed = [event for event in facts.of(TrainingFinished) if event.outcome == "failed" and event.time > since]
    release = facts.release
    refused = [
        event
        for event in facts.of(ActivationReported)
        if release and event.sequence == release.sequence and event.status == "refused"
    ]
    told = [
        *(f"a model was taken back on {_day(facts, event.time)}" for event in back[-1:]),
        *(f"a training failed on {_day(facts, event.time)}" for event in failed[-1:]),
        *(["a server refused the model"] if refused else []),
    ]
    if release is not None:
        yield Verdict(rule, "watch" if told else "well", "; ".join(told) or "so it is")
    if release is not None and release.forced:
        yield Verdict("no model decides that failed a check", "watch", f"{release.released_by} put one into use")


def _about_reports(facts: Facts, published: frozenset[tuple[str, str]], overdue_after: timedelta) -> Iterator[Verdict]:
    if facts.contract.reporting is not None:
        late = overdue(facts, published, overdue_after)
        found = f"the one up to {day(late[0])} has not gone out" if late else "none is late"
        yield Verdict("every report goes out in time", "trouble" if late else "well", found)


def overdue(facts: Facts, published: frozenset[tuple[str, str]], after: timedelta) -> list[str]:
    """The last block of every report that should have gone out `after` ago and has not."""
    return [
        one.period.last
        for one in due(facts, facts.now)
        if (one.period.first, one.period.last) not in published and facts.now - one.at > after
    ]


def _day(facts: Facts, moment: datetime) -> str:
    return day(facts.day_of(moment))
