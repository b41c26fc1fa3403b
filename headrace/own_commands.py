"""The commands for somebody's own data and models: a use case from a table, a package from an MLflow model."""

import re
import sys
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from headrace.command_parts import a_time, console, registry_of
from headrace.errors import CommandError

if TYPE_CHECKING:
    from headrace.data_file import DataFile
    from headrace.propose import Proposal


TaskName = Literal["binary", "multiclass", "regression"]
UseCases = Annotated[Path, typer.Option("--use-cases", help="directory of your use cases; NAME becomes a folder in it")]


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    app.command(epilog="Example:  headrace init churn --data customers.csv --label churned --time signed_up_at")(init)
    app.command(
        name="import-mlflow",
        epilog="Example:  headrace import-mlflow mlruns/1/m-3f2a/artifacts use_cases/churn --trained-until 2026-08-01",
    )(import_mlflow)


def init(
    name: Annotated[str, typer.Argument(help="of the use case: lower-case letters, digits and _", metavar="NAME")],
    data: Annotated[Path, typer.Option(help="past cases, one a row: CSV or Parquet", exists=True, dir_okay=False)],
    label: Annotated[str | None, typer.Option(help="column of the outcome")] = None,
    time: Annotated[str | None, typer.Option(help="column that says when the decision is asked for")] = None,
    known_at: Annotated[str | None, typer.Option(help="column that says when the outcome became known")] = None,
    positive: Annotated[str | None, typer.Option(help="binary: value of the label that one acts on")] = None,
    task: Annotated[TaskName | None, typer.Option(help="else as the label shows")] = None,
    category: Annotated[list[str] | None, typer.Option(help="column whose numbers are codes; may be repeated")] = None,
    miss: Annotated[str | None, typer.Option(help="binary: cost of a positive case that nobody acted on")] = None,
    act: Annotated[str | None, typer.Option(help="binary: cost of acting on a case")] = None,
    currency: Annotated[str, typer.Option(help="of all costs")] = "EUR",
    timezone: Annotated[str, typer.Option(help="IANA name: of days, and of times without an offset")] = "UTC",
    time_format: Annotated[
        str | None, typer.Option(help="as in '%d.%m.%Y %H:%M', or s: seconds since 1970; else as the data show")
    ] = None,
    owner: Annotated[str, typer.Option(help="who answers for the result")] = "you",
    use_cases: UseCases = Path("use_cases"),
    ask: Annotated[
        bool | None, typer.Option("--ask/--no-ask", help="ask for what is not said; usual on a terminal")
    ] = None,
) -> None:
    """Write a use case from a table of past cases: contract, source, pipeline, test; then it can be trained."""
    from headrace.data_file import read_data
    from headrace.propose import Choices, ProposalError, propose
    from headrace.starter_files import write_starter
    from headrace.times import FORMAT
    from shared.spine.clock import wall_now

    _check_said(name, owner, timezone)
    asks, form = sys.stdin.isatty() if ask is None else ask, time_format or FORMAT
    table = read_data(data)
    try:
        label, time = _label_and_time(table, label, time, known_at, timezone, form, asks)
        choices = Choices(label, time, known_at, positive, task, form, timezone, tuple(category or ()))
        proposal = propose(table.frame, choices, wall_now())
    except ProposalError as error:
        raise CommandError(f"{data}: {error}") from None
    money = _money(proposal, currency, miss, act, asks)
    write_starter(use_cases / name, proposal, table, owner, money)
    _show(use_cases / name, proposal, assumed=money.assumed)


def _check_said(name: str, owner: str, timezone: str) -> None:
    from headrace.times import is_zone

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        raise typer.BadParameter(
            "lower-case letters, digits and _, beginning with a letter, at most 64", param_hint="NAME"
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@+-]{0,63}", owner):
        raise typer.BadParameter("a person or team: letters, digits and _ . @ + -, at most 64", param_hint="--owner")
    if not is_zone(timezone):
        raise typer.BadParameter("an IANA name such as Europe/Berlin", param_hint="--timezone")


def _label_and_time(
    table: "DataFile", label: str | None, time: str | None, known_at: str | None, timezone: str, form: str, asks: bool
) -> tuple[str, str]:
    """The two columns without which nothing can be proposed: said, answered, or the only ones there are."""
    from headrace.propose import ProposalError, time_columns, usual_label

    frame = table.frame
    columns = ", ".join(map(str, frame.columns))
    if asks and (label is None or time is None):
        console.print(f"{table.path} has {len(frame):,} rows with the columns {columns}", soft_wrap=True, markup=False)
    label = label or _answer("Which column holds the outcome?", usual_label(frame), asks)
    if label is None:
        raise ProposalError(f"which column holds the outcome? Say --label COLUMN; there are: {columns}")
    if time is not None:
        return label, time
    times = [one for one in time_columns(frame, timezone, form) if one not in (label, known_at)]
    time = _answer("Which column says when the decision is asked for?", _only(times), asks)
    if time is None:
        found = f"these hold times: {', '.join(times)}" if times else "none holds times as 2013-03-01 06:00"
        raise ProposalError(
            f"which column says when the decision is asked for? Say --time COLUMN ({found}). Days are what a model is "
            "held out, judged and counted on, so a table without times cannot begin"
        )
    return label, time


