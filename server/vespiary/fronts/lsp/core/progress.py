"""pygls' work-done progress without its leak: a token is forgotten when its work ends."""

from typing import Any

from vespiary.fronts.lsp.core.upstream import Progress


class TidyProgress(Progress):
    """As in pygls."""

    def end(self, token: Any, value: Any) -> None:
        """Tell the end of the work and forget its token."""
        super().end(token, value)
        self.tokens.pop(token, None)
