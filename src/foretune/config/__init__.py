"""Configuration: typed schemas, where conf/ lives, and what is wrong with a configuration.

``config.compose`` may import hydra and omegaconf; ``config.schema`` and ``config.location`` are
plain Python above core, so that every room may read its own section.
"""