def import_mlflow(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="directory that holds MLmodel", metavar="MODEL", exists=True)],
    use_case: Annotated[Path, typer.Argument(help="folder of the use case: contract and source", metavar="FOLDER")],
    trained_until: Annotated[str, typer.Option(help="no row from this time on was fitted on; those judge the model")],
    into: Annotated[Path, typer.Option(help="the package becomes a directory in it")] = Path("packages"),
    upload: Annotated[bool, typer.Option("--upload", help="also bring it to the running registry")] = False,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="load a pickle once, in a process of its own: it may run anything")
    ] = False,
) -> None:
    """Make a package of an MLflow scikit-learn model, without MLflow and without a network."""
    from headrace.import_model import import_mlflow as make
    from shared.spine.clock import wall_now

    until = a_time(trained_until, "--trained-until")
    assert until is not None
    package = make(model, use_case, until, wall_now(), trust_pickle, into)
    console.print(f"✓ {package}", soft_wrap=True, markup=False, highlight=False)
    name, digest = use_case.resolve().name, package.name
    if upload:
        with registry_of(context) as registry:
            registry.upload(package)
        console.print(f'  the registry has it; next: headrace release {name} {digest} --reason "…"', soft_wrap=True)
    else:
        console.print("  --upload brings it to the running registry")


def _answer(question: str, proposed: str | None, asks: bool) -> str | None:
    return str(typer.prompt(question, default=proposed)) if asks else proposed


def _only(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def _money(proposal: "Proposal", currency: str, miss: str | None, act: str | None, asks: bool) -> Any:
    from headrace.propose import miss_and_act
    from headrace.starter_contract import Money

    if proposal.task != "binary":
        return Money(currency, Decimal(0), Decimal(0), assumed=True)
    positive = list(proposal.classes.values())[-1]
    usual_miss, usual_act = miss_and_act(proposal.shares[positive])
    assumed = miss is None and act is None and not asks
    miss = miss or _answer(f"What does one {positive} cost that nobody acts on, in {currency}?", str(usual_miss), asks)
    act = act or _answer(f"What does it cost to act on one case, in {currency}?", str(usual_act), asks)
    return Money(currency, _amount("--miss", miss), _amount("--act", act), assumed)


def _amount(option: str, said: str | None) -> Decimal:
    try:
        amount = Decimal(said or "")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise CommandError(f"{option}: {said!r} is no amount such as 12.50")
    return amount


def _told_of_times(proposal: "Proposal") -> list[str]:
    from headrace.times import FORMAT, UNITS

    form, lines = proposal.choices.time_format, []
    if form != FORMAT:
        written = f"{form} since 1970" if form in UNITS else form
        lines.append(f"  {proposal.choices.time} is read as {written}")
    if proposal.skipped:
        why = "without a time, with a future one, or after the last outcome"
        lines.append(f"  not used: {proposal.skipped:,} rows {why}")
    return lines


def _show(target: Path, proposal: "Proposal", assumed: bool) -> None:
    """What was found, what was assumed, and what to do next."""
    kinds = [one.type for one in proposal.inputs]
    known = ", ".join(f"{name} {share:.1%}" for name, share in proposal.shares.items())
    lines = [
        f"✓ {target}: a {proposal.task} use case, {proposal.label} from {len(proposal.inputs)} columns, "
        f"{kinds.count('number')} of them numbers" + (f" ({known})" if known else ""),
        f"  {proposal.rows:,} rows on {proposal.days} days, {proposal.first:%Y-%m-%d} to {proposal.last:%Y-%m-%d}; "
        f"the last {proposal.holdout_days} days judge the model",
        *_told_of_times(proposal),
        *(f"  not used: {one.column} {one.reason}" for one in proposal.left_out),
    ]
    if assumed:
        lines.append("  assumed: what decisions cost, and who owns it; look for ASSUMED in contract.yaml")
    name = target.name
    asked = f"localhost:7100/v1/{name}/predict -H 'content-type: application/json' -d @{target / 'request.json'}"
    lines += [
        "Next:",
        f"  python -m pytest {target}",
        f"  headrace up --use-cases {target.parent}",
        f"  headrace apply {target / 'contract.yaml'}",
        f"  headrace train {name} --wait",
        f"  curl -sf --retry 60 {asked}",
    ]
    console.print("\n".join(lines), soft_wrap=True, markup=False, highlight=False)
