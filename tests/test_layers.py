import copy
import io

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.layers import TiedLinear
from course_utils.metrics import count_parameters, sse_per_image


class CopiedLinear(nn.Module):
    """The usual mistake: right numbers at the start, and a weight of its own from then on."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight = nn.Parameter(self.transposed(linear.weight))
        self.bias = nn.Parameter(torch.zeros(linear.in_features))

    def transposed(self, weight: Tensor) -> Tensor:
        return weight.detach().t().clone()

    def forward(self, z: Tensor) -> Tensor:
        return F.linear(z, self.weight, self.bias)


class ViewedLinear(CopiedLinear):
    """Without the clone, torch keeps one storage; but two parameters look into it, and each takes its own step."""

    def transposed(self, weight: Tensor) -> Tensor:
        return weight.t()


class Pair(nn.Module):
    """An encoder layer and its mirror."""

    def __init__(self, mirror: type[nn.Module] = TiedLinear) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 3)
        self.decoder = mirror(self.encoder)

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def check_shared(pair: Pair) -> None:
    """Both layers have one weight: one storage, one parameter, one gradient; what changes one changes the other."""
    weight, bias = pair.encoder.weight, pair.decoder.bias
    assert pair.decoder.weight.data_ptr() == weight.data_ptr()
    assert count_parameters(pair) == 4 * 3 + 3 + 4
    x = torch.rand(5, 4, dtype=weight.dtype)
    pair.zero_grad()
    pair(x).sum().backward()
    assert pair.decoder.weight.grad is weight.grad
    torch.optim.SGD(pair.parameters(), lr=0.1).step()
    torch.testing.assert_close(pair.decoder(x[:, :3]), x[:, :3] @ weight + bias)


def fresh(pair: Pair) -> Pair:
    return pair


def copied(pair: Pair) -> Pair:
    return copy.deepcopy(pair)


def in_float64(pair: Pair) -> Pair:
    return pair.to(torch.float64)


def with_loaded_weights(pair: Pair) -> Pair:
    pair.load_state_dict(Pair(type(pair.decoder)).state_dict())
    return pair


def saved_and_loaded(pair: Pair) -> Pair:
    file = io.BytesIO()
    torch.save(pair, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def loaded_into_another(pair: Pair) -> Pair:
    file = io.BytesIO()
    torch.save(pair.state_dict(), file)
    file.seek(0)
    other = Pair(type(pair.decoder))
    other.load_state_dict(torch.load(file, weights_only=True))
    torch.testing.assert_close(other.encoder.weight, pair.encoder.weight, rtol=0, atol=0)
    return other


def trained(pair: Pair) -> Pair:
    optimizer, x = torch.optim.Adam(pair.parameters(), fused=True), torch.rand(5, 4)
    for _ in range(3):
        optimizer.zero_grad()
        sse_per_image(pair(x), x).backward()
        optimizer.step()
    return pair


FATES = [fresh, copied, in_float64, with_loaded_weights, saved_and_loaded, loaded_into_another, trained]


@pytest.mark.parametrize("fate", FATES)
def test_the_weight_is_shared_and_stays_so_when_the_model_is(fate):
    check_shared(fate(Pair()))


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("mistake", [CopiedLinear, ViewedLinear])
def test_a_weight_of_its_own_is_told_from_a_shared_one_when_the_model_is(mistake, fate):
    with pytest.raises(AssertionError):
        check_shared(fate(Pair(mistake)))


def test_the_output_is_the_code_times_the_weight_plus_a_bias_that_starts_at_0():
    linear, z = nn.Linear(4, 3), torch.rand(5, 3)
    tied = TiedLinear(linear)
    assert tied.bias.tolist() == [0] * 4
    with torch.no_grad():
        tied.bias.copy_(torch.arange(4.0))
    torch.testing.assert_close(tied(z), z @ linear.weight + torch.arange(4.0))


def test_the_gradient_is_the_sum_of_both_uses():
    pair, x = Pair().double(), torch.rand(5, 4, dtype=torch.float64)
    sse_per_image(pair(x), x).backward()

    down, up = (pair.encoder.weight.detach().clone().requires_grad_() for _ in range(2))
    z = F.linear(x, down, pair.encoder.bias.detach())
    sse_per_image(z @ up, x).backward()
    assert min(down.grad.abs().max(), up.grad.abs().max()) > 0.01  # neither use is idle
    torch.testing.assert_close(pair.encoder.weight.grad, down.grad + up.grad)


def test_the_gradient_is_that_of_finite_differences():
    pair, x, step = Pair().double(), torch.rand(5, 4, dtype=torch.float64), 1e-6
    sse_per_image(pair(x), x).backward()
    weight = pair.encoder.weight
    differences = torch.empty_like(weight)
    with torch.no_grad():
        for place in torch.cartesian_prod(torch.arange(3), torch.arange(4)).unbind():
            before = weight[tuple(place)].item()
            losses = []
            for moved in (before + step, before - step):
                weight[tuple(place)] = moved
                losses.append(sse_per_image(pair(x), x).item())
            weight[tuple(place)] = before
            differences[tuple(place)] = (losses[0] - losses[1]) / (2 * step)
    torch.testing.assert_close(weight.grad, differences, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_mirror_has_the_dtype_of_its_layer(dtype):
    tied = TiedLinear(nn.Linear(4, 3, dtype=dtype))
    assert tied(torch.rand(2, 3, dtype=dtype)).dtype == dtype


def test_the_printed_layer_says_that_its_weight_is_shared():
    assert repr(TiedLinear(nn.Linear(4, 3))) == "TiedLinear(in_features=3, out_features=4, weight shared)"
