"""What parameter does a piece of YAML mean, and what is wrong with it?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from foretune.core import ParamValue, unknown_name
from foretune.space.number import Float, Int
from foretune.space.parameter import Choice, Conditions, Parameter

TYPES = {
    "float": {"range", "low", "high", "log", "step", "default", "when"},
    "int": {"range", "low", "high", "log", "step", "default", "when"},
    "choice": {"choices", "default", "when"},
}
Spec = Mapping[str, object]


def normalise(value: object) -> dict[str, object]:
    """The long form of a parameter: one value pins it, a list is a choice of its items.

    ``choices`` in a mapping win over a range, since a list on the command line cannot take the
    place of a mapping: ``+space.params.lr.choices=[1e-4,1e-3]``.

    >>> normalise(3)
    {'type': 'int', 'low': 3, 'high': 3}
    >>> normalise(["mean", "cls"])
    {'type': 'choice', 'choices': ['mean', 'cls']}
    """
    if isinstance(value, Mapping):
        spec = {str(key): item for key, item in value.items() if item is not None}
        if "choices" in spec and spec.get("type") in ("float", "int"):
            kept = {"default", "when"} & spec.keys()
            spec = {"type": "choice", "choices": spec["choices"]} | {k: spec[k] for k in kept}
        return spec
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {"type": "choice", "choices": list(value)}
    number = as_number(value)
    if number is None:
        return {"type": "choice", "choices": [value]}
    kind = "int" if isinstance(number, int) else "float"
    return {"type": kind, "low": number, "high": number}


def as_number(value: object) -> int | float | None:
    """``value`` as a number, also where YAML 1.1 read ``1e-4`` as text; None: it is none.

    >>> as_number("1e-4"), as_number(True), as_number("adam")
    (0.0001, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return None


def parse_parameter(
    name: str, spec: Spec, *, when: Conditions | None = None
) -> tuple[Parameter | None, list[str]]:
    """The parameter that ``spec`` (long form) means, or None with every reason why it means none.

    Args:
        name: The parameter's name.
        spec: ``type`` and what belongs to it. A number's bounds are ``low`` and ``high``, and
            where one is absent that end of ``range``.
        when: Further conditions, beside those in ``spec``.
    """
    kind = spec.get("type")
    if kind not in TYPES:
        return None, [f"{name}: " + unknown_name("type of parameter", str(kind), TYPES)]
    found = [
        f"{name}: " + unknown_name(f"setting of type {kind}", key, TYPES[kind])
        for key in spec
        if key not in TYPES[kind] | {"type"}
    ]
    conditions, wrong = _conditions(name, spec.get("when", {}))
    conditions.update(when or {})
    found += wrong
    if kind == "choice":
        choices = spec.get("choices")
        if not isinstance(choices, Sequence) or isinstance(choices, str):
            return None, [*found, f"{name}: expected a list of choices, got {choices!r}"]
        values = tuple(_value(c) for c in choices)
        default = _value(spec.get("default"))
        parameter: Parameter = Choice(name, values, default=default, when=conditions)
    else:
        numbers, wrong = _numbers(name, spec)
        if found or wrong:
            return None, found + wrong
        log = bool(spec.get("log", False))
        make = Int if kind == "int" else Float
        parameter = make(name, **numbers, log=log, when=conditions)
    found += parameter.problems()
    return (None if found else parameter), found


def _numbers(name: str, spec: Spec) -> tuple[dict[str, Any], list[str]]:
    """``low``, ``high`` and, where given, ``step`` and ``default``, as the type wants them."""
    whole = spec["type"] == "int"
    low, high = bounds(spec)
    given = {"low": low, "high": high, "step": spec.get("step"), "default": spec.get("default")}
    numbers: dict[str, Any] = {}
    found = []
    for key, raw in given.items():
        if raw is None and key in ("step", "default"):
            continue
        number = as_number(raw)
        if number is None:
            found.append(f"{name}: expected a number for {key}, got {raw!r}")
        elif whole and number != int(number):
            found.append(f"{name}: expected a whole number for {key}, got {raw!r}")
        else:
            numbers[key] = int(number) if whole else float(number)
    return numbers, found


def bounds(spec: Spec) -> tuple[object, object]:
    """The two ends of a number's range: ``low`` and ``high`` win over those of ``range``."""
    ends = spec.get("range")
    if not isinstance(ends, Sequence) or isinstance(ends, str) or len(ends) != 2:
        ends = (None, None)
    return spec.get("low", ends[0]), spec.get("high", ends[1])


def _conditions(name: str, raw: object) -> tuple[dict[str, tuple[ParamValue, ...]], list[str]]:
    if not isinstance(raw, Mapping):
        return {}, [f"{name}: expected when to be a mapping of parents to values, got {raw!r}"]
    conditions = {}
    for parent, values in raw.items():
        listed = (
            values if isinstance(values, Sequence) and not isinstance(values, str) else [values]
        )
        conditions[str(parent)] = tuple(_value(v) for v in listed)
    return conditions, []


def _value(raw: object) -> ParamValue:
    """A choice: text that YAML 1.1 failed to see as a number (``1e-4``) becomes one."""
    if isinstance(raw, str) and "e" in raw.lower() and (number := as_number(raw)) is not None:
        return number
    return raw  # type: ignore[return-value]  # Choice.problems says what is no value
