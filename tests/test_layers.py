import copy
import dataclasses
import io
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.layers import MaxPool, Positions, TiedLinear, Unpool, crop_to, deconvolution, overlapping_sums
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


def with_assigned_weights(pair: Pair) -> Pair:
    pair.load_state_dict(Pair(type(pair.decoder)).state_dict(), assign=True)
    return pair


FATES = [fresh, copied, in_float64, with_loaded_weights, with_assigned_weights, saved_and_loaded, loaded_into_another,
         trained]  # fmt: skip


@pytest.mark.parametrize("fate", FATES)
def test_the_weight_is_shared_and_stays_so_when_the_model_is(fate):
    check_shared(fate(Pair()))


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("mistake", [CopiedLinear, ViewedLinear])
def test_a_weight_of_its_own_is_told_from_a_shared_one_when_the_model_is(mistake, fate):
    with pytest.raises(AssertionError):
        check_shared(fate(Pair(mistake)))


def test_the_mirror_follows_a_layer_whose_weight_is_computed():
    pair = Pair()
    nn.utils.parametrizations.weight_norm(pair.encoder)
    trained(pair)
    z = torch.rand(5, 3)
    torch.testing.assert_close(pair.decoder(z), z @ pair.encoder.weight + pair.decoder.bias)
    assert count_parameters(pair) == 4 * 3 + 3 + 3 + 4  # directions, lengths and biases


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


# --------------------------------------------------------------------------------------- max-pooling that remembers

# Image shapes and kernel sizes: whole cells, cells cut off on one side or both, one cell, cells of one place.
POOLINGS = [((2, 3, 6, 8), 2), ((2, 3, 7, 8), 2), ((2, 1, 5, 9), 2), ((1, 2, 6, 9), 3), ((2, 2, 7, 8), 3),
            ((2, 1, 4, 4), 4), ((3, 1, 2, 3), 1)]  # fmt: skip
every_pooling = pytest.mark.parametrize(("shape", "kernel_size"), POOLINGS, ids=str)


def cell_of(place: int, width: int, kernel_size: int) -> tuple[int, int]:
    """Row and column of the cell in which a place of the flattened plane lies."""
    return place // width // kernel_size, place % width // kernel_size


def assert_each_in_its_cell(positions: Positions) -> None:
    """Every place lies within the plane, and in the cell that it is the place of."""
    (h, w), k = positions.size, positions.kernel_size
    assert positions.indices.min() >= 0
    assert positions.indices.max() < h * w
    for (*_, row, column), place in zip(np.ndindex(positions.indices.shape), positions.indices.flatten(), strict=True):
        assert cell_of(int(place), w, k) == (row, column)


def test_max_pooling_by_hand():
    x = torch.tensor([[1, 9, 2, 3, 4], [5, 0, 8, 7, 6], [3, 2, 1, 0, 5]], dtype=torch.float32)[None, None]
    pooled, positions = MaxPool(2)(x)
    assert pooled.tolist() == [[[[9, 8, 6], [3, 1, 5]]]]
    assert positions.indices.tolist() == [[[[1, 7, 9], [10, 12, 14]]]]
    assert positions.within_cells().tolist() == [[[[1, 2, 2], [0, 0, 0]]]]
    assert (positions.size, positions.kernel_size) == ((3, 5), 2)
    assert positions.indices.dtype == torch.int64


