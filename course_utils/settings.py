"""The settings of a run: profile, seed, device, folders."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
import platformdirs
import torch
from torch import Tensor

from course_utils.environment import SettingsError, is_quiet, one_of, refuse_misspelt_variables

Profile = Literal["quick", "full"]
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """The settings of a run.

    Parameters
    ----------
    profile
        "quick" or "full".
    seed
        A whole number from 0 to 4294967295.
    device
        That models are trained on.
    data_folder
        Where data sets are looked for.
    cache_folder
        Where results that take long are kept.
    quiet
        Without progress bars.
    """

    profile: Profile
    seed: int
    device: torch.device
    data_folder: Path
    cache_folder: Path
    quiet: bool

    def pick(self, *, quick: T, full: T) -> T:
        """Return the value for this profile, as in `cfg.pick(quick="mnist-5k", full="mnist")`."""
        return full if self.profile == "full" else quick


def settings() -> Settings:
    """Read the settings from the environment variables of `environment.VARIABLES`, which names their defaults.

    Returns
    -------
    Settings
        With the default for each variable that is unset or empty.

    Raises
    ------
    SettingsError
        A variable is misspelt, or has a value that cannot be used: a message names it, its value and what is allowed.
    """
    refuse_misspelt_variables()
    cache = Path(os.environ.get("COURSE_CACHE") or platformdirs.user_cache_path("autoencoder-course")).expanduser()
    data = os.environ.get("COURSE_DATA")
    data_folder = Path(data).expanduser().resolve() if data else cache / "data"
    if data and not data_folder.is_dir():
        raise SettingsError(f"COURSE_DATA is {data!r}; {data_folder} is not a folder. Create it, or unset COURSE_DATA.")
    return Settings(
        profile=one_of("COURSE_PROFILE", ("quick", "full"), default="quick"),
        seed=_seed(os.environ.get("COURSE_SEED") or "0"),
        device=_device(os.environ.get("COURSE_DEVICE") or "cpu"),
        data_folder=data_folder,
        cache_folder=cache,
        quiet=is_quiet(),
    )


def seed_everything(seed: int) -> torch.Generator:
    """Seed Python, NumPy and torch.

    Parameters
    ----------
    seed
        A whole number from 0 to 4294967295.

    Returns
    -------
    torch.Generator
        torch's own generator, for code that takes one.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries that use the legacy generator must be seeded too)
    return torch.manual_seed(seed)


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed torch within a `with` block; after it, random numbers go on as if nothing had been drawn.

    Parameters
    ----------
    seed
        A whole number of at least 0.
    device
        Whose generator is seeded, beside the CPU's: "cpu", "cuda", "cuda:1" or "mps". Other devices are left alone
        (`torch.manual_seed` would seed them all, and `torch.random.fork_rng` would not restore MPS).
    """
    device = torch.device(device)
    states = random_states(device)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed)
    try:
        yield
    finally:
        set_random_states(states, device)


def random_states(device: torch.device) -> list[Tensor]:
    """Return the states of torch's generators: the CPU's, and that of the device where it is another."""
    states = [torch.get_rng_state()]
    return states if device.type == "cpu" else [*states, getattr(torch, device.type).get_rng_state(device)]


def set_random_states(states: list[Tensor], device: torch.device) -> None:
    """Set torch's generators to what `random_states` returned."""
    torch.set_rng_state(states[0].cpu())
    if device.type != "cpu":
        getattr(torch, device.type).set_rng_state(states[1].cpu(), device)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise SettingsError(f"COURSE_SEED is {text!r}; it must be a whole number from 0 to 4294967295.")
    return int(text)


def _device(text: str) -> torch.device:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if text == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    try:
        device = torch.device(text)
    except RuntimeError:
        device = None
    if device is None or device.type not in available:
        raise SettingsError(f"COURSE_DEVICE is {text!r}; it must be cpu, auto, cuda, cuda:N or mps.")
    if not available[device.type] or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise SettingsError(f"COURSE_DEVICE is {text!r}, but torch sees no such device here. Use COURSE_DEVICE=cpu.")
    return device
