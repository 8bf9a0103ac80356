"""Records that were read before are a history too, and the same rules leave studies out of them."""

import optuna

from foretune.history import HistoryRecords, read_history


def _records():
    storage = optuna.storages.InMemoryStorage()
    for name, fingerprint in (("a", "same"), ("b", "other"), ("c", None)):
        study = optuna.create_study(study_name=name, storage=storage)
        if fingerprint:
            study.set_user_attr("fingerprint", fingerprint)
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=2 + ord(name) % 3)
    return read_history(storage)


def test_records_pass_through_and_are_filtered_like_any_source():
    records = _records()
    assert isinstance(read_history(records), HistoryRecords)
    assert [s.name for s in read_history(records).studies] == ["a", "b", "c"]
    kept = read_history([records], exclude_fingerprint="same", exclude_studies=["c"])
    assert [s.name for s in kept.studies] == ["b"]