@every_pooling
def test_max_pooling_keeps_the_largest_of_each_cell_and_where_it_was(shape, kernel_size):
    x = torch.randn(shape)
    pooled, positions = MaxPool(kernel_size)(x)
    (n, c, h, w), k = shape, kernel_size
    assert pooled.shape == positions.indices.shape == (n, c, -(-h // k), -(-w // k))
    for place in np.ndindex(pooled.shape):
        *image, row, column = place
        cell = x[tuple(image)][row * k : (row + 1) * k, column * k : (column + 1) * k]
        assert pooled[place] == cell.max()
    assert torch.equal(x.flatten(2).gather(2, positions.indices.flatten(2)), pooled.flatten(2))
    assert_each_in_its_cell(positions)


def test_among_equal_values_the_first_of_a_cell_counts():
    for x in (torch.zeros(2, 1, 6, 6), torch.full((2, 1, 6, 6), -3.0)):
        assert not MaxPool(3)(x)[1].within_cells().any()
    _, positions = MaxPool(2)(torch.tensor([[0.0, 1], [1, 0]])[None, None])
    assert positions.within_cells().item() == 1


@pytest.mark.parametrize(
    ("kernel_size", "shape"), [(3, (2, 1, 2, 9)), (3, (2, 1, 9, 2)), (2, (1, 4, 4)), (2, (4, 4)), (2, (1, 1, 2, 4, 4))]
)
def test_max_pooling_refuses_a_kernel_larger_than_the_input_and_what_is_no_image(kernel_size, shape):
    with pytest.raises(ValueError, match=rf"MaxPool\({kernel_size}\) takes .* at least {kernel_size}; ") as refusal:
        MaxPool(kernel_size)(torch.rand(shape))
    assert str(shape) in str(refusal.value)


@pytest.mark.parametrize("layer", [MaxPool, Unpool])
@pytest.mark.parametrize("kernel_size", [0, -1])
def test_a_kernel_of_nothing_is_refused(layer, kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size is {kernel_size}; it must be at least 1"):
        layer(kernel_size)


def test_printed_poolings_say_what_they_do():
    assert repr(MaxPool(3)) == "MaxPool(kernel_size=3)"
    assert repr(Unpool(3)) == "Unpool(kernel_size=3, mode=positions)"
    assert repr(Unpool(mode="repeat")) == "Unpool(kernel_size=2, mode=repeat)"


# --------------------------------------------------------------------------------------------------------- positions


def positions_of(shape: tuple[int, ...], kernel_size: int = 2) -> Positions:
    return MaxPool(kernel_size)(torch.randn(shape))[1]


@pytest.mark.parametrize(
    ("shape", "kernel_size", "n_bits"),
    [
        ((5, 3, 4, 6), 2, 3 * 2 * 3 * 2),
        ((1, 1, 28, 28), 2, 392),
        ((2, 1, 7, 5), 2, 4 * 3 * 2),  # a cell that is cut off counts as a whole one
        ((2, 1, 6, 6), 3, 4 * math.log2(9)),
        ((2, 1, 6, 6), 1, 0),
    ],
)
def test_positions_of_an_image_have_the_bits_of_its_cells(shape, kernel_size, n_bits):
    assert positions_of(shape, kernel_size).n_bits == pytest.approx(n_bits)


@every_pooling
def test_places_within_cells_count_from_0_row_by_row(shape, kernel_size):
    positions, k = positions_of(shape, kernel_size), kernel_size
    for place, index in zip(positions.within_cells().flatten(), positions.indices.flatten(), strict=True):
        row, column = divmod(int(index), shape[-1])
        assert place == row % k * k + column % k


@pytest.mark.parametrize(
    "chosen",
    [torch.tensor([2, 0, 0]), torch.tensor([True, False, True, False]), slice(1, 3), slice(0, 0)],
    ids=["order", "mask", "slice", "none"],
)
def test_positions_are_chosen_by_image(chosen):
    positions = positions_of((4, 2, 7, 6))
    some = positions[chosen]
    assert torch.equal(some.indices, positions.indices[chosen])
    assert len(some) == len(torch.arange(4)[chosen])
    assert (some.size, some.kernel_size) == ((7, 6), 2)
    assert len(positions) == 4


def test_positions_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        positions_of((1, 1, 4, 4)).size = (5, 5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@every_pooling
def test_shuffled_positions_stay_in_their_cells_and_within_the_plane(shape, kernel_size):
    positions = positions_of(shape, kernel_size)
    shuffled = positions.shuffled(generator())
    assert shuffled.indices.shape == positions.indices.shape
    assert shuffled.indices.dtype == torch.int64
    assert (shuffled.size, shuffled.kernel_size) == (positions.size, positions.kernel_size)
    assert_each_in_its_cell(shuffled)


def test_shuffled_positions_take_every_place_of_a_cell_equally_often_whatever_they_were():
    positions = MaxPool(2)(torch.zeros(50, 2, 20, 20))[1]
    before = positions.indices.clone()
    places = positions.shuffled(generator()).within_cells().flatten().bincount(minlength=4)
    assert (places / places.sum()).tolist() == pytest.approx([0.25] * 4, abs=0.02)
    assert torch.equal(positions.indices, before)


def test_shuffled_positions_are_those_of_the_generator_alone():
    positions = positions_of((2, 1, 20, 20))
    first = positions.shuffled(generator()).indices
    torch.manual_seed(1)
    assert torch.equal(positions.shuffled(generator()).indices, first)
    assert not torch.equal(positions.shuffled(generator(1)).indices, first)


# --------------------------------------------------------------------------------------------------------- unpooling


@every_pooling
def test_unpooling_by_positions_is_torchs_and_restores_the_maxima(shape, kernel_size):
    x = torch.randn(shape)
    pooled, positions = MaxPool(kernel_size)(x)
    restored = Unpool(kernel_size)(pooled, positions)
    expected = F.max_unpool2d(pooled, positions.indices, kernel_size, output_size=shape[-2:])
    assert torch.equal(restored, expected)
    is_maximum = torch.zeros(*shape[:2], shape[2] * shape[3]).scatter(2, positions.indices.flatten(2), 1).view(shape)
    assert torch.equal(restored, x * is_maximum)
    assert torch.equal(Unpool(kernel_size)(pooled, positions, size=shape[-2:]), expected)


@every_pooling
def test_unpooling_by_repeating_fills_each_cell(shape, kernel_size):
    y = MaxPool(kernel_size)(torch.randn(shape))[0]
    repeated = Unpool(kernel_size, mode="repeat")(y, size=shape[-2:])
    assert repeated.shape == shape
    for *image, row, column in np.ndindex(shape):
        assert repeated[(*image, row, column)] == y[(*image, row // kernel_size, column // kernel_size)]


def test_repeating_needs_no_size_where_the_cells_are_whole():
    y = torch.tensor([[1.0, 2], [3, 4]])[None, None]
    repeat = Unpool(2, mode="repeat")
    assert repeat(y).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]]]
    assert repeat(y, size=(3, 4)).tolist() == [[[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]]]]
    assert torch.equal(repeat(y, positions_of((1, 1, 4, 4))), repeat(y))  # which it has no use for


def test_unpooling_at_other_positions_moves_the_values_and_changes_none():
    y, positions = MaxPool(2)(1 + torch.rand(3, 2, 6, 7))
    order = torch.tensor([2, 0, 1])
    for other in (positions[order], positions.shuffled(generator())):
        unpooled = Unpool(2)(y, other)
        assert not torch.equal(unpooled, Unpool(2)(y, positions))
        assert torch.equal(MaxPool(2)(unpooled)[0], y)


@pytest.mark.parametrize(
    ("shape", "other", "kernel_size"),
    [
        ((3, 2, 6, 6), (2, 2, 6, 6), 2),
        ((3, 2, 6, 6), (3, 1, 6, 6), 2),
        ((3, 2, 6, 6), (3, 2, 6, 8), 2),
        ((3, 2, 6, 6), (3, 2, 9, 9), 3),
        ((1, 2, 6, 6), (3, 2, 6, 6), 2),
    ],
    ids=["batch", "channels", "image", "kernel", "batch of one"],
)
def test_positions_of_another_pooling_or_batch_are_refused_with_both_shapes(shape, other, kernel_size):
    y, positions = MaxPool(2)(torch.rand(shape))[0], positions_of(other, kernel_size)
    with pytest.raises(ValueError, match="positions of another pooling or batch") as refusal:
        Unpool(2)(y, positions)
    assert str(tuple(positions.indices.shape)) in str(refusal.value)
    assert str(tuple(y.shape)) in str(refusal.value)
    assert f"cells of {kernel_size}" in str(refusal.value)


def test_unpooling_by_positions_without_any_is_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"needs the positions that MaxPool recorded.* mode='repeat'"):
        Unpool(2)(torch.rand(1, 1, 2, 2))


def test_a_size_other_than_that_of_the_positions_is_refused():
    y, positions = MaxPool(2)(torch.rand(1, 1, 4, 4))
    with pytest.raises(ValueError, match=r"size is \(3, 4\); the positions were recorded on \(4, 4\)"):
        Unpool(2)(y, positions, size=(3, 4))


@pytest.mark.parametrize("mode", ["positions", "repeat"])
@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2), (1, 1, 1, 2, 2)])
def test_unpooling_refuses_what_is_no_image(mode, shape):
    with pytest.raises(ValueError, match=r"Unpool takes \(n, c, h, w\)") as refusal:
        Unpool(2, mode=mode)(torch.rand(shape), positions_of((1, 1, 4, 4)))
    assert str(shape) in str(refusal.value)


