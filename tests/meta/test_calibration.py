"""What is not known of a new task is no promise."""

import numpy as np

from foretune.history.seed import seed_history
from foretune.meta.model import MetaModel
from foretune.meta.settings import MetaSettings


def test_nothing_is_expected_to_vary_more_than_scores_do():
    # Twelve tasks of sixty configurations, the same ones: a handful of places is known, and what is
    # unlike all of them is the larger part of the space.
    model = MetaModel.fit(seed_history(), MetaSettings(meta_iterations=300), None)
    assert model is not None
    scores = np.concatenate([task.u for task in model.tasks.tasks])
    deep = np.exp(model.network.log_scales[:, 0].numpy())
    assert (deep <= 1.001 * scores.var(ddof=1)).all()
