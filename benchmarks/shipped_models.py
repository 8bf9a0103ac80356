"""Train what ships beside the shipped history, so that a first search need not.

    python benchmarks/shipped_models.py

Once for the whole of it and once without each family, as a search on a recorded task leaves its own
out: the meta-model, and what predicts learning curves. About ten minutes on one core; to be run
again whenever the shipped history or the code that makes the networks changes, which
tests/meta/test_kept.py finds out. What is still of use is kept.
"""

from __future__ import annotations

import time

import optuna
import torch

from foretune.history import HistoryRecords, seed_history
from foretune.history.attrs import TASK
from foretune.history.seed import FAMILY
from foretune.meta import kept
from foretune.search.meta_pruner import MetaPruner
from foretune.search.meta_sampler import MetaSampler


def histories() -> dict[str, HistoryRecords]:
    """The shipped history, whole and without each family, by the name of what is left out."""
    whole = seed_history()
    found = {"nothing": whole}
    for study in whole.studies:
        family = str(study.user_attrs[FAMILY])
        if family not in found:
            found[family] = seed_history(exclude_task=str(study.user_attrs[TASK]))
    return found


def main() -> None:
    """Train what is missing, and remove what nothing asks for any more."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, begun = optuna.create_study(), time.time()
    for left_out, records in histories().items():
        start = time.perf_counter()
        for maker in (MetaSampler, MetaPruner):
            maker(records, cache_dir=kept.MODELS).model(study)
        print(f"without {left_out}: {time.perf_counter() - start:.1f} s", flush=True)
    for path in kept.MODELS.glob("*.npz"):
        if path.stat().st_mtime < begun - 1.0:  # those that were read are touched
            path.unlink()
            print(f"removed {path.name}")


if __name__ == "__main__":
    main()