def test_an_unknown_way_of_unpooling_is_refused():
    with pytest.raises(ValueError, match="mode is 'nearest'; it must be 'positions' or 'repeat'"):
        Unpool(2, mode="nearest")


@pytest.mark.parametrize("size", [(2, 4), (4, 2), (5, 4), (4, 5), (0, 0)])
def test_a_size_that_cannot_have_been_pooled_to_these_cells_is_refused_with_those_that_can(size):
    with pytest.raises(ValueError, match=r"cannot have become \(4, 4\): .* from \(3, 3\) to \(4, 4\)") as refusal:
        Unpool(2, mode="repeat")(torch.rand(1, 1, 2, 2), size=size)
    assert str(size) in str(refusal.value)


def test_cropping_keeps_the_top_left_and_loses_less_than_a_cell():
    x = torch.arange(20.0).reshape(1, 1, 4, 5)
    assert torch.equal(crop_to(x, (4, 5), max_crop=1), x)
    assert torch.equal(crop_to(x, (2, 4), max_crop=3), x[..., :2, :4])
    for size, by in (((3, 5), 0), ((4, 3), 1), ((5, 5), 1)):
        with pytest.raises(ValueError, match=r"from \(\d, \d\) to \(4, 5\)"):
            crop_to(x, size, max_crop=by)


