"""Which values has a trial before it has asked for all of them?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial


def decided(trial: FrozenTrial) -> dict[str, Any]:
    """What the trial was queued with, and what it has asked for."""
    queued = trial.system_attrs.get("fixed_params")
    return {**(queued if isinstance(queued, Mapping) else {}), **trial.params}
