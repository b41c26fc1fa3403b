"""Follows fitted transformers to learn which one feature each of their output columns depends on.

Nothing here computes a value: what a column holds is asked of the real transformers (`probe`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from shared.package.compiled.errors import UnfoldableError


@dataclass(frozen=True)
class Affine:
    """((x - minus) / over) * times + plus, in this order of rounding."""

    minus: float = 0.0
    over: float = 1.0
    times: float = 1.0
    plus: float = 0.0


@dataclass(frozen=True)
class Source:
    """What a column depends on: a number through a rising function, or the level of a feature.

    `exact` means that every number but NaN passes unchanged; `affine` is the function as linear models need it.
    """

    feature: int
    kind: Literal["text", "rising", "levels"]
    exact: bool = True
    affine: Affine | None = Affine()
    levels: tuple[str | float, ...] = ()


def sources_after(steps: Sequence[Any], sources: Sequence[Source]) -> list[Source]:
    """Return one source per output column of the steps; raises UnfoldableError naming the step that mixes columns."""
    found = list(sources)
    for step in steps:
        found = _after(step, found)
    return found


def _after(step: Any, sources: list[Source]) -> list[Source]:
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return sources
    if isinstance(step, str) and step == "drop":
        return []
    name = type(step).__name__
    if type(step).__module__.partition(".")[0] != "sklearn" or name not in _STEPS:
        raise UnfoldableError(f"{name} is no step that works on each column by itself")
    return _STEPS[name](step, sources)


def _pipeline(step: Any, sources: list[Source]) -> list[Source]:
    return sources_after([each for _, each in step.steps], sources)


def _columns(step: Any, sources: list[Source]) -> list[Source]:
    found: list[Source] = []
    for name, each, _ in step.transformers_:
        places = step._transformer_to_input_indices[name]
        found += _after(each, [sources[place] for place in places]) if len(places) else []
    return found


def _union(step: Any, sources: list[Source]) -> list[Source]:
    return [source for _, each in step.transformer_list for source in _after(each, sources)]


def _function(step: Any, sources: list[Source]) -> list[Source]:
    if step.func is not None:
        raise UnfoldableError("FunctionTransformer calls a function that cannot be looked into")
    return sources


def _imputer(step: Any, sources: list[Source]) -> list[Source]:
    if any(source.kind == "rising" for source in sources) and step.missing_values == step.missing_values:
        raise UnfoldableError(f"SimpleImputer takes {step.missing_values!r} for missing, not NaN")
    empty = np.array([value is not None and value != value for value in step.statistics_], dtype=bool)
    kept = [source for source, gone in zip(sources, empty, strict=True) if not gone or step.keep_empty_features]
    return kept + (_indicators(step.indicator_, sources) if step.add_indicator else [])


def _indicators(step: Any, sources: list[Source]) -> list[Source]:
    """0 for every number, 1 for NaN: as a function of the numbers it is constant."""
    flat = [replace(sources[place], exact=False, affine=Affine(times=0.0)) for place in step.features_]
    return [replace(source, kind="levels") if source.kind == "text" else source for source in flat]


def _same(step: Any, sources: list[Source]) -> list[Source]:
    """Any rising function of each column."""
    _no_text(step, sources)
    if getattr(step, "method", None) == "box-cox" or getattr(step, "encode", "ordinal") != "ordinal":
        raise UnfoldableError(f"{type(step).__name__} is folded with its usual settings only")
    return [replace(source, exact=False, affine=None) for source in sources]


def _standard(step: Any, sources: list[Source]) -> list[Source]:
    return _scaled(step, sources, minus=step.mean_ if step.with_mean else None, over=step.scale_)


def _robust(step: Any, sources: list[Source]) -> list[Source]:
    minus = step.center_ if step.with_centering else None
    return _scaled(step, sources, minus=minus, over=step.scale_ if step.with_scaling else None)


def _max_abs(step: Any, sources: list[Source]) -> list[Source]:
    return _scaled(step, sources, over=step.scale_)


def _min_max(step: Any, sources: list[Source]) -> list[Source]:
    found = _scaled(step, sources, times=step.scale_, plus=step.min_)
    return [replace(source, affine=None) for source in found] if step.clip else found


def _scaled(step: Any, sources: list[Source], **parts: Any) -> list[Source]:
    _no_text(step, sources)
    given = {name: values for name, values in parts.items() if values is not None}
    affine = [Affine(**{name: float(values[place]) for name, values in given.items()}) for place in range(len(sources))]
    return [
        replace(source, exact=source.exact and one == Affine(), affine=_then(source.affine, one))
        for source, one in zip(sources, affine, strict=True)
    ]


def _then(first: Affine | None, then: Affine) -> Affine | None:
    """One after the other, where that is one affine function with the same rounding; else None."""
    if first is None or then == Affine():
        return first
    if first == Affine():
        return then
    if first.times == 0:
        return replace(first, plus=((first.plus - then.minus) / then.over) * then.times + then.plus)
    return None


def _ordinal(step: Any, sources: list[Source]) -> list[Source]:
    return [_levelled(source, step.categories_[place]) for place, source in enumerate(sources)]


def _one_hot(step: Any, sources: list[Source]) -> list[Source]:
    return [
        source
        for source, width in zip(_ordinal(step, sources), step._n_features_outs, strict=True)
        for _ in range(width)
    ]


def _target(step: Any, sources: list[Source]) -> list[Source]:
    width = len(step.classes_) if step.target_type_ == "multiclass" else 1
    return [source for source in _ordinal(step, sources) for _ in range(width)]


def _levelled(source: Source, categories: Sequence[Any]) -> Source:
    if source.kind == "rising" and not source.exact:
        raise UnfoldableError("an encoder of numbers that were changed before")
    wanted = str if source.kind == "text" else float
    known = [float(one) if wanted is float and _is_number(one) else one for one in categories]
    levels = tuple(one for one in known if type(one) is wanted and one == one)
    return replace(source, kind="levels", exact=False, affine=None, levels=source.levels + levels)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def _no_text(step: Any, sources: list[Source]) -> None:
    if any(source.kind == "text" for source in sources):
        raise UnfoldableError(f"{type(step).__name__} is given text")


_STEPS = {
    "Pipeline": _pipeline,
    "ColumnTransformer": _columns,
    "FeatureUnion": _union,
    "FunctionTransformer": _function,
    "SimpleImputer": _imputer,
    "MissingIndicator": lambda step, sources: _indicators(step, sources),
    "StandardScaler": _standard,
    "RobustScaler": _robust,
    "MaxAbsScaler": _max_abs,
    "MinMaxScaler": _min_max,
    "PowerTransformer": _same,
    "QuantileTransformer": _same,
    "KBinsDiscretizer": _same,
    "Binarizer": _same,
    "OrdinalEncoder": _ordinal,
    "OneHotEncoder": _one_hot,
    "TargetEncoder": _target,
}