@pytest.mark.parametrize("mode", ["positions", "repeat"])
def test_the_gradient_flows_through_pooling_and_unpooling(mode):
    # Values far enough apart that a small step of gradcheck makes no other one the largest.
    x = (1 + torch.randperm(2 * 5 * 6, generator=generator())).double().reshape(1, 2, 5, 6).requires_grad_()

    def both(x: Tensor) -> Tensor:
        y, positions = MaxPool(2)(x)
        return Unpool(2, mode=mode)(y.square(), positions, size=(5, 6))

    assert torch.autograd.gradcheck(both, (x,))
    both(x).sum().backward()
    assert (x.grad != 0).sum() == 2 * 3 * 3  # of the maxima alone


# ----------------------------------------------------------------------------------------------------- deconvolution


@dataclass(frozen=True)
class Case:
    """Arguments of a deconvolution in one or two dimensions."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    options: dict[str, int | tuple[int, ...]]

    def of_each(self, name: str) -> tuple[int, ...]:
        value = self.options.get(name, 0 if name == "padding" else 1)
        return (value,) * (self.x.ndim - 2) if isinstance(value, int) else value

    @property
    def moves_everything_out(self) -> bool:
        """Whether padding crops more than there is between the first number and the last."""
        return any(
            p - d * (k - 1) > (n - 1) * s + 1
            for n, k, p, s, d in zip(self.x.shape[2:], self.weight.shape[2:], self.of_each("padding"),
                                     self.of_each("stride"), self.of_each("dilation"), strict=True)
        )  # fmt: skip

    def ours(self) -> Tensor:
        return deconvolution(self.x, self.weight, self.bias, **self.options)

    def torchs(self) -> Tensor:
        transpose = F.conv_transpose1d if self.x.ndim == 3 else F.conv_transpose2d
        return transpose(self.x, self.weight, self.bias, **self.options)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any sizes and options, those included that crop, and those that torch refuses."""
    n_dims = draw(st.sampled_from([1, 2]))

    def each(smallest: int, largest: int) -> tuple[int, ...]:
        return draw(st.tuples(*[st.integers(smallest, largest)] * n_dims))

    def option(smallest: int, largest: int) -> int | tuple[int, ...]:
        return draw(st.integers(smallest, largest)) if draw(st.booleans()) else each(smallest, largest)

    n, c_in, c_out, seed = (draw(st.integers(1, 3)) for _ in range(4))
    random = {"generator": generator(seed), "dtype": torch.float64}
    x = torch.randn(n, c_in, *each(1, 6), **random)
    weight = torch.randn(c_in, c_out, *each(1, 4), **random)
    bias = torch.randn(c_out, **random) if draw(st.booleans()) else None
    return Case(x, weight, bias, {"stride": option(1, 4), "padding": option(0, 7), "dilation": option(1, 3),
                                  "output_padding": option(0, 3)})  # fmt: skip


