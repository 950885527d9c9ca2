"""What stands in for a widget's Output where there is no kernel."""

from __future__ import annotations


class Caught:
    """In place of a widget's Output, which catches errors in a kernel alone: it notes them as text."""

    def __init__(self) -> None:
        self.outputs = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: type | None, error: BaseException | None, _traceback: object) -> bool:
        self.outputs += () if error is None else (str(error),)
        return True
