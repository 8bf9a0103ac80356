"""Which space do the general parameters and the models' own cards make together?"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from foretune.core import ConfigError, ParamValue, unknown_name
from foretune.space.parameter import Choice, Parameter
from foretune.space.parse import Spec, bounds, normalise, parse_parameter
from foretune.space.space import Space, point_key

logger = logging.getLogger(__name__)

MODEL = "model"  # the parameter that names the model
NARROWING = ("low", "high", "default")  # what a model may say about a parameter


@dataclass(frozen=True)
class ModelSpace:
    """What one model says about the space.

    Attributes:
        name: The value of the parameter ``model``.
        overrides: By parameter: ``low``, ``high`` and ``default`` that hold under this model, where
            the space leaves them open (``range``); None: the model has no such parameter. What the
            space does not have is passed over.
        default: The model's known-good configuration; what the space does not have is passed over.
    """

    name: str
    overrides: Mapping[str, Mapping[str, object] | None] = field(default_factory=dict)
    default: Mapping[str, ParamValue] = field(default_factory=dict)


def build_space(
    config: Mapping[str, object],
    models: Sequence[ModelSpace] = (),
    *,
    known: Collection[str] | None = None,
) -> Space:
    """The space of ``config["params"]`` (see `SpaceConfig`) under ``models``.

    A number's ``low`` and ``high`` hold for every model; ``range`` holds where the model's card
    says nothing else. So a card narrows what the space leaves open, and what the user asks for by
    name (``space.params.lr.high=1e-2``) wins over the cards. Choices cannot be narrowed, since
    Optuna keeps one list of choices for a name in a study; a model that lacks the parameter says
    so with null. With models, the first parameter is the choice ``model`` (also of one),
    and each has its known-good configuration; without, the parameters' own defaults make one.

    Args:
        config: A mapping with ``params``.
        models: The models in the space, the preferred one first; none: no parameter ``model``.
        known: The names that the trainer understands; None: any name will do.

    Raises:
        ConfigError: With every problem found.
    """
    raw = config.get("params")
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError(f"space.params: expected a mapping of parameters, got {raw!r}")
    specs = {str(name): normalise(value) for name, value in raw.items() if value is not None}
    found = _unknown(specs, raw, known)
    parameters: list[Parameter] = []
    if models:
        parameters.append(Choice(MODEL, tuple(m.name for m in models)))
    for name, spec in specs.items():
        made, wrong = _variants(name, spec, models)
        parameters += made
        found += wrong
    if not found:
        parameters, found = _parents_first(parameters)
    if found:
        raise ConfigError([f"space.params.{line}" for line in dict.fromkeys(found)])
    defaults: tuple[dict[str, ParamValue], ...] = tuple(
        {MODEL: m.name, **m.default} for m in models
    )
    if not models and any("default" in spec for spec in specs.values()):
        defaults = ({},)
    space = Space(tuple(parameters), defaults)
    for model, point in zip(models, space.defaults, strict=False):
        outside = [
            f"{name}={value} ({point[name]} is taken)"
            for name, value in model.default.items()
            if name in point and point_key({name: value}) != point_key({name: point[name]})
        ]
        if outside:
            logger.info("model %s: default outside the space: %s", model.name, ", ".join(outside))
    return space


def _unknown(
    specs: dict[str, dict[str, object]], raw: Mapping[object, object], known: Collection[str] | None
) -> list[str]:
    """Complaints about names: taken out of ``specs``, so that each is complained about once.

    A mapping without ``type`` is a mistyped override such as ``space.params.lrr.high=1e-2``.
    """
    found = []
    for name in list(specs):
        others = known if known is not None else [n for n, s in specs.items() if "type" in s]
        if name == MODEL:
            found.append(f"{MODEL}: the models are chosen with model=..., not in the space")
        elif name not in others:
            found.append(f"{name}: {unknown_name('parameter', name, set(others) - {name})}")
        else:
            continue
        del specs[name]
    return found


def _variants(
    name: str, spec: Spec, models: Sequence[ModelSpace]
) -> tuple[list[Parameter], list[str]]:
    """The parameter of ``name`` once for each group of models that share its range."""
    groups: list[tuple[Spec, list[ParamValue]]] = []
    found: list[str] = []
    wanted, spec = _models_of(spec) if models else (None, spec)
    for model in models:
        override = model.overrides.get(name, {})
        if override is None or (wanted is not None and model.name not in wanted):
            continue
        found += [
            f"{name}: model {model.name}: " + unknown_name("setting of a card", key, NARROWING)
            for key in override
            if key not in NARROWING
        ]
        narrowed = _narrow(spec, override)
        for other, names in groups:
            if other == narrowed:
                names.append(model.name)
                break
        else:
            groups.append((narrowed, [model.name]))
    if not models:
        groups.append((spec, []))
    made = []
    for narrowed, names in groups:
        everywhere = len(names) == len(models)
        parameter, wrong = parse_parameter(
            name, narrowed, when={} if everywhere else {MODEL: tuple(names)}
        )
        made += [parameter] if parameter is not None else []
        found += wrong
    return made, found


def _models_of(spec: Spec) -> tuple[Sequence[object] | None, Spec]:
    """The models that the parameter's own condition names (None: any), and the rest of it."""
    when = spec.get("when")
    if not isinstance(when, Mapping) or MODEL not in when:
        return None, spec
    named = when[MODEL]
    rest = {parent: values for parent, values in when.items() if parent != MODEL}
    return [named] if isinstance(named, str) else named, {**spec, "when": rest}


def _narrow(spec: Spec, override: Mapping[str, object]) -> Spec:
    """``spec`` with a card's bounds and default where it leaves them open."""
    merged = dict(spec)
    if "range" in spec:
        general = bounds({"range": spec["range"]})
        merged["range"] = [override.get("low", general[0]), override.get("high", general[1])]
    if "default" in override and spec.get("type") != "choice":
        merged["default"] = override["default"]
    return merged


def _parents_first(parameters: Sequence[Parameter]) -> tuple[list[Parameter], list[str]]:
    """The parameters in their order, but each after those that its conditions name."""
    names = {p.name for p in parameters}
    found = [
        f"{p.name}: its condition names an unknown parameter: "
        + unknown_name("parameter", parent, names)
        for p in parameters
        for parent in p.when
        if parent not in names
    ]
    ordered: list[Parameter] = []
    waiting = list(parameters)
    while waiting and not found:
        missing = {p.name for p in waiting}
        ready = [p for p in waiting if not missing & p.when.keys()]
        if not ready:
            found.append(f"{waiting[0].name}: the conditions of {sorted(missing)} form a circle")
        first = ready[:1]
        ordered += first
        waiting = [p for p in waiting if not any(p is f for f in first)]
    return ordered, found
