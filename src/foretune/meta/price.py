"""What do a trial's seconds take from what it is worth?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Price:
    """Worth is divided by seconds, to a power.

    Attributes:
        kappa: The power; 0: seconds do not count.
        grain_s: Seconds that are added to a trial's before.
    """

    kappa: float = 0.0
    grain_s: float = 0.0

    def log_cost(self, log_seconds: np.ndarray) -> np.ndarray:
        """What trials of such log seconds lose of the logarithm of their worth, any shape."""
        cost: np.ndarray = self.kappa * np.log(np.exp(log_seconds) + self.grain_s)
        return cost


FREE = Price()
