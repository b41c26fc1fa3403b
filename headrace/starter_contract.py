"""PURE: the words of a proposed contract: one line for each feature, the costs, and what was left out and why."""

import json
from dataclasses import dataclass
from decimal import Decimal

from headrace.columns import MOST_LEVELS, Input
from headrace.propose import Proposal

WIDEST = 118
_PLAIN_TEXT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
# Words that YAML or its readers take for something else.
_SPECIAL = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


@dataclass(frozen=True)
class Money:
    """What the user said of costs: of a missed case, of acting on one; binary only."""

    currency: str
    miss: Decimal
    act: Decimal
    assumed: bool


def contract_fields(name: str, proposal: Proposal, data: str, owner: str, money: Money) -> dict[str, str]:
    """The fields of the template of a contract."""
    quality = {"binary": "max_brier: 0.20", "regression": f"max_error: {_number(abs(proposal.usual) or 1.0)}"}
    return {
        "use_case": name,
        "data": _comment(data),
        "rows": f"{proposal.rows:,}",
        "days": str(proposal.days),
        "first": f"{proposal.first:%Y-%m-%d}",
        "last": f"{proposal.last:%Y-%m-%d}",
        "owner": owner,
        "objective": f"Say {proposal.label} of each case when it is asked for.  # ASSUMED: say what it is for",
        "task": proposal.task,
        "timezone": proposal.choices.timezone,
        "event_time": proposal.event_time,
        "features": "\n".join(f"  {_feature(one)}" for one in proposal.inputs),
        "left_out": _left_out(proposal),
        "label": _label(proposal),
        "money": _money(proposal, money),
        "holdout": str(proposal.holdout_days),
        "quality_gate": quality.get(proposal.task, "max_brier and min_auc are for a binary task"),
    }


def _feature(one: Input) -> str:
    if one.type == "number":
        low, high = one.range
        return f"{one.name}: {{type: number, range: [{_number(low)}, {_number(high)}]}}"
    if one.distinct > MOST_LEVELS:
        return f"{one.name}: {{type: category}}  # {one.distinct:,} levels in the data: any text is taken"
    line = f"{one.name}: {{type: category, levels: [{', '.join(map(_text, one.levels))}]}}"
    if len(line) <= WIDEST:
        return line
    levels = "".join(f"\n      - {_text(level)}" for level in one.levels)
    return f"{one.name}:\n    type: category\n    levels:{levels}"


def _left_out(proposal: Proposal) -> str:
    if not proposal.left_out:
        return ""
    lines = [f"#   {_comment(one.column)}: {_comment(one.reason)}" for one in proposal.left_out]
    said = "# Columns of the file that are not used; add one here and in source.py if it is known in time:"
    return "\n".join([said, *lines, ""])


def _label(proposal: Proposal) -> str:
    known = proposal.choices.known_at
    ending = f"19 of 20 outcomes are known then ({_comment(known)})" if known else "ASSUMED: outcomes are known by then"
    mature = f"  mature_after: {proposal.mature_days}d  # {ending}; then a day is judged"
    patience = max(14, proposal.mature_days * 2)
    give_up = f"  give_up_after: {patience}d  # an outcome that has not come by then is given up"
    if proposal.task == "regression":
        low, high = proposal.label_range
        what = [f"  range: [{_number(low)}, {_number(high)}]  # no estimate and no outcome is counted outside"]
    else:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in proposal.shares.items())
        last = "; the last one is the positive one" if proposal.task == "binary" else ""
        what = [f"  # in the data: {shares}{last}", f"  classes: [{', '.join(map(_text, proposal.classes.values()))}]"]
    return "\n".join([f"  name: {proposal.label}", *what, mature, give_up])


def _money(proposal: Proposal, money: Money) -> str:
    currency = f"currency: {money.currency}"
    if proposal.task == "regression":
        return "\n".join(
            [
                currency,
                "# ASSUMED: what each unit costs by which an estimate is too low (under) or too high (over).",
                "costs: {under: 1.00, over: 1.00}",
                f"without_model: {_number(proposal.usual)}  # the median of the data, for everybody",
            ]
        )
    names = list(proposal.classes.values())
    if proposal.task == "multiclass":
        usual = max(proposal.shares, key=lambda name: proposal.shares[name])
        decisions = [f"  {one}: {{{', '.join(f'{t}: {0 if t == one else 1}.00' for t in names)}}}" for one in names]
        said = "# ASSUMED: a decision for each class; right costs nothing, wrong 1.00. Say the true costs."
        without = f"without_model: {usual}  # the most frequent"
        return "\n".join([currency, said, "decisions:", *decisions, without])
    no, yes = names
    said = "ASSUMED, where a model helps most. Put your own numbers" if money.assumed else "as it was said"
    return "\n".join(
        [
            currency,
            f"# What each decision costs for each class, {said}.",
            "# A decision that people carry out has a capacity: act: {…, capacity: {per: day, limit: 40}}",
            "decisions:",
            f"  none: {{{no}: 0.00, {yes}: {money.miss}}}",
            f"  act:  {{{no}: {money.act}, {yes}: {money.act}}}",
            "without_model: none  # what is decided without a model, for everybody",
        ]
    )


def _number(number: float) -> str:
    return f"{number:.12g}" if abs(number) < 1e15 else repr(number)


def _text(level: str) -> str:
    """YAML for a text: bare where nobody could take it for something else."""
    plain = level and set(level) <= _PLAIN_TEXT and level.lower() not in _SPECIAL
    return level if plain else json.dumps(level, ensure_ascii=False)


def _comment(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)[:200]
