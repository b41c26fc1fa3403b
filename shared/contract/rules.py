"""What the sections of a contract must agree on, each rule as a small function that names the place it fails at."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from shared.contract import measured_rules  # noqa: F401  its rules register themselves
from shared.contract.amounts import MINOR_DIGITS, MOST_MINOR_PER_CASE, fits
from shared.contract.faults import RULES, Fault, did_you_mean, ordered, repeated, rule, unknown
from shared.contract.fields import CLASSIFICATION

if TYPE_CHECKING:
    from shared.contract.schema import Contract


def find_faults(contract: Contract, readable: Collection[str] | None = None) -> list[Fault]:
    """Every fault that can be found in the readable fields (all of them by default)."""
    return [fault for needs, check in RULES if readable is None or needs <= set(readable) for fault in check(contract)]


@rule("timezone")
def timezone_exists(contract: Contract) -> Iterator[Fault]:
    try:
        ZoneInfo(contract.timezone)
    except (ValueError, KeyError, OSError):
        hint = did_you_mean(contract.timezone, available_timezones())
        yield Fault(
            ("timezone",), f"{contract.timezone!r} is not a time zone{hint}", "an IANA name: UTC, America/New_York"
        )


@rule("features", "event_time")
def features_are_sound(contract: Contract) -> Iterator[Fault]:
    for name, feature in contract.features.items():
        path = ("features", name)
        yield from ordered((*path, "range"), feature.range)
        if feature.type == "category" and feature.range is not None:
            yield Fault((*path, "range"), "a category has no range", "levels, unit")
        if feature.type == "number" and feature.levels is not None:
            yield Fault((*path, "levels"), "a number has no levels", "range, unit")
        yield from repeated((*path, "levels"), feature.levels or ())
    if contract.event_time in contract.features:
        yield Fault(("features", contract.event_time), "the event time is not an input", "another column name", True)


@rule("features", "label")
def the_label_is_no_input(contract: Contract) -> Iterator[Fault]:
    if contract.label.name in contract.features:
        yield Fault(("features", contract.label.name), "the label cannot be an input: it is known only later", "", True)


@rule("task", "label")
def label_fits_the_task(contract: Contract) -> Iterator[Fault]:
    label, classes = contract.label, contract.label.classes
    if contract.task in CLASSIFICATION:
        if classes is None:
            yield Fault(
                ("label",), f"`classes` is missing: a {contract.task} label has classes", "classes: [on_time, late]"
            )
        elif contract.task == "binary" and len(classes) != 2:
            yield Fault(
                ("label", "classes"), f"a binary label has 2 classes, here are {len(classes)}", "[negative, positive]"
            )
        elif contract.task == "multiclass" and len(classes) < 3:
            yield Fault(
                ("label", "classes"),
                f"a multiclass label has 3 classes or more, here are {len(classes)}",
                "task: binary for 2",
            )
        if label.range is not None:
            yield Fault(("label", "range"), f"a {contract.task} label has no range", "classes")
        return
    if label.range is None:
        yield Fault(
            ("label",), "`range` is missing: without it no KPI of a regression has a bound", "range: [lowest, highest]"
        )
    if classes is not None:
        yield Fault(("label", "classes"), "a regression label has no classes", "range")
    if label.observed_when != "always":
        yield Fault(("label", "observed_when"), "a regression has no decisions to observe after", "always")


@rule("label")
def label_is_sound(contract: Contract) -> Iterator[Fault]:
    label = contract.label
    yield from ordered(("label", "range"), label.range)
    yield from repeated(("label", "classes"), label.classes or ())
    if label.mature_after.delta > label.give_up_after.delta:
        message = f"{label.give_up_after} is shorter than mature_after, {label.mature_after}"
        yield Fault(("label", "give_up_after"), message, f"{label.mature_after} or longer")
    if "capacity" in (label.classes or ()):
        yield Fault(("label", "classes"), "'capacity' is the name of a section of a decision", "another name")


@rule("task", "decisions", "costs")
def the_task_has_its_costs(contract: Contract) -> Iterator[Fault]:
    if contract.task in CLASSIFICATION:
        if contract.decisions is None:
            yield Fault(
                (),
                f"`decisions` is missing: a {contract.task} use case decides between them",
                "decisions: {none: …, act: …}",
            )
        if contract.costs is not None:
            yield Fault(("costs",), "costs per unit belong to a regression", "decisions", True)
        return
    if contract.costs is None:
        yield Fault((), "`costs` is missing: a regression has costs per unit", "costs: {under: 3.00, over: 1.00}")
    if contract.decisions is not None:
        yield Fault(("decisions",), "the decision of a regression is its estimate", "costs", True)


@rule("decisions", "label")
def every_class_has_its_cost(contract: Contract) -> Iterator[Fault]:
    if contract.decisions is None or contract.label.classes is None:
        return
    classes = contract.label.classes
    for name, decision in contract.decisions.items():
        for key in decision.costs:
            if key not in classes:
                yield unknown(
                    ("decisions", name, key), key, (*classes, "capacity"), "a class of the label", on_key=True
                )
        missing = [known for known in classes if known not in decision.costs]
        if missing:
            yield Fault(
                ("decisions", name),
                f"the cost for {', '.join(missing)} is missing",
                "a cost for each of " + ", ".join(classes),
            )


@rule("decisions", "label")
def labels_are_observed_after_decisions(contract: Contract) -> Iterator[Fault]:
    observed = contract.label.observed_when
    if contract.decisions is None or isinstance(observed, str):
        return
    yield from repeated(("label", "observed_when"), observed)
    for place, name in enumerate(observed):
        if name not in contract.decisions:
            yield unknown(("label", "observed_when", place), name, ("always", *contract.decisions), "a decision")


@rule("currency", "minor_digits", "decisions", "costs")
def money_has_its_digits(contract: Contract) -> Iterator[Fault]:
    if contract.minor_digits is None and contract.currency not in MINOR_DIGITS:
        hint = did_you_mean(contract.currency, MINOR_DIGITS)
        allowed = "one of " + ", ".join(sorted(MINOR_DIGITS)) + ", or any other with minor_digits: 0 to 6"
        yield Fault(("currency",), f"the digits of {contract.currency} are not known{hint}", allowed)
        return
    amounts: dict[tuple[str, ...], Decimal] = {
        ("decisions", name, key): cost
        for name, one in (contract.decisions or {}).items()
        for key, cost in one.costs.items()
    }
    if contract.costs is not None:
        amounts |= {("costs", "under"): contract.costs.under, ("costs", "over"): contract.costs.over}
    for path, amount in amounts.items():
        if not fits(amount, contract.digits):
            allowed = (
                f"at most {contract.digits} decimal digits in {contract.currency}; `minor_digits` may ask for more"
            )
            yield Fault(path, f"{amount} has more digits than are counted", allowed)


@rule("currency", "minor_digits", "decisions", "costs", "label")
def what_cases_cost_adds_up(contract: Contract) -> Iterator[Fault]:
    if contract.minor_digits is None and contract.currency not in MINOR_DIGITS:
        return
    amounts: dict[tuple[str, ...], Decimal] = {
        ("decisions", name): max(map(abs, one.costs.values()), default=Decimal(0))
        for name, one in (contract.decisions or {}).items()
    }
    if contract.costs is not None and contract.label.range is not None:
        low, high = (Decimal(repr(bound)) for bound in contract.label.range)
        amounts["costs",] = (high - low) * max(abs(contract.costs.under), abs(contract.costs.over))
    most = Decimal(MOST_MINOR_PER_CASE).scaleb(-contract.digits)
    for path, amount in amounts.items():
        if amount > most:
            said = f"one case could cost {amount.normalize():.12g} {contract.currency}: a block could not be added up"
            yield Fault(path, said, f"at most {most.normalize():f} {contract.currency} for one case")


@rule("costs")
def a_miss_never_pays(contract: Contract) -> Iterator[Fault]:
    for side in ("under", "over"):
        if contract.costs is not None and getattr(contract.costs, side) < 0:
            yield Fault(("costs", side), "a cost per unit below 0 would pay for missing", "0 or more")


@rule("task", "decisions", "without_model", "label")
def without_a_model_something_is_decided(contract: Contract) -> Iterator[Fault]:
    path, fallback, decisions = ("without_model",), contract.without_model, contract.decisions
    if contract.task == "regression":
        low, high = contract.label.range or (float("-inf"), float("inf"))
        if isinstance(fallback, str) or not low <= fallback <= high:
            yield Fault(
                path,
                "a regression decides by a constant estimate without a model",
                f"a number from {low:g} to {high:g}",
            )
    elif decisions is not None and str(fallback) not in decisions:
        yield unknown(path, str(fallback), decisions, "a decision")
    elif decisions is not None and decisions[str(fallback)].capacity is not None:
        uncapped = [name for name, one in decisions.items() if one.capacity is None]
        yield Fault(
            path, f"{fallback!r} has a capacity: it cannot be what is left to decide", "one of " + ", ".join(uncapped)
        )


@rule("kpis")
def every_kpi_has_a_limit(contract: Contract) -> Iterator[Fault]:
    for name, kpi in contract.kpis.items():
        path = ("kpis", name)
        yield from ordered((*path, "range"), kpi.range)
        if kpi.ceiling is None and kpi.floor is None:
            yield Fault(path, "neither ceiling nor floor is given", "ceiling, floor")
        if kpi.ceiling is not None and kpi.floor is not None and kpi.floor > kpi.ceiling:
            yield Fault(
                (*path, "floor"), f"{kpi.floor:g} is above the ceiling, {kpi.ceiling:g}", "a floor ≤ the ceiling"
            )
        if kpi.against is not None and kpi.clip is None:
            yield Fault(path, "`clip` is missing: a paired difference needs a bound", "clip: 0.50")
        if kpi.against is None and kpi.clip is not None:
            yield Fault((*path, "clip"), "only a paired KPI is clipped", "against: last_good")
        for limit in ("ceiling", "floor"):
            value = getattr(kpi, limit)
            if value is not None and kpi.range is not None and not kpi.range[0] <= value <= kpi.range[1]:
                yield Fault(
                    (*path, limit),
                    f"{value:g} is outside the KPI's range",
                    f"from {kpi.range[0]:g} to {kpi.range[1]:g}",
                )


@rule("kpis", "rollback")
def a_rollback_names_a_kpi(contract: Contract) -> Iterator[Fault]:
    yield from repeated(("rollback", "on"), contract.rollback.on)
    for place, name in enumerate(contract.rollback.on):
        if name not in contract.kpis:
            yield unknown(("rollback", "on", place), name, contract.kpis, "one of the kpis")


@rule("retraining")
def a_schedule_has_a_period(contract: Contract) -> Iterator[Fault]:
    retraining = contract.retraining
    yield from repeated(("retraining", "on"), retraining.on)
    if "schedule" in retraining.on and retraining.every is None:
        yield Fault(("retraining",), "`every` is missing: a schedule has a period", "every: 1 month")
    if "schedule" not in retraining.on and retraining.every is not None:
        yield Fault(("retraining", "every"), "a period without a schedule does nothing", "on: [schedule]", True)


@rule("task", "gates")
def gates_fit_the_task(contract: Contract) -> Iterator[Fault]:
    regression = contract.task == "regression"
    for name in ("max_brier", "min_auc") if regression else ("max_error",):
        if getattr(contract.gates, name) is not None:
            known = "beats_without_model, " + ("max_error" if regression else "max_brier, min_auc")
            yield Fault(("gates", name), f"a {contract.task} use case has no such gate", known, True)


@rule("signed_by", "owner")
def the_owner_signed(contract: Contract) -> Iterator[Fault]:
    if contract.signed_by.get("owner") != contract.owner:
        yield Fault(("signed_by",), "the owner has not signed", f"owner: {contract.owner}")
