"""How does a new head start from what the encoder already sees in the training rows?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from foretune.train.feed import Feed
from foretune.train.models.heads import SequenceHead, TokenHead
from foretune.train.models.network import ImageNetwork, Network

MakeHead = Callable[
    [npt.NDArray[np.float64], npt.NDArray[Any], int],
    tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
]
"""Features (n, D), class ids (n,) and the number of classes C to weights (C, D) and biases (C,)."""

MAX_ROWS = 512  # observations; more of them say little more (taste)


@torch.no_grad()
def start_head(network: Network, feed: Feed, make: MakeHead, *, batch_size: int, seed: int) -> bool:
    """Give the network's linear layer the weights that ``make`` finds on training rows.

    Only heads that tell classes apart have such weights: numbers and answers start as they are.

    Args:
        network: Its encoder as it is, its head new.
        feed: The training rows.
        make: Finds weights.
        batch_size: Rows at a time.
        seed: Draws the observations where there are more than ``MAX_ROWS``.

    Returns:
        Whether the head was given weights.
    """
    linear = _linear(network)
    if linear is None or linear.out_features < 2:
        return False
    network.eval()
    features, targets, n = [], [], 0
    for _, batch in feed.evaluation(batch_size):
        found, wanted = network.features(batch), batch["targets"]
        if isinstance(network.head, TokenHead):
            found, wanted = found[batch["real"]], wanted[batch["real"]]
        elif isinstance(network.head, SequenceHead):
            found = network.head.norm(found)
        features.append(found.double().cpu().numpy())
        targets.append(wanted.cpu().numpy())
        n += len(wanted)
        if n >= 2 * MAX_ROWS:
            break
    X, y = np.concatenate(features), np.concatenate(targets)
    rows = np.sort(np.random.default_rng(seed).permutation(len(X))[:MAX_ROWS])
    if len(np.unique(y[rows])) < 2:
        return False
    weight, bias = make(X[rows], y[rows], linear.out_features)
    linear.weight.copy_(torch.from_numpy(weight))
    linear.bias.copy_(torch.from_numpy(bias))
    return True


def _linear(network: Network) -> nn.Linear | None:
    head: Any = network.head
    layer = head[1] if isinstance(network, ImageNetwork) else getattr(head, "linear", None)
    if isinstance(network, ImageNetwork) or isinstance(head, SequenceHead | TokenHead):
        assert isinstance(layer, nn.Linear)
        return layer
    return None
