"""What every task unit must do: the contract that a test of a new unit runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from datasets import Dataset

    from foretune.train.models.network import Network
    from foretune.train.units import TaskUnit


def check_unit(unit: TaskUnit, network: Network, rows: Dataset, metrics: Any) -> None:
    """Check a unit on labelled rows with a network for it.

    Args:
        unit: The unit.
        network: A network that reads its batches.
        rows: At least 8 rows with the task's columns.
        metrics: ``metrics(predictions, references)``: the task's metrics.

    Raises:
        AssertionError: The unit breaks its contract.
    """
    split = unit.prepare(rows)
    n = len(split.lengths)
    assert n >= len(rows), "an example is lost"
    network.eval()
    with torch.no_grad():
        outputs = [_kept(unit, network, split, part) for part in np.array_split(np.arange(n), 3)]
        alone = [_kept(unit, network, split, np.array([row])) for row in reversed(range(n))]
    predictions = unit.predictions(outputs, split)
    assert len(predictions) == len(rows), "expected one prediction a row"
    assert _alike(predictions, unit.predictions(alone, split)), (
        "predictions depend on how rows are batched"
    )
    references = unit.references(rows)
    assert len(references) == len(rows), "expected one reference a row"
    assert all(np.isfinite(value) for value in metrics(predictions, references).values())
    _check_learning(unit, network, split)
    _check_without_labels(unit, network, rows)


def _kept(unit: TaskUnit, network: Network, split: Any, index: Any) -> tuple[Any, Any]:
    batch = unit.collate(split, index, inputs=True)
    return index, unit.keep(network, network(batch).float(), batch).numpy()


def _alike(some: list[Any], others: list[Any]) -> bool:
    if some and isinstance(some[0], float):
        return bool(np.allclose(some, others, atol=1e-4))
    return some == others


def _check_learning(unit: TaskUnit, network: Network, split: Any) -> None:
    """A gradient step on a varied batch lowers the loss of that batch."""
    network.eval()  # no dropout: the two losses differ by the step alone
    torch.manual_seed(0)
    batch = unit.augment(unit.collate(split, np.arange(8), inputs=True))
    loss = unit.loss(network, network(batch), batch)
    assert loss.ndim == 0, "expected a scalar loss"
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, learning, allow_unused=True)
    size = sum(float((g**2).sum()) for g in gradients if g is not None) ** 0.5
    assert size > 0, "the loss does not depend on the network"
    before = float(loss.detach())
    with torch.no_grad():
        for parameter, gradient in zip(learning, gradients, strict=True):
            if gradient is not None:
                parameter.sub_(gradient, alpha=1e-2 / size)
        after = unit.loss(network, network(batch), batch)
    assert float(after) < before, "a step against the gradient raises the loss"


def _check_without_labels(unit: TaskUnit, network: Network, rows: Dataset) -> None:
    labels = {"label", "labels", "answers"} & set(rows.column_names)
    split = unit.prepare(rows.remove_columns(sorted(labels)))
    with torch.no_grad():
        outputs = [_kept(unit, network, split, np.arange(len(split.lengths)))]
    assert len(unit.predictions(outputs, split)) == len(rows), "labels are needed to predict"
