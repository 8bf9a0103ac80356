"""The trainer: a trial's parameters in, its result out; models, task units, one loop, saved models.

May import core and config.schema alone, and torch, transformers, timm, datasets, accelerate.
"""

from foretune.config.schema.model import ModelCard
from foretune.train.cards import load_cards
from foretune.train.data import TaskData, load_task
from foretune.train.device import choose_device
from foretune.train.members import choose_cards
from foretune.train.objective import TrainObjective
from foretune.train.params import PARAMETER_NAMES
from foretune.train.predictor import Predictor, load_model, test_metrics
from foretune.train.recipe import TrainRecipe

__all__ = [
    "PARAMETER_NAMES",
    "ModelCard",
    "Predictor",
    "TaskData",
    "TrainObjective",
    "TrainRecipe",
    "choose_cards",
    "choose_device",
    "load_cards",
    "load_model",
    "load_task",
    "test_metrics",
]
