import numpy as np
import pytest
import scipy.sparse as sp
import torch
from doubling import Doubling
from torch import Tensor, nn

from course_utils import inference
from course_utils.inference import decode_all, encode_all, predict_logits, reconstruct
from course_utils.models import DeepAutoencoder, DenseAutoencoder


class Recording(DenseAutoencoder):
    """A model with dropout, which shows eval mode, and the sizes of the batches that it was given."""

    def __init__(self) -> None:
        super().__init__(6, 3)
        self.encoder = nn.Sequential(nn.Linear(6, 3), nn.Dropout(0.5))
        self.decoder = nn.Linear(3, 6)
        self.batches: list[int] = []

    def encode(self, x: Tensor) -> Tensor:
        self.batches.append(len(x))
        return super().encode(x)


WHOLE = {
    "encode_all": (encode_all, "encode", (2, 3)),
    "decode_all": (decode_all, "decode", (3,)),
    "reconstruct": (reconstruct, "__call__", (2, 3)),
    "predict_logits": (predict_logits, "__call__", (2, 3)),
}
every_pass = pytest.mark.parametrize(("whole", "method", "shape"), WHOLE.values(), ids=WHOLE.keys())


@every_pass
@pytest.mark.parametrize("n", [1, 4, 9])
def test_a_whole_set_in_batches_is_the_direct_call_in_eval_mode(monkeypatch, whole, method, shape, n):
    monkeypatch.setattr(inference, "BATCH_SIZE", 4)
    model, x = Recording(), torch.rand(n, *shape)
    result = whole(model, x)
    assert max(model.batches, default=0) <= 4
    expected = getattr(model.eval(), method)(x)
    assert result.shape == expected.shape
    torch.testing.assert_close(result, expected.detach())


@every_pass
@pytest.mark.parametrize("training", [True, False])
def test_a_whole_set_leaves_the_model_in_the_mode_it_was_in(whole, method, shape, training):
    model = Recording().train(training)
    whole(model, torch.rand(5, *shape))
    assert {module.training for module in model.modules()} == {training}
    with pytest.raises(ValueError, match="was given"):
        whole(model, torch.rand(5, 7))
    assert {module.training for module in model.modules()} == {training}


@every_pass
def test_what_comes_out_of_a_whole_set_can_be_trained_on(whole, method, shape):
    result = whole(Recording(), torch.rand(5, *shape))
    assert not result.requires_grad
    layer = nn.Linear(result.shape[-1], 2)
    layer(result).sum().backward()
    assert layer.weight.grad.abs().max() > 0


@every_pass
def test_a_whole_set_of_nothing_is_refused(whole, method, shape):
    with pytest.raises(ValueError, match="nothing to encode or decode"):
        whole(Recording(), torch.rand(0, *shape))


@pytest.mark.parametrize("n", [1, 4, 5, 9])
def test_a_whole_set_is_encoded_in_batches(monkeypatch, n):
    monkeypatch.setattr(inference, "BATCH_SIZE", 4)
    model, x = Doubling(), torch.rand(n, 1, 2, 3)
    codes = encode_all(model, x)
    torch.testing.assert_close(codes, 2 * x.flatten(1))
    assert not codes.requires_grad
    assert model.sizes == [4] * (n // 4) + [n % 4] * (n % 4 > 0)


@pytest.mark.parametrize("kind", [np.array, sp.csr_array, sp.csr_matrix])
def test_arrays_and_sparse_matrices_have_the_codes_of_tensors(monkeypatch, kind):
    monkeypatch.setattr(inference, "BATCH_SIZE", 3)
    model = DeepAutoencoder((12, 7, 3))
    x = (torch.rand(10, 12) * (torch.rand(10, 12) > 0.5)).numpy()
    expected = model.encode(torch.from_numpy(x)).detach()
    torch.testing.assert_close(encode_all(model, kind(x)), expected)


@pytest.mark.parametrize("nothing", [torch.rand(0, 3), np.zeros((0, 3)), sp.csr_array((0, 3))])
def test_there_is_nothing_to_encode_in_an_empty_set(nothing):
    with pytest.raises(ValueError, match=r"\(0, 3\)"):
        encode_all(Doubling(), nothing)