@settings(deadline=None, derandomize=True, database=None, max_examples=400)
@given(case=cases())
def test_the_deconvolution_is_torchs_and_refuses_what_torch_refuses(case):
    try:
        expected = case.torchs()
    except RuntimeError:
        with pytest.raises(ValueError, match=r"Nothing would be left|output_padding is"):
            case.ours()
    else:
        torch.testing.assert_close(case.ours(), expected)


def made(n: int, k: int, n_dims: int = 1, *, bias: bool = False, **options: int) -> Case:
    """A case of two channels to three."""
    random = {"dtype": torch.float64}
    x, weight = torch.randn(2, 2, *[n] * n_dims, **random), torch.randn(2, 3, *[k] * n_dims, **random)
    return Case(x, weight, torch.randn(3, **random) if bias else None, options)


@pytest.mark.parametrize("n_dims", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"n": 5, "k": 3, "padding": 3},
        {"n": 5, "k": 1, "padding": 2},
        {"n": 3, "k": 2, "stride": 4, "padding": 4, "output_padding": 3},
        {"n": 4, "k": 2, "dilation": 3, "padding": 4, "output_padding": 2},
    ],
    ids=str,
)
def test_padding_larger_than_the_kernel_reaches_crops_as_torchs_does(n_dims, options):
    case = made(n_dims=n_dims, bias=True, **options)
    torch.testing.assert_close(case.ours(), case.torchs())


@pytest.mark.parametrize("n_dims", [1, 2])
def test_padding_that_moves_every_number_out_leaves_zeros_or_the_bias_as_torchs_does(n_dims):
    case = made(1, 1, n_dims, bias=True, stride=6, padding=2, output_padding=5)
    assert case.moves_everything_out
    torch.testing.assert_close(case.ours(), case.torchs())


def test_a_deconvolution_by_hand():
    x, kernel = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[1.0, 10.0, 100.0]]])
    for options, expected in [
        ({}, [1, 12, 120, 200]),
        ({"stride": 2}, [1, 10, 102, 20, 200]),
        ({"stride": 3}, [1, 10, 100, 2, 20, 200]),
        ({"stride": 2, "padding": 1}, [10, 102, 20]),
        ({"stride": 2, "padding": 1, "output_padding": 1}, [10, 102, 20, 200]),
        ({"dilation": 2}, [1, 2, 10, 20, 100, 200]),
        ({"padding": 1}, [12, 120]),
    ]:
        assert deconvolution(x, kernel, **options).flatten().tolist() == expected, options
    assert deconvolution(x, kernel, torch.tensor([0.5])).flatten().tolist() == [1.5, 12.5, 120.5, 200.5]


