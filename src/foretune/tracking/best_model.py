"""How does the best model get into MLflow, such that one line loads it?

As a pyfunc whose code is a file (``loaded_model.py``) and whose weights are the model's own folder:
nothing is pickled, and no environment is guessed.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mlflow.entities import LoggedModelOutput
from mlflow.models import Model
from mlflow.pyfunc import save_model
from mlflow.utils.file_utils import local_file_uri_to_path

from foretune.core import SearchSummary
from foretune.tracking.database import Database

_LOG = logging.getLogger(__name__)
NAME = "best-model"
TRIAL_TAG = "model.trial"  # parent tag: the trial whose model is in the record
ID_TAG = "model.id"  # parent tag: its id in MLflow
CODE = Path(__file__).with_name("loaded_model.py")
# What loading needs; named, as MLflow's own inference imports the model for minutes to find out.
REQUIREMENTS = (
    "foretune",
    "torch",
    "transformers",
    "timm",
    "numpy",
    "safetensors",
    "tokenizers",
)


def log_best_model(database: Database, run_id: str, summary: SearchSummary) -> Path | None:
    """Copy the best model into the record, unless it is there already; drop the one it betters.

    Returns:
        The folder that ``mlflow.pyfunc.load_model`` loads; None where no trial has left a model.

    Raises:
        MlflowException: The database could not be written.
        OSError: The files could not be written.
    """
    if summary.model_dir is None or summary.best_number is None:
        return None
    client = database.client
    tags = client.get_run(run_id).data.tags
    old_id = tags.get(ID_TAG)
    if old_id is not None:
        old_dir = Path(local_file_uri_to_path(client.get_logged_model(old_id).artifact_location))
        if not old_dir.resolve().is_relative_to(database.folder.resolve()):
            _LOG.warning("MLflow: %s lies outside of the record and is left alone", old_dir)
            old_id = None
        elif tags.get(TRIAL_TAG) == str(summary.best_number) and (old_dir / "MLmodel").exists():
            return old_dir
    params = {name: str(value) for name, value in summary.best_params.items()}
    logged = client.create_logged_model(
        database.experiment_id, name=NAME, source_run_id=run_id, params=params
    )
    folder = Path(local_file_uri_to_path(logged.artifact_location))
    try:
        _save(folder, summary.model_dir, run_id=run_id, model_id=logged.model_id)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=summary.best_number)])
    client.set_tag(run_id, TRIAL_TAG, str(summary.best_number))
    client.set_tag(run_id, ID_TAG, logged.model_id)
    if old_id is not None:
        client.delete_logged_model(old_id)
        shutil.rmtree(old_dir, ignore_errors=True)
    return folder


def _save(folder: Path, model_dir: Path, *, run_id: str, model_id: str) -> None:
    about = Model(
        artifact_path=folder.as_uri(), run_id=run_id, model_uuid=model_id, model_id=model_id
    )
    with warnings.catch_warnings(record=True):  # that inputs of any type are not checked
        save_model(
            path=str(folder),
            mlflow_model=about,
            python_model=str(CODE),
            artifacts={"model": str(model_dir)},
            pip_requirements=_requirements(),
        )


def _requirements() -> list[str]:
    """The installed versions of what loading needs."""
    found = []
    for name in REQUIREMENTS:
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:  # run from a checkout, or a model that does not need it
            continue
    return found
