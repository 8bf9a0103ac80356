"""Where trials run: in worker processes that the search watches, or in the searching process.

Workers are here or on a Ray cluster: `ray_executor`, which is not imported here, as it brings Ray.

May import core and config.schema, nothing else of Foretune.
"""

from foretune.execute.inline import InlineExecutor
from foretune.execute.messages import Recipe
from foretune.execute.process import ProcessExecutor, WorkersDied
from foretune.execute.server import start_server

__all__ = ["InlineExecutor", "ProcessExecutor", "Recipe", "WorkersDied", "start_server"]
