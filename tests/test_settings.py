import dataclasses
import random
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch

from course_utils.environment import VARIABLES, SettingsError, SettingsWarning
from course_utils.settings import seed_everything, settings


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def _only_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def test_defaults_are_the_quick_profile_on_the_cpu_in_the_user_cache():
    cfg = settings()
    assert (cfg.profile, cfg.seed, cfg.device, cfg.quiet) == ("quick", 0, torch.device("cpu"), False)
    assert cfg.cache_folder == platformdirs.user_cache_path("autoencoder-course")
    assert cfg.data_folder == cfg.cache_folder / "data"


SET = {
    "COURSE_PROFILE": ("full", "profile", "full"),
    "COURSE_SEED": ("7", "seed", 7),
    "COURSE_DEVICE": ("cpu", "device", torch.device("cpu")),
    "COURSE_DATA": (".", "data_folder", Path.cwd()),  # absolute: a kernel runs in another folder
    "COURSE_CACHE": ("no/such/folder/yet", "cache_folder", Path("no/such/folder/yet")),
    "COURSE_QUIET": ("1", "quiet", True),
}


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_sets_its_field_and_no_other_but_what_follows_from_it(monkeypatch, name):
    value, field, expected = SET[name]
    default = settings()
    monkeypatch.setenv(name, value)
    changed = dataclasses.asdict(settings())
    assert changed.pop(field) == expected
    follows = {"data_folder"} if name == "COURSE_CACHE" else set()
    assert all(changed[other] == getattr(default, other) for other in changed if other not in follows)


@pytest.mark.parametrize("name", VARIABLES)
def test_an_empty_variable_is_an_unset_one(monkeypatch, name):
    default = settings()
    monkeypatch.setenv(name, "")
    assert settings() == default


def test_data_lie_in_the_cache_unless_course_data_says_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert settings().data_folder == tmp_path / "data"


@pytest.mark.parametrize("name", ["COURSE_DATA", "COURSE_CACHE"])
def test_a_tilde_is_the_home_folder(monkeypatch, name):
    monkeypatch.setenv(name, "~")
    assert getattr(settings(), SET[name][1]) == Path.home()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("COURSE_PROFILE", "fast", "quick or full"),
        ("COURSE_PROFILE", "FULL", "quick or full"),
        ("COURSE_QUIET", "yes", "0 or 1"),
        ("COURSE_SEED", "one", "whole number"),
        ("COURSE_SEED", "-1", "whole number"),
        ("COURSE_SEED", "1.5", "whole number"),
        ("COURSE_SEED", str(2**32), "whole number"),
        ("COURSE_DEVICE", "gpu", "cpu, auto, cuda"),
        ("COURSE_DEVICE", "meta", "cpu, auto, cuda"),
        ("COURSE_DATA", "no/such/folder", "Create it, or unset"),
    ],
)
def test_an_unusable_value_is_refused_by_name_and_value_with_what_is_allowed(monkeypatch, name, value, allowed):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refusal:
        settings()
    for part in (name, repr(value), allowed):
        assert part in str(refusal.value)


def test_a_file_is_no_data_folder(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", __file__)
    with pytest.raises(SettingsError, match="not a folder"):
        settings()


@pytest.mark.parametrize(
    ("misspelt", "value", "meant"),
    [
        ("COURSE_PROFLE", "full", "COURSE_PROFILE"),
        ("COURSE_PROFILES", "quick", "COURSE_PROFILE"),
        ("COURSE_DEVISE", "cuda:1", "COURSE_DEVICE"),
        ("COURSEDATA", "/", "COURSE_DATA"),
        ("COURSE_CHACHE", "~", "COURSE_CACHE"),
    ],
)
def test_a_misspelt_variable_is_refused_and_the_right_one_named(monkeypatch, misspelt, value, meant):
    monkeypatch.setenv(misspelt, value)
    with pytest.raises(SettingsError, match=f"{misspelt} .* did you mean {meant}"):
        settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("COURSE_DATE", "2026-11-27"), ("COURSE_SPEED", "3"), ("COURSE_QUIZ", "1"), ("COURSE_SEEDS", "1"),
        ("COURSE_PROFILER", "on"), ("COURSE_DEVICES", "12"), ("COURSEDATA", "/no/such/folder"),
    ],
)  # fmt: skip
def test_a_variable_that_may_be_somebody_elses_stops_nobody_and_is_named(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.warns(SettingsWarning, match=f"{name} is not a variable of this course, and not read"):
        assert settings().profile == "quick"


@pytest.mark.parametrize("name", [
    "COURSE_ID", "COURSE_NAME", "COURSE_PATH", "COURSES", "PROFILE", "DISCOURSE_DATA", "COURSE_DATABASE",
    "COURSE_DATASTORE", "COURSE_DATA_URL",
])  # fmt: skip
def test_somebody_elses_variable_is_left_alone(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert settings().profile == "quick"


@pytest.mark.usefixtures("_only_a_cpu")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps"])
def test_a_device_that_is_not_there_is_refused_with_the_way_out(monkeypatch, device):
    monkeypatch.setenv("COURSE_DEVICE", device)
    with pytest.raises(SettingsError, match=f"'{device}'.*COURSE_DEVICE=cpu"):
        settings()


@pytest.mark.usefixtures("_only_a_cpu")
@pytest.mark.parametrize("present", ["cpu", "mps", "cuda"])
def test_auto_takes_the_fastest_device_there_is(monkeypatch, present):
    if present != "cpu":
        monkeypatch.setattr({"cuda": torch.cuda, "mps": torch.backends.mps}[present], "is_available", lambda: True)
    monkeypatch.setenv("COURSE_DEVICE", "auto")
    assert settings().device.type == present


@pytest.mark.parametrize("profile", ["quick", "full"])
def test_pick_gives_the_value_for_the_profile(monkeypatch, profile):
    monkeypatch.setenv("COURSE_PROFILE", profile)
    assert settings().pick(quick="quick", full="full") == profile


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings().seed = 1


def test_seed_everything_seeds_python_numpy_and_torch_and_returns_a_generator_of_that_seed():
    def draw(seed: int) -> list[float]:
        generator = seed_everything(seed)
        numbers = [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002 (the one that is seeded)
        return [*numbers, generator.initial_seed()]

    assert draw(3) == draw(3)
    assert all(a != b for a, b in zip(draw(3), draw(4), strict=True))
