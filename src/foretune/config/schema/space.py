"""What may be searched: the parameters as they come from conf/space/*.yaml."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class SpaceConfig:
    """The space before the models have had their say.

    Attributes:
        name: The space's name, for a person.
        params: By name, what `foretune.space.build_space` reads: a mapping of ``type``, ``range``,
            ``low``, ``high``, ``log``, ``step``, ``choices``, ``default``, ``when``; a list of
            choices; one value, which pins the parameter; or null, which leaves it out.
    """

    name: str = "default"
    params: dict[str, Any] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What is wrong whatever the models: an empty space (the rest is `build_space`'s)."""
        return [] if self.params else ["space.params: expected at least one parameter, got none"]
