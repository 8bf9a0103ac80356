"""What runs when MLflow loads a model that Foretune has logged?

MLflow copies this file beside the weights and executes it there ("models from code"); nothing in
Foretune imports it. So the import of the trainer below is no import between rooms.
"""

from __future__ import annotations

import warnings
from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

# The tasks' inputs have no type in common. MLflow takes any, but warns that it checks none of them;
# recording keeps that off the screen, as MLflow resets the filters before it warns.
with warnings.catch_warnings(record=True):

    class ForetuneModel(PythonModel):
        """A model folder that ``foretune.train`` has saved, behind MLflow's ``predict``."""

        def load_context(self, context: Any) -> None:
            """Load the weights from the copied folder."""
            from foretune.train import load_model

            self.predictor = load_model(context.artifacts["model"])

        def predict(self, context: Any, model_input: list[Any], params: Any = None) -> list[Any]:
            """One prediction an input.

            Args:
                context: Unused; ``load_context`` has loaded what it names.
                model_input: The inputs, as the task takes them: texts, pairs of texts, lists of
                    tokens, questions with their contexts, images.
                params: Unused; there are none.
            """
            return self.predictor.predict(model_input)


set_model(ForetuneModel())
