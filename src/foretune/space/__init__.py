"""The search space: parameters with conditions, read from YAML, counted, sampled and encoded.

May import core and config.schema; neither Optuna (``search`` maps parameters to distributions) nor
torch.
"""

from foretune.space.build import MODEL, ModelSpace, build_space
from foretune.space.grid import Grid, finite_size
from foretune.space.number import Float, Int
from foretune.space.parameter import Choice, Conditions, Parameter, active
from foretune.space.space import Point, Space, point_key

__all__ = [
    "MODEL",
    "Choice",
    "Conditions",
    "Float",
    "Grid",
    "Int",
    "ModelSpace",
    "Parameter",
    "Point",
    "Space",
    "active",
    "build_space",
    "finite_size",
    "point_key",
]
