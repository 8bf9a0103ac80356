"""OptunaHub's door to Foretune's sampler; the code lives in the package ``foretune``."""

from foretune import MetaSampler, explain, recommend

__all__ = ["MetaSampler", "explain", "recommend"]
