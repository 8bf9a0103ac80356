"""Configuration: typed schemas, where conf/ lives, and what is wrong with a configuration.

May import core, and hydra and omegaconf; ``config.schema`` is plain dataclasses (stdlib alone),
so that every room may read its own section.
"""

from foretune.config.compose import check_overrides, register_schemas, to_config
from foretune.config.location import conf_folder

__all__ = ["check_overrides", "conf_folder", "register_schemas", "to_config"]