def test_options_may_differ_between_the_dimensions():
    options = {"stride": (2, 3), "padding": (0, 4), "dilation": (3, 1), "output_padding": (2, 1)}
    case = dataclasses.replace(made(5, 3, 2), options=options)
    assert case.ours().shape == (2, 3, (5 - 1) * 2 + 3 * 2 + 2 + 1, (5 - 1) * 3 - 8 + 2 + 1 + 1)
    torch.testing.assert_close(case.ours(), case.torchs())


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(data=st.data(), n_dims=st.sampled_from([1, 2]), stride=st.integers(1, 4), dilation=st.integers(1, 3))
def test_the_deconvolution_is_the_adjoint_of_the_convolution(data, n_dims, stride, dilation):
    """⟨conv(x), y⟩ = ⟨x, deconv(y)⟩ for every x and y: its matrix is the transpose."""
    k, padding, c_in, c_out = (data.draw(st.integers(low, 3)) for low in (1, 0, 1, 1))
    smallest = max(1, dilation * (k - 1) + 1 - 2 * padding)
    sizes = data.draw(st.tuples(*[st.integers(smallest, smallest + 6)] * n_dims))
    random = {"generator": generator(data.draw(st.integers(0, 9))), "dtype": torch.float64}
    x, weight = torch.randn(2, c_in, *sizes, **random), torch.randn(c_out, c_in, *[k] * n_dims, **random)
    convolve = F.conv1d if n_dims == 1 else F.conv2d
    shared = {"stride": stride, "padding": padding, "dilation": dilation}
    there = convolve(x, weight, **shared)
    y = torch.randn(there.shape, **random)
    lost = tuple((size + 2 * padding - dilation * (k - 1) - 1) % stride for size in sizes)
    back = deconvolution(y, weight, output_padding=lost, **shared)
    assert back.shape == x.shape
    torch.testing.assert_close((there * y).sum(), (x * back).sum())


@pytest.mark.parametrize(
    "options",
    [{"n": 3, "k": 2, "stride": 2}, {"n": 2, "k": 3, "n_dims": 2, "stride": 2, "padding": 1, "output_padding": 1},
     {"n": 4, "k": 1, "padding": 1}, {"n": 5, "k": 2, "dilation": 2, "padding": 3}],
    ids=str,
)  # fmt: skip
def test_the_gradient_flows_to_the_input_the_weight_and_the_bias(options):
    case = made(bias=True, **options)
    inputs = [tensor.requires_grad_() for tensor in (case.x, case.weight, case.bias)]
    assert torch.autograd.gradcheck(lambda *inputs: deconvolution(*inputs, **case.options), inputs)


def test_a_deconvolution_of_no_image_is_none():
    case = made(4, 3, stride=2)
    assert deconvolution(case.x[:0], case.weight, stride=2).shape == (0, 3, 9)


