"""A file from which an interrupted training goes on, and what it must agree with: the set-up, by content."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import random
import textwrap
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from course_utils.batches import Batches, TensorBatches
from course_utils.settings import seeded

Identity = dict[str, Any]  # what is compared → its value: numbers and texts, or a checksum of more
CHECKSUM = "sha256:"
SHOWN = 8  # differences in a message
PARTS = {"setup": dict, "rows": list, "fit_calls": list}  # what every checkpoint holds


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message names the place and what to do."""


# ------------------------------------------------------------------------------------------------------------ the file


def write(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all: a kill while writing loses nothing."""
    unfinished = path.with_name(path.name + ".tmp")
    torch.save(dict(state), unfinished)
    os.replace(unfinished, path)


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """Read what `write` wrote, with its tensors on the device.

    Raises
    ------
    TrainingError
        The file is not a checkpoint, or it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not compare check sums
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(damaged)
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        for name, kind in PARTS.items():
            if not isinstance(state[name], kind):
                raise TypeError(f"{name} is {type(state[name]).__name__}")
        return state
    except Exception as error:  # damage shows in many ways
        raise TrainingError(f"{path} is not a readable checkpoint. Delete it to start over.") from error


def require_same(saved: Identity, now: Identity, path: Path | None) -> None:
    """Raise a TrainingError that names in what a checkpoint's set-up differs from that of this run."""
    differences = []
    for key in dict.fromkeys([*saved, *now]):
        before, after = saved.get(key), now.get(key)
        if before != after:
            are_checksums = str(before).startswith(CHECKSUM) and str(after).startswith(CHECKSUM)
            differences.append(f"{key} changed" if are_checksums else f"{key} was {before}, now it is {after}")
    if differences:
        more = f"; and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
        raise TrainingError(
            f"{path} was made by another set-up: {'; '.join(differences[:SHOWN])}{more}. Nothing was changed. Delete "
            f"the file to start over, or give this run another file."
        )


# ---------------------------------------------------------------------------------------------- what is compared: model


def identity_of_model(model: nn.Module) -> Identity:
    """Return the layers of a model with their options, its frozen parameters, and checksums of its weights."""
    weights = [*model.named_parameters(), *model.named_buffers()]
    return {
        **{f"layer {name or '(all)'}": _options(module) for name, module in model.named_modules()},
        **{f"the shape of {name}": list(tensor.shape) for name, tensor in weights},
        "the type of the weights": sorted({str(tensor.dtype) for _, tensor in weights}),
        "the frozen parameters": [name for name, p in model.named_parameters() if not p.requires_grad],
        "the weights at the start": _checksum(tensor for _, tensor in weights),
    }


def _options(module: nn.Module) -> str:
    """The class of a layer, and its plain attributes: the share of a dropout, the noise of a code, a stride."""
    plain = {name: value for name, value in vars(module).items()
             if name != "training" and not name.startswith("_") and _is_plain(value)}  # fmt: skip
    return f"{type(module).__name__}({', '.join(f'{name}={value!r}' for name, value in plain.items())})"


def _is_plain(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


# ----------------------------------------------------------------------------------- what is compared: loss and noise


def identity_of_callable(role: str, function: Callable[..., Any] | None) -> Identity:
    """Return the name of a loss or a corruption, and a checksum of its code and of the values that it holds.

    Raises
    ------
    TrainingError
        The function has no name of its own, as a lambda, a partial, or a function that takes values from around it: a
        message could not say which of two is meant.
    """
    if function is None:
        return {role: None}
    if isinstance(function, nn.Module):
        layers = {f"{role} {name}".strip(): _options(module) for name, module in function.named_modules()}
        return {**layers, f"the tensors of {role}": _checksum(function.state_dict().values())}
    inner = function.func if isinstance(function, partial) else function
    name = getattr(function, "__name__", None)
    if name is None and "__repr__" in vars(type(function)) and not isinstance(function, partial):
        name = repr(function)
    takes_values = bool(getattr(inner, "__closure__", None)) and name == inner.__code__.co_name
    if name is None or "<lambda>" in name or takes_values:
        raise TrainingError(
            f"{role} is {function!r}, which has no name that tells it from others, and checkpoint= is given: another "
            f"run's file might be taken for this one's. Give it a name with its options, as in "
            f"f.__name__ = 'my_loss(0.1)', or write it as a function of its own (def)."
        )
    return {role: name, f"the code of {role}": _checksum([_content(function, [])])}


def _content(thing: object, seen: list[object]) -> object:
    """What a function does and holds, in plain values, tensors and arrays; those that it holds likewise.

    Of a function its code, without where it stands; its default values, those from around it, and those that it names
    in its module; and the functions there that it calls.
    """
    if _is_plain(thing) or isinstance(thing, (bytes, Tensor, np.ndarray, np.generic)):
        return thing
    if any(thing is one for one in seen):
        return type(thing).__qualname__
    seen.append(thing)
    if isinstance(thing, (tuple, list)):
        return [_content(one, seen) for one in thing]
    if isinstance(thing, Mapping):
        return [(repr(key), _content(value, seen)) for key, value in thing.items()]
    if isinstance(thing, nn.Module):
        return [[_options(module) for module in thing.modules()], thing.state_dict()]
    if isinstance(thing, partial):
        return [_content(part, seen) for part in (thing.func, thing.args, thing.keywords)]
    if isinstance(thing, FunctionType):
        around = [cell.cell_contents for cell in thing.__closure__ or ()]
        held = (thing.__defaults__, thing.__kwdefaults__, around, list(_named_in(thing)))
        return [_definition(thing), *(_content(part, seen) for part in held)]
    own = [] if isinstance(thing, type) else _content(getattr(thing, "__dict__", None), seen)
    return [getattr(thing, "__qualname__", type(thing).__qualname__), own]


def _named_in(function: FunctionType) -> Iterator[tuple[str, object]]:
    """The values of its module that a function names, and the functions of that module."""
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        is_of_module = isinstance(value, FunctionType) and value.__module__ == function.__module__
        if is_of_module or isinstance(value, (Tensor, np.ndarray, partial)) or _is_plain(value):
            yield name, value


def _definition(function: FunctionType) -> str:
    """What stands in a function's definition, without words and place; its bytecode where that cannot be read.

    Bytecode is another in another version of Python, and under a debugger or a tool that counts which lines ran.
    """
    try:
        (node,) = ast.parse(textwrap.dedent(inspect.getsource(function.__code__))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return _bytecode(function.__code__)
    if not isinstance(node, ast.FunctionDef):  # a lambda: its line may hold others
        return _bytecode(function.__code__)
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(node.body) > 1:
        node.body = node.body[1:]  # the docstring
    node.decorator_list, node.returns = [], None
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.dump(node)


def _bytecode(code: CodeType) -> str:
    constants = [_bytecode(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


# ----------------------------------------------------------------------------------------------- what is compared: data


def identity_of_batches(name: str, batches: Batches) -> Identity:
    """Return checksums of data and targets, all of which are read once; of a loader also how it makes batches."""
    if isinstance(batches, TensorBatches):
        return {
            f"the shape of {name}": list(batches.x.shape),
            name: _checksum([batches.x]),
            f"the targets of {name}": None if batches.target is None else _checksum([batches.target]),
        }
    generator = batches.generator
    return {
        name: checksum_of_dataset(batches.dataset),
        f"how {name} are loaded": {
            "batch_size": batches.batch_size, "drop_last": batches.drop_last, "batches": len(batches),
            "sampler": type(batches.sampler).__name__, "batch_sampler": type(batches.batch_sampler).__name__,
            "workers": batches.num_workers, "seed": None if generator is None else generator.initial_seed(),
        },
    }  # fmt: skip


def checksum_of_dataset(dataset: Dataset[Any]) -> str:
    """Return the checksum of all samples of a dataset, in their order, with the same random numbers each time."""
    if isinstance(dataset, TensorDataset):
        return _checksum(dataset.tensors)
    with _same_random_numbers():
        samples = dataset if isinstance(dataset, IterableDataset) else (dataset[i] for i in range(len(dataset)))  # type: ignore[arg-type]
        return _checksum(samples)


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """For datasets that move or blur what they give; whoever called goes on as before."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (what such datasets use)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    try:
        with seeded(0):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002


def _checksum(things: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for thing in things:
        _add(digest, thing)
    return CHECKSUM + digest.hexdigest()


def _add(digest: Any, thing: object) -> None:
    if isinstance(thing, Tensor):
        digest.update(f"{thing.dtype} {tuple(thing.shape)}".encode())
        digest.update(thing.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    elif isinstance(thing, Mapping):
        _add(digest, list(thing.items()))
    elif isinstance(thing, (tuple, list)):
        digest.update(f"{len(thing)} of".encode())
        for part in thing:
            _add(digest, part)
    elif isinstance(thing, (bool, int, float, str, bytes)) or thing is None:
        digest.update(repr(thing).encode())
    else:  # an array, or a picture
        array = np.asarray(thing)
        digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
