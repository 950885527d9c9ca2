import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from course_utils import experiment
from course_utils.experiment import EXPERIMENTS, main

SSE_OF_THE_MEAN = 52.0  # what a net scores that has learnt nothing but the mean image


@pytest.fixture(autouse=True)
def some_digits(monkeypatch, digits):
    """A fifth of the digits: enough to see that a net learns."""
    some = {"train_images": digits.train_images[:800], "train_labels": digits.train_labels[:800]}
    monkeypatch.setattr(experiment, "digits", lambda cfg: replace(digits, **some))
    monkeypatch.setenv("COURSE_QUIET", "1")


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_trains_and_writes_what_it_found(name, tmp_path, capsys):
    file = tmp_path / "found.json"
    assert main([name, "--epochs", "5", "--json", str(file), "--checkpoint", str(tmp_path / "run.pt")]) == 0
    found = json.loads(file.read_text(encoding="utf-8"))
    assert (found["experiment"], found["data"], found["processes"]) == (name, "mnist-5k", 1)
    first, *_, last = found["history"]
    assert last["test_loss"] < 0.95 * first["test_loss"]
    if name in ("deep", "deep-2006", "cnn"):
        assert found["measured"]["test SSE per image"] == pytest.approx(last["test_loss"], rel=1e-4)
        assert last["test_loss"] < 0.9 * SSE_OF_THE_MEAN
    if name == "denoising":
        assert found["measured"]["restored images, dB"] > found["measured"]["noisy images, dB"] + 3
    assert "epoch 5, train_loss" in capsys.readouterr().out


def test_an_experiment_goes_on_from_its_checkpoint(tmp_path):
    checkpoint, file = tmp_path / "run.pt", tmp_path / "found.json"
    histories = []
    for _ in range(2):
        assert main(["vae", "--epochs", "1", "--checkpoint", str(checkpoint), "--json", str(file)]) == 0
        histories.append(json.loads(file.read_text(encoding="utf-8"))["history"])
    assert histories[0] == histories[1]  # the second run trained nothing: even the seconds are those of the first


def test_mixed_precision_is_used_and_said(tmp_path):
    file = tmp_path / "found.json"
    assert main(["denoising", "--epochs", "1", "--mixed-precision", "--json", str(file)]) == 0
    found = json.loads(file.read_text(encoding="utf-8"))
    assert (found["device"], found["autocast"]) == ("cpu", "torch.bfloat16")
    assert found["measured"]["restored images, dB"] > found["measured"]["noisy images, dB"]


def test_several_processes_are_started_by_torchrun_with_the_same_options(monkeypatch):
    commands = []
    monkeypatch.setattr(
        experiment.subprocess, "run", lambda command, **_: commands.append(command) or SimpleNamespace(returncode=7)
    )
    assert main(["vae", "--processes", "2", "--epochs", "3", "--checkpoint", "run.pt", "--mixed-precision"]) == 7
    (command,) = commands
    assert command[1:4] == ["-m", "torch.distributed.run", "--standalone"]
    expected = [
        "2",
        "-m",
        "course_utils.experiment",
        "vae",
        "--epochs",
        "3",
        "--checkpoint",
        "run.pt",
        "--mixed-precision",
    ]
    assert command[-len(expected) :] == expected


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["depp"], "invalid choice: 'depp' .*deep"),
        (["deep", "--processes", "0"], "'0' is not a whole number of at least 1"),
        (["deep", "--epochs", "some"], "'some' is not a whole number"),
    ],
)
def test_what_the_command_line_cannot_use_is_refused_with_what_it_can(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]

    assert re.search(complaint, line)


def test_a_run_that_cannot_go_on_ends_with_one_sentence(tmp_path, capsys):
    (tmp_path / "run.pt").write_text("no checkpoint", encoding="utf-8")
    assert main(["deep", "--epochs", "1", "--checkpoint", str(tmp_path / "run.pt")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'run.pt'} is not a readable checkpoint.")
