"""Do the past studies' curves say anything of each other's ends? Else they say nothing of new ones.

The measure is not the gain over a study's own curves: where curves are noise, a predictor that was
trained on noise is much the better one, and would stop a true study's trials blindly.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from foretune.meta.curve_network import CurveNetwork, Episode, PastCurves, left_out
from foretune.meta.normalise import normalise
from foretune.meta.ranks import spearman
from foretune.meta.transfer import Transfer

_LEAST = 0.3  # a tenth of what finals differ by; true curves tell .7 and more, noise 0 (by taste)
_EPISODES = 30  # of a past study
_MIN_RANKED = 4
_MAX_TASKS = 64


def measure(network: CurveNetwork, past: Sequence[PastCurves], seed: int) -> Transfer:
    """Predict curves of each past study by the members that were trained without it.

    Args:
        network: The trained ensemble.
        past: What it was trained on.
        seed: Of the training.

    Returns:
        No judgement where no study could be left out of any member's training.
    """
    out = left_out(len(past), network.weights[0].shape[0], np.random.default_rng(seed))
    rng = np.random.default_rng(seed + 1)
    found, null = [], []
    for k in np.unique(np.concatenate(out))[:_MAX_TASKS]:
        unseen = torch.tensor([bool(k in tasks) for tasks in out])
        correlations = _correlations(network, past[k], unseen, rng)
        if correlations:
            found.append(float(np.mean(correlations)))
            null.append(1.0 / (len(past[k].X) - 1))  # its episodes share their trials
    return Transfer.of(found, null, _LEAST)


def _correlations(
    network: CurveNetwork, study: PastCurves, unseen: Tensor, rng: np.random.Generator
) -> list[float]:
    """Of episodes the rank correlation of predicted and true final scores."""
    u = normalise(study.curves.final)[0]
    found = []
    for _ in range(_EPISODES):
        episode = Episode.draw(study, u, rng)
        if episode is not None and len(episode.asked) >= _MIN_RANKED:
            rows, target = episode.rows(study)
            predicted = network(torch.from_numpy(rows))[0][unseen].mean(0)
            found.append(spearman(predicted.numpy(), target))
    return found
