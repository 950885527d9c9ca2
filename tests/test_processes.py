import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from shared_training import all_ways

from course_utils.checkpoint import TrainingError
from course_utils.processes import Processes, join

SCRIPT = Path(__file__).with_name("shared_training.py")
NOISELESS = ["tensors", "a dataset", "a last batch of one", "interrupted"]  # the model itself draws nothing


def torchrun(folder: Path, *arguments: str, n: int = 2) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(n)]
    root = Path(__file__).parents[1]
    return subprocess.run(
        [*command, str(SCRIPT), str(folder), *arguments], capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(root), "COURSE_QUIET": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def results(folder: Path) -> list[dict]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9].json"))]


@pytest.fixture(scope="module")
def of_two(tmp_path_factory) -> list[dict]:
    folder = tmp_path_factory.mktemp("two")
    run = torchrun(folder)
    assert run.returncode == 0, run.stderr
    return results(folder)


@pytest.fixture(scope="module")
def of_one(tmp_path_factory) -> dict:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield all_ways(tmp_path_factory.mktemp("one"))
    torch.set_num_threads(n_threads)


@pytest.mark.long
@pytest.mark.parametrize("way", NOISELESS)
def test_two_processes_train_as_one_does(of_one, of_two, way):
    for numbers in ("train", "test", "weights", "evaluated"):
        assert of_two[0][way][numbers] == pytest.approx(of_one[way][numbers], rel=1e-3, abs=1e-5), numbers
        assert of_two[1][way][numbers] == of_two[0][way][numbers], numbers
    assert of_one[way]["train"][-1] < of_one[way]["train"][0]  # it learns


@pytest.mark.long
def test_two_processes_go_on_from_a_checkpoint_bit_for_bit(of_two):
    assert of_two[0]["interrupted"] == of_two[0]["tensors"]


@pytest.mark.long
def test_what_a_model_draws_itself_differs_in_each_process_and_the_weights_do_not(of_one, of_two):
    first, second = (found["sampled"] for found in of_two)
    assert first["weights"] == second["weights"]
    assert first["train"] != of_one["sampled"]["train"]
    assert first["train"] == pytest.approx(of_one["sampled"]["train"], rel=0.02)


@pytest.mark.long
@pytest.mark.parametrize(
    ("way", "complaint"),
    [
        ("diverged", "became nan in epoch 1, batch 2"),
        ("other data", "Process 1 differs from process 0 in the training data."),
        ("another seed", "Process 1 differs from process 0 in seed."),
        ("batch norm", "2 processes share it"),
    ],
)
def test_what_cannot_be_shared_is_refused_in_every_process(of_two, way, complaint):
    assert [complaint in found[way] for found in of_two] == [True, True], of_two[0][way]


@pytest.mark.slow
def test_one_of_two_processes_that_is_killed_ends_both_and_they_go_on_together(tmp_path, of_two):
    assert torchrun(tmp_path, "killed").returncode != 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["killed", "killed.pt"]
    assert torchrun(tmp_path, "killed").returncode == 0
    assert results(tmp_path)[0]["tensors"] == of_two[0]["tensors"]


def test_processes_that_do_not_find_each_other_are_told_how_to_start(monkeypatch):
    def fails(backend: str, **options: object) -> None:
        raise RuntimeError(f"{backend}: address already in use\nand more")

    monkeypatch.setattr(dist, "is_torchelastic_launched", lambda: True)
    monkeypatch.setattr(dist, "init_process_group", fails)
    with pytest.raises(
        TrainingError, match=r"\(gloo: address already in use\). Start them together, as in `torchrun --sta"
    ):
        join(torch.device("cpu"))


def test_without_torchrun_there_is_one_process_with_all_of_the_work():
    one = join(torch.device("cpu"))
    assert (one.number, one.n, one.is_first, one.weight(7)) == (0, 1, True, 1.0)
    assert (one.totals(torch.tensor([2.5, 1.0])), one.gathered("a")) == ([2.5, 1], ["a"])


@pytest.fixture
def second_of_two(monkeypatch) -> Processes:
    """A process whose partner has computed the same as it has, and read other data."""

    def all_reduce(tensor: torch.Tensor, async_op: bool = False) -> SimpleNamespace:
        tensor.mul_(2)
        return SimpleNamespace(wait=lambda: None)

    def all_gather_object(values: list, value: object) -> None:
        values[:] = [value | {"the training data": "others"}, value]

    monkeypatch.setattr(dist, "all_reduce", all_reduce)
    monkeypatch.setattr(dist, "all_gather_object", all_gather_object)
    return Processes(1, 2)


def test_numbers_and_gradients_are_added_up(second_of_two):
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.tensor([1.0, 2.0, 3.0])
    second_of_two.add_gradients([weight, torch.nn.Parameter(torch.ones(2))])  # the other has no gradient
    assert weight.grad.tolist() == [2, 4, 6]
    assert second_of_two.totals(torch.tensor([1.5, 0.5])) == [3, 1]
    assert not second_of_two.is_first


def test_what_differs_between_processes_is_named(second_of_two):
    with pytest.raises(TrainingError, match=r"Process 1 differs from process 0 in the training data\. All"):
        second_of_two.require_same({"the training data": "mine", "seed": 0})
    with pytest.raises(TrainingError, match="2 processes share it"):
        second_of_two.refuse_batch_norm()
    Processes().refuse_batch_norm()


def test_processes_draw_apart_but_for_the_first():
    drawn = []
    for number in (0, 1, 2):
        torch.manual_seed(5)
        Processes(number, 3).seed_apart()
        drawn.append(torch.rand(1).item())
    torch.manual_seed(5)
    assert drawn[0] == torch.rand(1).item()
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("n_rows", "n"), [(7, 1), (8, 2), (7, 2), (2, 3), (1, 4)])
def test_the_parts_of_a_batch_are_all_of_it_and_their_weights_make_one(n_rows, n):
    x = torch.arange(n_rows)[:, None]
    processes = [Processes(number, n) for number in range(n)]
    weighed = [one.part(x) for one in processes if one.weight(n_rows)]
    assert torch.equal(torch.cat(weighed), x)
    assert sum(one.weight(n_rows) for one in processes) == pytest.approx(1)
    assert all(one.weight(n_rows) == pytest.approx(len(one.part(x)) / n_rows) or not one.weight(n_rows)
               for one in processes)  # fmt: skip
