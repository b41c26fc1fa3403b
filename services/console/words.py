"""PURE: how things are called in front of people who never asked for a model: amounts, days, terms, reasons."""

from collections.abc import Iterable
from datetime import date

# What a page never says outside its queries; a test reads every page for them. Case matters to none of them.
JARGON = (
    *("auc", "auroc", "roc", "brier", "log loss", "f1", "precision", "recall", "calibration", "cbpe", "psi"),
    *("e-value", "e-process", "p-value", "alpha", "confidence sequence", "null hypothesis", "e-bh", "martingale"),
    *("drift", "covariate", "feature", "features", "label", "labels", "labelled", "ground truth", "prediction"),
    *("kafka", "offset", "topic", "partition", "consumer", "event stream", "dead letter", "outbox", "idempotent"),
    *("payload", "endpoint", "json", "yaml", "digest", "hash", "sha", "schema", "serialise", "uuid", "cloudevents"),
    *("champion", "challenger", "shadow", "canary", "baseline", "holdout", "held-out", "quantile", "histogram"),
    *("regret", "epoch", "hyperparameter", "classifier", "regression", "inference", "latency", "throughput"),
    *("null", "nan", "kpi", "kpis", "propensity", "counterfactual", "percentile", "sigma", "onnx"),
)

_GATES = {
    "beats_without_model": "it would have saved nothing against deciding without a model",
    "reviews_within_capacity": "it would have asked for more places than there are",
    "expired": "it did not show in time that it is better",
    "superseded": "a later one took its place",
    "max_brier": "its estimates were too far from what then happened",
    "max_error": "its estimates were too far from what then happened",
    "min_auc": "it did not tell the cases apart well enough",
}
_TERMS = (
    ("capacity", "how many cases a day there is room for"),
    ("decisions", "what decisions cost"),
    ("costs", "what mistakes cost"),
    ("kpis", "the limits that are watched"),
    ("features", "what the model is told about a case"),
    ("label", "what counts as the outcome"),
    ("without_model", "what is decided without a model"),
    ("gates", "what a model must show before it may decide"),
    ("retraining", "when the model is trained anew"),
    ("training", "how the model is trained"),
    ("rollback", "when a model is taken back"),
    ("monitoring", "how closely it is watched"),
    ("control_share", "how many cases are decided without the model, to compare"),
    ("audit_share", "how many cases are looked into at random"),
    ("reporting", "how often this report goes out"),
    ("owner", "who owns it"),
    ("sponsors", "who the sponsors are"),
)
_MEASURED = {
    "brier": "distance of its estimates from what then happened (nought is perfect)",
    "log_loss": "surprise at what then happened (nought is none)",
    "auc": "share of pairs of cases that it puts in the right order",
    "mae": "mean distance of the estimate from the outcome",
}


def why_not(gate: str) -> str:
    """Why a model was not used."""
    return _GATES.get(gate, "it did not pass every check that a model must pass")


def changed_terms(paths: Iterable[str]) -> str:
    """What of a contract changed, in words.

    >>> changed_terms(["decisions.review.capacity.limit", "decisions.act.on_time"])
    'how many cases a day there is room for, what decisions cost'
    """
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split(".")
        words = next((said for name, said in _TERMS if name in parts and (name == "capacity" or name == parts[0])), "")
        found[words or "its description"] = None
    return ", ".join(found)


def plain(name: str) -> str:
    """A name of the contract as words.

    >>> plain("contacts_per_case")
    'contacts per case'
    """
    return _MEASURED.get(name, name.replace("_", " "))


def day(block: str) -> str:
    """A calendar day as people write it.

    >>> day("2013-03-04")
    '4 March 2013'
    """
    moment = date.fromisoformat(block)
    return f"{moment.day} {moment:%B %Y}"


def money(minor: int, digits: int, currency: str) -> str:
    """Exact, since minor units are integers.

    >>> money(-123456, 2, "USD"), money(7, 0, "JPY")
    ('−1,234.56 USD', '7 JPY')
    """
    whole, rest = divmod(abs(minor), 10**digits)
    return f"{'−' if minor < 0 else ''}{whole:,}{f'.{rest:0{digits}d}' if digits else ''} {currency}"


def count(number: int) -> str:
    """A whole number.

    >>> count(12345)
    '12,345'
    """
    return f"{number:,}".replace("-", "−")


def decimal(number: float, digits: int = 2) -> str:
    """A number with so many decimals.

    >>> decimal(0.4449), decimal(-2.5, 1)
    ('0.44', '−2.5')
    """
    return f"{number:,.{digits}f}".replace("-", "−")


def number(value: float) -> str:
    """As short as it can be said with four digits.

    >>> number(200.0), number(0.45)
    ('200', '0.45')
    """
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}".replace("-", "−")
