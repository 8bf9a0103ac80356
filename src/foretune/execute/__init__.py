"""Where a trial runs: in the searching process itself.

An executor wraps an objective and is one: it answers with a result whatever happens inside. May
import core and config.schema, nothing else.
"""

from foretune.execute.inline import InlineExecutor, reason_of

__all__ = ["InlineExecutor", "reason_of"]
