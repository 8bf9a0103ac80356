"""Which parameters exist only under certain values of others? Inferred from trials.

Define-by-run spaces do not declare their tree. A parameter that some trials lack is explained by
the discrete parameters whose values never, or always, go with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foretune.meta.codec import Codec

_MAX_PARENT_VALUES = 64
_MAX_DEPTH = 4


@dataclass(frozen=True)
class Rule:
    """Parameter ``child`` is active only if that of ``parent`` has an allowed value.

    Attributes:
        values: Values of the parent that were seen, ascending, (v,); NaN (inactive) is its own.
        allowed: Whether the child was ever seen active with each, (v,).
        when_absent: Whether it was seen active where the parent is inactive.
    """

    child: int
    parent: int
    values: np.ndarray
    allowed: np.ndarray
    when_absent: bool

    def holds(self, raw: np.ndarray, choice: bool) -> np.ndarray:
        """(n,) whether the child may be active; a number takes the rule of the nearest value."""
        value = raw[:, self.parent]
        out = np.full(len(raw), self.when_absent)
        known = ~np.isnan(value)
        if len(self.values) and known.any():
            nearest = np.abs(value[known][:, None] - self.values[None]).argmin(1)
            out[known] = self.allowed[nearest]
            if choice:  # a choice never seen forbids nothing
                out[known] |= self.values[nearest] != value[known]
        elif known.any():
            out[known] = True
        return out


def infer_rules(raw: np.ndarray, codec: Codec) -> tuple[Rule, ...]:
    """Explain every parameter's activity by at most four others, greedily, best first.

    Args:
        raw: Configurations of finished trials, (n, p).
        codec: Their parameters.
    """
    active = ~np.isnan(raw)
    parents = [
        j for j, p in enumerate(codec.params) if _may_be_parent(raw[:, j], p.choices, p.integer)
    ]
    rules: list[Rule] = []
    for child in np.flatnonzero(~active.all(0) & active.any(0)):
        rows = np.ones(len(raw), bool)
        for _ in range(_MAX_DEPTH):
            lacking = rows & ~active[:, child]
            if not lacking.any():
                break
            best: tuple[float, Rule] | None = None
            for parent in parents:
                if parent == child:
                    continue
                rule = _rule(raw[rows], active[rows, child], int(child), parent)
                explained = (lacking & ~rule.holds(raw, bool(codec.params[parent].choices))).sum()
                # Of equal explanations the one with the fewest values is the likelier cause.
                worth = explained - 1e-3 * len(rule.values)
                if explained > 0 and (best is None or worth > best[0]):
                    best = (worth, rule)
            if best is None:
                break
            rules.append(best[1])
            rows &= best[1].holds(raw, bool(codec.params[best[1].parent].choices))
    return tuple(rules)


def _may_be_parent(values: np.ndarray, choices: tuple[object, ...], integer: bool) -> bool:
    if not choices and not integer:
        return False
    return 1 <= len(np.unique(values[~np.isnan(values)])) <= _MAX_PARENT_VALUES


def _rule(raw: np.ndarray, active: np.ndarray, child: int, parent: int) -> Rule:
    value = raw[:, parent]
    values, inverse = np.unique(value[~np.isnan(value)], return_inverse=True)
    allowed = np.zeros(len(values), bool)
    np.logical_or.at(allowed, inverse, active[~np.isnan(value)])
    return Rule(child, parent, values, allowed, bool(active[np.isnan(value)].any()))


def apply_rules(raw: np.ndarray, rules: tuple[Rule, ...], codec: Codec) -> np.ndarray:
    """A copy of ``raw`` (n, p) with every parameter made inactive whose conditions fail."""
    out = raw.copy()
    for _ in range(_MAX_DEPTH):
        before = np.isnan(out).sum()
        for rule in rules:
            fails = ~rule.holds(out, bool(codec.params[rule.parent].choices))
            out[fails, rule.child] = np.nan
        if np.isnan(out).sum() == before:
            break
    return out