@pytest.mark.parametrize(
    ("x", "weight", "options", "complaint"),
    [
        ((1, 2, 5), (3, 1, 3), {}, r"they are \(1, 2, 5\) and \(3, 1, 3\)"),
        ((1, 2, 5), (2, 1, 3, 3), {}, r"they are \(1, 2, 5\) and \(2, 1, 3, 3\)"),
        ((2, 5), (2, 1), {}, r"x must be \(n, c_in, length\)"),
        ((1, 2, 5, 5, 5), (2, 1, 3, 3, 3), {}, r"x must be \(n, c_in, length\)"),
        ((1, 2, 5), (2, 1, 3), {"stride": 0}, "stride is 0"),
        ((1, 2, 5), (2, 1, 3), {"dilation": 0}, "dilation is 0; .* at least 1"),
        ((1, 2, 5), (2, 1, 3), {"padding": -1}, "padding is -1; .* at least 0"),
        ((1, 2, 5), (2, 1, 3), {"output_padding": -1}, "output_padding is -1; .* at least 0"),
        ((1, 2, 5), (2, 1, 3), {"stride": (1, 1)}, r"stride is \(1, 1\); it must be 1 whole numbers"),
        ((1, 2, 5, 5), (2, 1, 3, 3), {"padding": (1, 1, 1)}, r"padding is \(1, 1, 1\); it must be 2 whole numbers"),
        ((1, 2, 5, 5), (2, 1, 3, 3), {"padding": (1, -1)}, "padding is -1"),
        ((1, 2, 5), (2, 1, 3), {"output_padding": 1}, r"output_padding is \(1,\); .* stride \(1,\) or dilation \(1,\)"),
        ((1, 2, 5), (2, 1, 3), {"output_padding": 3, "stride": 2, "dilation": 3}, "must be smaller than stride"),
        ((1, 2, 5, 5), (2, 1, 3, 3), {"output_padding": (0, 2), "stride": (3, 2)}, r"output_padding is \(0, 2\)"),
        ((1, 2, 5), (2, 1, 1), {"padding": 3}, r"Nothing would be left: padding \(3,\) .* of \(5,\)"),
        ((1, 2, 5, 1), (2, 1, 3, 3), {"padding": (0, 2)}, r"Nothing would be left: padding \(0, 2\) .* of \(5, 1\)"),
    ],
)
def test_a_deconvolution_that_cannot_be_is_refused_with_the_reason(x, weight, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        deconvolution(torch.rand(x), torch.rand(weight), **options)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_deconvolution_of_nothing_is_refused(stride):
    with pytest.raises(ValueError, match=r"length|empty|Nothing"):
        deconvolution(torch.rand(1, 1, 0), torch.rand(1, 1, 3), stride=stride)


def test_overlapping_sums_by_hand():
    x, kernel = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 10.0])
    assert overlapping_sums(x, kernel).tolist() == [1, 12, 23, 30]
    assert overlapping_sums(x, kernel, stride=2).tolist() == [1, 10, 2, 20, 3, 30]
    assert overlapping_sums(x, kernel, stride=3).tolist() == [1, 10, 0, 2, 20, 0, 3, 30]


@settings(deadline=None, derandomize=True, database=None, max_examples=60)
@given(n=st.integers(1, 7), k=st.integers(1, 5), stride=st.integers(1, 6))
def test_overlapping_sums_are_the_deconvolution(n, k, stride):
    x, kernel = torch.randn(n, dtype=torch.float64), torch.randn(k, dtype=torch.float64)
    sums = overlapping_sums(x, kernel, stride=stride)
    assert sums.shape == ((n - 1) * stride + k,)
    torch.testing.assert_close(sums, deconvolution(x[None, None], kernel[None, None], stride=stride)[0, 0])


def test_the_gradient_flows_through_overlapping_sums():
    inputs = [torch.randn(n, dtype=torch.float64).requires_grad_() for n in (4, 3)]
    assert torch.autograd.gradcheck(lambda x, kernel: overlapping_sums(x, kernel, stride=2), inputs)


@pytest.mark.parametrize(
    ("x", "kernel", "stride", "complaint"),
    [
        ((0,), (2,), 1, r"vectors, not empty; they are \(0,\), \(2,\)"),
        ((3,), (0,), 1, r"vectors, not empty; they are \(3,\), \(0,\)"),
        ((1, 3), (2,), 1, r"vectors, not empty; they are \(1, 3\), \(2,\)"),
        ((3,), (2, 2), 1, r"vectors, not empty; they are \(3,\), \(2, 2\)"),
        ((3,), (2,), 0, "stride is 0; it must be at least 1"),
    ],
)
def test_overlapping_sums_of_what_is_no_vector_are_refused(x, kernel, stride, complaint):
    with pytest.raises(ValueError, match=complaint):
        overlapping_sums(torch.rand(x), torch.rand(kernel), stride=stride)
