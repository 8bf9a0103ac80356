"""The benchmark: meta against grid, random and Bayesian search, replayed and live, and its report.

May import search, meta, history, space, config.schema and core; scipy, statsmodels,
scikit-posthocs, matplotlib and onnxruntime lazily.
"""
