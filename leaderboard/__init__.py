"""Published scores, aggregation, and the leaderboard in its formats.

`linkbert.leaderboard` is both this package and a function of the public interface: once anything here is imported,
Python binds the package to that name. The package is therefore callable, and calls the function.
"""

import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call `leaderboard.board.leaderboard`."""
        from .board import leaderboard

        return leaderboard(*arguments, **keywords)


sys.modules[__name__].__class__ = _CallablePackage
