"""PURE: what a report asks of its sponsor, each with the rule that led to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.events import ModelReleased

if TYPE_CHECKING:
    from services.console.figures import Sentence
    from services.console.report import Report

_FULL_SHARE = 0.2
_BROKEN_SHARE = 0.1
_LOST_SHARE = 0.05


@dataclass(frozen=True)
class Ask:
    """One thing to decide or to find out, and the rule by which it stands here."""

    text: "Sentence"
    rule: str


def asks(report: "Report") -> list[Ask]:
    """Everything that is asked; empty when nothing is."""
    return [*_about_value(report), *_about_promise(report), *_about_capacity(report), *_about_targets(report),
            *_about_outcomes(report), *_about_force(report), *_about_proof(report)]  # fmt: skip


def _about_value(report: "Report") -> Iterator[Ask]:
    value = report.worth.value
    if value.value is not None and report.known.value and value.value <= 0:
        text = ("Decide whether the model goes on deciding: it saved ", value, ".")
        yield Ask(text, "asked when nothing was saved in the period")


def _about_promise(report: "Report") -> Iterator[Ask]:
    told, value = report.promise, report.worth.value.value
    # Where nothing was saved at all, more is asked than this.
    if told.broken and value is not None and value > 0:
        text = ("Ask the owner why ", told.saved, " were saved where ", told.promised, " had been promised.")
        yield Ask(text, "asked when less than half of what was promised was saved")


def _about_capacity(report: "Report") -> Iterator[Ask]:
    for desk in report.desks:
        full, days = desk.full.value or 0, desk.days.value or 0
        if days and full / days >= _FULL_SHARE:
            lost = (" ", report.overflow, " cases got the next best decision instead.") if report.overflow else ()
            text = (f"Decide whether “{desk.name}” should get more places: on ", desk.full, " of ", desk.days,
                    " days all its places were used.", *lost)  # fmt: skip
            yield Ask(text, "asked when all places were used on a fifth of the days or more")


def _about_targets(report: "Report") -> Iterator[Ask]:
    days = report.worth.days.value or 0
    for target in report.targets:
        broken = (target.broken.value or 0) if target.broken else 0
        often = bool(days) and broken / days >= _BROKEN_SHARE
        if target.kept is False or often:
            limit = target.most or target.least
            text = (f"Decide what to do about “{target.what}”: it was ", target.measured, ", and the limit is ",
                    limit or "none", *((", broken on ", target.broken, " days") if target.broken else ()),
                    ".")  # fmt: skip
            yield Ask(text, "asked when a limit was broken in the period, or on a tenth of its days")


def _about_outcomes(report: "Report") -> Iterator[Ask]:
    lost, volume = report.given_up.value or 0, report.volume.value or 0
    if report.contract.label.observed_when == "always" and volume and lost / volume > _LOST_SHARE:
        text = ("Find out why the outcomes of ", report.given_up, " cases never came.")
        yield Ask(text, "asked when a twentieth of the outcomes never came")


def _about_force(report: "Report") -> Iterator[Ask]:
    release = report.facts.release
    if isinstance(release, ModelReleased) and release.forced:
        text = (f"Confirm that the model that {release.released_by} put into use against the checks should stay.",)
        yield Ask(text, "asked while such a model decides")


def _about_proof(report: "Report") -> Iterator[Ask]:
    if report.contract.control_share == 0 and report.known.value:
        text = ("Consider letting a few cases, drawn at random, be decided without the model. Only then can a report "
                "say what the model itself has earned.",)  # fmt: skip
        yield Ask(text, "asked while every case is decided with the model")
