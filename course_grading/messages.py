"""What a kernel sends, read with distrust: every message is made on the student's side."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any, NamedTuple

import nbformat
from nbformat import NotebookNode

SHOWN = ("text/plain", "image/png")  # what a browser may show without a risk
UNREADABLE_BYTES = 2**20


class Message(NamedTuple):
    """A message of a kernel.

    Parameters
    ----------
    parent
        The id of the request that it answers.
    kind
        Its type in Jupyter's protocol: "stream", "status" …
    content
        Its content; texts that UTF-8 cannot hold are replaced.
    """

    parent: str
    kind: str
    content: dict[str, Any]


def receive(source: Callable[..., dict], *, timeout: float) -> Message | None:
    """Wait for the next message.

    Parameters
    ----------
    source
        The method of the client that returns it.
    timeout
        How long to wait, in seconds.

    Returns
    -------
    Message | None
        None if nothing came. A message that cannot be read answers no request and counts as a megabyte.
    """
    try:
        message = source(timeout=timeout)
        content = dict(_encodable(message["content"]))
        return Message(str(message["parent_header"]["msg_id"]), str(message["msg_type"]), content)
    except queue.Empty:
        return None
    except Exception:
        return Message("", "unreadable", {"weight": "x" * UNREADABLE_BYTES})


def _encodable(value: Any) -> Any:
    """Replace what no file in UTF-8 could hold: lone surrogates."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {_encodable(str(key)): _encodable(inner) for key, inner in value.items()}
    return [_encodable(inner) for inner in value] if isinstance(value, list) else value


def to_output(message: Message) -> NotebookNode | None:
    """Turn a message into an output that a browser may show: text and pictures. None for anything else."""
    try:
        if message.kind == "stream":
            return _stream(message.content)
        if message.kind == "error":
            return _error(message.content)
        if message.kind in ("display_data", "execute_result"):
            return _display(message.content)
    except (KeyError, TypeError, AttributeError):
        return None
    return None


def _stream(content: dict[str, Any]) -> NotebookNode:
    return nbformat.v4.new_output("stream", name=str(content["name"]), text=str(content["text"]))


def _error(content: dict[str, Any]) -> NotebookNode:
    lines = [str(line) for line in content["traceback"]]
    names = {key: str(content[key]) for key in ("ename", "evalue")}
    return nbformat.v4.new_output("error", traceback=lines, **names)


def _display(content: dict[str, Any]) -> NotebookNode | None:
    data = {key: str(value) for key, value in content["data"].items() if key in SHOWN}
    return nbformat.v4.new_output("display_data", data=data) if data else None
