import copy
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from course_utils import inference
from course_utils.data import ImageData
from course_utils.inference import decode_all, encode_all, reconstruct
from course_utils.layers import Positions, TiedLinear
from course_utils.metrics import (
    bce_nats_per_image,
    count_parameters,
    cross_entropy,
    error_percent,
    nats_per_word,
    negative_elbo,
    principal_angles_deg,
    sse_per_image,
)
from course_utils.models import (
    BinaryAutoencoder,
    Classifier,
    ConvAutoencoder,
    DeepAutoencoder,
    LinearAutoencoder,
    TextAutoencoder,
    VariationalAutoencoder,
    forward_with_code,
)
from course_utils.models.parts import activation_layer
from course_utils.training import Trainer

MAKERS = {
    "linear": lambda n, k: LinearAutoencoder(n, k),
    "linear, tied": lambda n, k: LinearAutoencoder(n, k, tied=True),
    "linear, centred": lambda n, k: LinearAutoencoder(n, k, mean=torch.rand(n)),
    "deep": lambda n, k: DeepAutoencoder((n, 11, k)),
    "deep, tied": lambda n, k: DeepAutoencoder((n, 11, 7, k), tied=True),
    "deep, linear output": lambda n, k: DeepAutoencoder((n, k), output="linear"),
    "bits": lambda n, k: BinaryAutoencoder((n, 11, k)).eval(),
    "text": lambda n, k: TextAutoencoder((n, 11, k), idf=1 + torch.rand(n)),
    "variational": lambda n, k: VariationalAutoencoder((n, 11, k)),
}
every_model = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


# ------------------------------------------------------------------------------------------------------------ shapes


@every_model
@pytest.mark.parametrize("shape", [(24,), (1, 4, 6), (3, 2, 4), (4, 6)])
def test_images_of_any_shape_come_out_in_it_through_a_flat_code(make, shape):
    model, x = make(24, 5), torch.rand(9, *shape)
    z = model.encode(x)
    assert z.shape == (9, 5)
    assert model.decode(z).shape == (9, 24)
    assert model(x).shape == x.shape
    torch.testing.assert_close(model(x).flatten(1), model.decode(z))
    torch.testing.assert_close(z, model.encode(x.flatten(1)))


@every_model
@pytest.mark.parametrize("shape", [(9, 23), (9, 1), (9, 1, 5, 5), (24,), (24, 9)])
def test_images_of_another_size_are_refused_with_both_sizes(make, shape):
    model = make(24, 5)
    for call in (model, model.encode):
        with pytest.raises(ValueError, match="24 numbers each") as refusal:
            call(torch.rand(shape))
        assert str(shape) in str(refusal.value)


@every_model
@pytest.mark.parametrize("shape", [(9, 4), (9, 1), (5,), (9, 1, 5)])
def test_codes_of_another_size_are_refused_with_both_sizes(make, shape):
    with pytest.raises(ValueError, match=r"codes of shape \(n, 5\)") as refusal:
        make(24, 5).decode(torch.rand(shape))
    assert str(shape) in str(refusal.value)


@every_model
def test_a_batch_without_images_has_no_codes(make):
    assert make(24, 5).encode(torch.rand(0, 1, 4, 6)).shape == (0, 5)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: LinearAutoencoder(0, 5), "n_features is 0"),
        (lambda: LinearAutoencoder(24, 0), "n_codes is 0"),
        (lambda: LinearAutoencoder(24, 5, mean=torch.rand(23)), "mean has 23 numbers; .* n_features = 24"),
        (lambda: DeepAutoencoder((24,)), r"sizes must name .*, not \(24,\)"),
        (lambda: DeepAutoencoder((24, 0, 5)), "at least 1"),
        (lambda: DeepAutoencoder((24, 5), mean=torch.rand(23)), "mean has 23 numbers"),
        (lambda: DeepAutoencoder((24, 5), output="relu"), "'relu'"),
        (lambda: DeepAutoencoder((24, 5), init="zero"), "'zero'"),
        (lambda: BinaryAutoencoder((24, 5), noise=-1.0), "noise is -1.0; a standard deviation is at least 0"),
        (lambda: BinaryAutoencoder((24,)), r"sizes must name .*, not \(24,\)"),
        (lambda: TextAutoencoder((24,)), r"sizes must name .*, not \(24,\)"),
        (lambda: TextAutoencoder((24, 0)), r"\(24, 0\)"),
        (lambda: TextAutoencoder((24, 5), idf=torch.rand(23)), "idf has 23 numbers; the vocabulary has 24 words"),
        (lambda: TextAutoencoder((24, 5), word_counts=torch.rand(23)), r"each of the 24 words.*\(23,\)"),
        (lambda: TextAutoencoder((24, 5), word_counts=torch.zeros(24)), "not all of them 0"),
        (lambda: VariationalAutoencoder((24,)), r"sizes must name .*, not \(24,\)"),
        (lambda: VariationalAutoencoder((24, 5)), r"sizes need a hidden layer .*, not \(24, 5\)"),
        (lambda: VariationalAutoencoder((24, 0, 5)), r"\(24, 0, 5\)"),
        (lambda: VariationalAutoencoder((24, 11, 5), mean=torch.rand(23)), "mean has 23 numbers"),
        (lambda: ConvAutoencoder((1, 2, 8), 5), "2×8 images are too small for 2 pooling.s.; give fewer channels"),
        (lambda: ConvAutoencoder((1, 8, 1), 5, channels=(2,)), "8×1 images are too small for 1 pooling"),
        (lambda: ConvAutoencoder((1, 32, 4), 5, channels=(2, 2, 2)), "32×4 images are too small for 3 pooling"),
        (lambda: ConvAutoencoder((1, 8, 8), 5, unpool="nearest"), "'nearest'; .* 'repeat', 'positions' or 'transp"),
        (lambda: ConvAutoencoder((1, 8, 8), 0), r"at least 1: image_shape \(1, 8, 8\), n_codes 0"),
        (lambda: ConvAutoencoder((0, 8, 8), 5), r"at least 1: image_shape \(0, 8, 8\), n_codes 5"),
        (lambda: ConvAutoencoder((1, 8, 8), 5, channels=(2, 0)), "Sizes must be at least 1"),
        (lambda: ConvAutoencoder((1, 8, 8), 5, channels=()), "channels is empty"),
        (lambda: ConvAutoencoder((1, 8, 8), 5, mean=torch.rand(1, 4, 4)), r"mean has shape \(1, 4, 4\); .* 1×8×8"),
        (lambda: Classifier((24,)), r"sizes must name .*, not \(24,\)"),
        (lambda: Classifier((24, 0, 5)), r"\(24, 0, 5\)"),
        (lambda: Classifier((24, 6, 5), init="zero"), "'zero'"),
        (lambda: Classifier((24, 6, 5), activation="elu"), "'elu'; it must be one of 'relu', 'gelu', 'silu'"),
        (lambda: DeepAutoencoder((24, 11, 5), activation="elu"), "activation is 'elu'"),
        (lambda: activation_layer("linear"), "activation is 'linear'"),
    ],
)
def test_a_model_that_cannot_be_built_is_refused_with_the_reason(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()


# -------------------------------------------------------------------------------------------------------- parameters

DEEP_WEIGHTS = 784 * 1000 + 1000 * 500 + 500 * 250 + 250 * 30
DEEP_BIASES = (1000 + 500 + 250 + 30) + (250 + 500 + 1000 + 784)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: LinearAutoencoder(784, 30), 2 * 784 * 30),
        (lambda: LinearAutoencoder(784, 30, tied=True), 784 * 30),
        (lambda: DeepAutoencoder((784, 1000, 500, 250, 30)), 2 * DEEP_WEIGHTS + DEEP_BIASES),
        (lambda: DeepAutoencoder((784, 1000, 500, 250, 30), tied=True), DEEP_WEIGHTS + DEEP_BIASES),
    ],
    ids=["linear", "linear, tied", "deep", "deep, tied"],
)
def test_tying_halves_the_weights_and_leaves_the_biases(make, expected):
    assert count_parameters(make()) == expected


def test_a_tied_deep_model_mirrors_each_layer_of_its_encoder():
    model = DeepAutoencoder((24, 11, 7, 5), tied=True)
    down = [layer for layer in model.encoder if isinstance(layer, nn.Linear)]
    up = [layer for layer in model.decoder if isinstance(layer, TiedLinear)]
    assert [layer.weight for layer in up] == [layer.weight for layer in reversed(down)]
    assert len(up) == 3


def test_the_code_is_linear_and_the_hidden_layers_are_relu():
    model = DeepAutoencoder((24, 11, 7, 5))
    kinds = [type(module) for module in (*model.encoder, *model.decoder)]
    down, up = [nn.Linear, nn.ReLU] * 2 + [nn.Linear], [nn.Linear, nn.ReLU] * 2 + [nn.Linear, nn.Sigmoid]
    assert kinds == down + up
    assert isinstance(DeepAutoencoder((24, 5), output="linear").decoder[-1], nn.Linear)


# ------------------------------------------------------------------------------------------------- the linear model


def test_a_linear_model_is_the_mean_plus_a_projection_at_the_start():
    mean, x = torch.rand(24), torch.rand(9, 1, 4, 6)
    for tied in (False, True):
        model = LinearAutoencoder(24, 5, mean=mean.reshape(1, 4, 6), tied=tied)
        w = model.encoder.weight
        torch.testing.assert_close(w @ w.T, torch.eye(5))  # orthonormal rows
        torch.testing.assert_close(model.encode(x), (x.flatten(1) - mean) @ w.T)
        torch.testing.assert_close(model(x).flatten(1), (x.flatten(1) - mean) @ w.T @ w + mean)
        torch.testing.assert_close(model(mean.expand(1, 24)), mean.expand(1, 24))


def test_the_mean_is_saved_with_the_weights_and_not_trained():
    model = LinearAutoencoder(24, 5, mean=torch.rand(24))
    assert torch.equal(model.state_dict()["mean"], model.mean)
    assert "mean" not in dict(model.named_parameters())


@dataclass(frozen=True)
class PCA:
    """Principal components of the training digits, by eigenvectors of their covariance: independent of any model."""

    mean: Tensor
    components: Tensor

    @classmethod
    def of(cls, images: Tensor) -> "PCA":
        x = images.flatten(1).double()
        _, vectors = torch.linalg.eigh(x.T.cov())
        return cls(x.mean(dim=0), vectors.flip(1).T)

    def sse(self, images: Tensor, n_codes: int) -> float:
        """SSE per image of the first n_codes components."""
        v, x = self.components[:n_codes], images.flatten(1).double() - self.mean
        return sse_per_image(x @ v.T @ v, x).item()


@pytest.fixture(scope="module")
def pca(digits) -> PCA:
    return PCA.of(digits.train_images)


def linear_model(digits: ImageData, *, n_epochs: int) -> LinearAutoencoder:
    torch.manual_seed(0)
    model = LinearAutoencoder(784, 10, mean=digits.train_images.mean(dim=0), tied=True)
    if n_epochs:
        Trainer(model, batch_size=100, lr=1e-2).fit(digits.train_images, n_epochs=n_epochs)
    return model


@pytest.fixture(scope="module")
def trained_linear_model(digits) -> LinearAutoencoder:
    return linear_model(digits, n_epochs=20)


def check_pcas_subspace(model: LinearAutoencoder, pca: PCA) -> None:
    """The rows of W span the space of the first ten components, to 5°."""
    assert principal_angles_deg(model.encoder.weight.T, pca.components[:10].T).max() <= 5


def check_pcas_error(model: LinearAutoencoder, pca: PCA, digits: ImageData) -> None:
    """The test error is PCA's, to 1 %."""
    sse = sse_per_image(reconstruct(model, digits.test_images), digits.test_images).item()
    assert sse == pytest.approx(pca.sse(digits.test_images, 10), rel=0.01)


def check_axes_of_its_own(weight: Tensor, pca: PCA) -> None:
    """Some row of W is more than 20° from each of the ten components."""
    rows = weight / weight.norm(dim=1, keepdim=True)
    cosines = (rows.double() @ pca.components[:10].T).abs().amax(dim=1)
    assert torch.rad2deg(torch.arccos(cosines.clamp(max=1))).max() > 20


def test_a_trained_linear_model_has_pcas_subspace_and_error(trained_linear_model, pca, digits):
    check_pcas_subspace(trained_linear_model, pca)
    check_pcas_error(trained_linear_model, pca, digits)


def test_a_trained_linear_model_has_not_pcas_axes(trained_linear_model, pca):
    check_axes_of_its_own(trained_linear_model.encoder.weight.detach(), pca)
    with pytest.raises(AssertionError):
        check_axes_of_its_own(pca.components[:10], pca)


def test_an_untrained_linear_model_is_told_from_pca(pca, digits):
    untrained = linear_model(digits, n_epochs=0)
    with pytest.raises(AssertionError):
        check_pcas_subspace(untrained, pca)
    with pytest.raises(AssertionError):
        check_pcas_error(untrained, pca, digits)


# ---------------------------------------------------------------------------------------------------- starting values

H_AND_S = (784, 1000, 500, 250, 30)


def signal_sizes(model: DeepAutoencoder, x: Tensor) -> list[float]:
    """Root mean square of the images, and of what each hidden layer down to the code makes of them."""
    sizes, h = [], x.flatten(1)
    for module in model.encoder:
        if isinstance(module, nn.Linear):
            sizes.append(h.square().mean().sqrt().item())
        h = module(h)
    return sizes


@pytest.mark.parametrize("tied", [False, True])
def test_the_he_start_keeps_the_size_of_the_signal_and_torchs_does_not(digits, tied):
    he, default = (
        signal_sizes(DeepAutoencoder(H_AND_S, tied=tied, init=init), digits.test_images) for init in ("he", "default")
    )
    assert len(he) == 4
    assert he == pytest.approx([he[0]] * 4, rel=0.3)
    assert default[-1] < 0.2 * default[0]


@pytest.mark.parametrize("output", ["sigmoid", "linear"])
def test_the_first_reconstruction_of_the_he_start_is_near_the_mean_image(digits, output):
    mean, x = digits.train_images.mean(dim=0), digits.test_images

    def distance(init: str, mean_given: Tensor | float) -> float:
        model = DeepAutoencoder(H_AND_S, mean=mean_given, output=output, init=init)
        return sse_per_image(reconstruct(model, x), mean.expand_as(x)).item()

    assert distance("he", mean) < 5  # the digits themselves are 52 from it
    assert distance("he", 0.5) > 20
    assert distance("default", mean) > 20


def test_biases_of_the_he_start_are_0_but_for_the_finite_output_bias():
    model = DeepAutoencoder((4, 11, 5), mean=torch.tensor([0.0, 0.25, 0.5, 1.0]))
    *hidden, output = [layer.bias for layer in (*model.encoder, *model.decoder) if isinstance(layer, nn.Linear)]
    assert all((bias == 0).all() for bias in hidden)
    assert torch.sigmoid(output).tolist() == pytest.approx([0.01, 0.25, 0.5, 0.99])


# ------------------------------------------------------------------------------------------------- the deep model

DEEP_BOUND = 9.5


def deep_sse(digits: ImageData, *, init: str) -> float:
    """SSE on the test digits after twelve epochs."""
    torch.manual_seed(0)
    model = DeepAutoencoder(H_AND_S, mean=digits.train_images.mean(dim=0), init=init)
    Trainer(model, batch_size=100).fit(digits.train_images, n_epochs=12)
    return sse_per_image(reconstruct(model, digits.test_images), digits.test_images).item()


@pytest.mark.slow
def test_a_deep_code_of_30_reconstructs_far_better_than_pca(digits, pca):
    assert pca.sse(digits.test_images, 30) > 13.5
    assert deep_sse(digits, init="he") <= DEEP_BOUND


@pytest.mark.slow
def test_a_deep_code_of_30_from_torchs_start_misses_the_bound(digits):
    assert deep_sse(digits, init="default") > DEEP_BOUND


# ---------------------------------------------------------------------------------------- words, bits, convolutions


def text_net() -> TextAutoencoder:
    return TextAutoencoder((30, 12, 4), idf=1 + torch.rand(30), word_counts=torch.rand(30))


def bit_net() -> BinaryAutoencoder:
    return BinaryAutoencoder((30, 12, 4), tied=True)


def conv_net(image_shape: tuple[int, int, int] = (3, 8, 12), unpool: str = "repeat") -> ConvAutoencoder:
    return ConvAutoencoder(image_shape, 4, channels=(5, 7), unpool=unpool, mean=torch.rand(image_shape))


def variational_net() -> VariationalAutoencoder:
    return VariationalAutoencoder((30, 12, 7, 4))


UNPOOLS = ["repeat", "positions", "transposed"]
every_unpool = pytest.mark.parametrize("unpool", UNPOOLS)
KINDS = {"text": (text_net, (30,)), "bits": (bit_net, (30,)), "variational": (variational_net, (30,)),
         "convolution": (conv_net, (3, 8, 12))} | {
    f"convolution, odd, {unpool}": (partial(conv_net, (3, 7, 13), unpool), (3, 7, 13)) for unpool in UNPOOLS
}  # fmt: skip
every_kind = pytest.mark.parametrize(("make", "shape"), KINDS.values(), ids=KINDS.keys())


@every_kind
def test_a_step_of_training_reaches_every_parameter(make, shape):
    model, x = make(), torch.rand(20, *shape)
    if isinstance(model, VariationalAutoencoder):
        negative_elbo()(model.forward_sampled(x), x).backward()
    else:
        (nats_per_word if isinstance(model, TextAutoencoder) else sse_per_image)(model(x), x).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


@every_kind
def test_a_state_makes_another_model_the_same_and_a_copy_is_one_of_its_own(make, shape):
    model, other, x = make().eval(), make().eval(), torch.rand(20, *shape)
    before = model(x).detach()
    assert not torch.allclose(other(x), before)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), before)
    twin = copy.deepcopy(model)
    assert torch.equal(twin(x), before)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert torch.equal(model(x), before)
    assert not torch.allclose(twin(x), before)


@every_kind
def test_a_whole_set_of_any_kind_is_the_direct_call(monkeypatch, make, shape):
    monkeypatch.setattr(inference, "BATCH_SIZE", 4)
    model, x = make().eval(), torch.rand(9, *shape)
    torch.testing.assert_close(encode_all(model, x), model.encode(x).detach())
    torch.testing.assert_close(reconstruct(model, x), model(x).detach())
    if getattr(model, "unpool", None) != "positions":  # which cannot decode a code alone
        torch.testing.assert_close(decode_all(model, model.encode(x)), model.decode(model.encode(x)).detach())


def test_what_a_text_net_says_are_logarithms_of_probabilities():
    model = text_net()
    for x in (torch.rand(20, 30), 1_000 * torch.rand(20, 30), torch.zeros(20, 30)):
        assert model(x).exp().sum(dim=1).tolist() == pytest.approx([1] * 20, abs=1e-5)
    assert model.decode(10 * torch.randn(20, 4)).exp().sum(dim=1).tolist() == pytest.approx([1] * 20, abs=1e-5)


def test_a_text_net_starts_at_the_mean_frequencies():
    counts = torch.rand(2_000).pow(8)
    frequencies, x = counts / counts.sum(), 5 * torch.rand(50, 2_000)

    def distance(mean: Tensor | None) -> float:
        """Half the sum of what the guess has too much or too little: 0 to 1."""
        model = TextAutoencoder((2_000, 100, 10), word_counts=mean)
        return ((model(x).exp() - frequencies).abs().sum(dim=1) / 2).max().item()

    assert distance(counts) < 0.2
    assert distance(None) > 0.5


def test_a_word_that_never_occurs_has_a_finite_start():
    model = TextAutoencoder((3, 2), word_counts=torch.tensor([0.0, 1.0, 3.0]))
    assert model(torch.rand(5, 3)).isfinite().all()
    assert model.decoder[0].bias.exp().tolist() == pytest.approx([1e-6, 0.25, 0.75])


def test_the_encoder_of_a_text_net_sees_weighed_words_at_one_length():
    seen, idf = [], torch.tensor([1.0, 2.0, 0.5, 3.0])
    model = TextAutoencoder((4, 3, 2), idf=idf)
    model.encoder[0].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    counts = torch.tensor([[1.0, 2, 0, 0], [0, 0, 0, 7], [500, 3, 2, 1], [0, 0, 0, 0]])
    model.encode(counts)
    weighed = (1 + counts[:3]).log() * idf
    by_hand = 2 * weighed / weighed.square().sum(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(seen[0], torch.cat([by_hand, torch.zeros(1, 4)]))


def test_the_idf_is_saved_with_the_weights_and_not_trained():
    model = TextAutoencoder((4, 2), idf=torch.arange(4).double())
    assert model.state_dict()["idf"].tolist() == [0, 1, 2, 3]
    assert model.idf.dtype == torch.float32
    assert "idf" not in dict(model.named_parameters())


def test_noise_enters_the_code_of_bits_in_training_only():
    model, x = bit_net(), torch.rand(20, 30)
    assert not torch.equal(model.encode(x), model.encode(x))
    model.eval()
    assert torch.equal(model.encode(x), model.encode(x))
    torch.testing.assert_close(model.encode(x), torch.sigmoid(model.encoder(x)))
    silent = BinaryAutoencoder((30, 12, 4), noise=0)
    torch.testing.assert_close(silent.train().encode(x), silent.eval().encode(x))


@pytest.mark.parametrize("noise", [0.5, 4.0])
def test_the_noise_of_the_bits_has_the_standard_deviation_asked_for(noise):
    model, x = BinaryAutoencoder((30, 12, 8), noise=noise).double(), torch.rand(2_000, 30, dtype=torch.float64)
    added = torch.logit(model.encode(x)) - model.encoder(x)
    assert added.std().item() == pytest.approx(noise, rel=0.03)
    assert added.mean().item() == pytest.approx(0, abs=0.04 * noise)
    assert (torch.corrcoef(added.T) - torch.eye(8)).abs().max() < 0.1


def test_bits_are_booleans_without_noise_and_decode_takes_them(monkeypatch):
    monkeypatch.setattr(inference, "BATCH_SIZE", 7)
    model, x = bit_net().train(), torch.rand(20, 30)
    bits = model.bits(x)
    assert (bits.dtype, bits.shape, bits.device.type) == (torch.bool, (20, 4), "cpu")
    assert torch.equal(bits, model.encoder(x) > 0)
    assert bits.any()
    assert not bits.all()
    assert model.training
    assert model.decode(bits.float()).shape == (20, 30)


# Whole cells at every pooling, cells cut off at some of them, and the smallest images that leave something to pool.
IMAGE_SHAPES = [(1, 28, 28), (3, 32, 32), (1, 4, 20), (3, 7, 13), (1, 9, 8), (2, 5, 31), (1, 3, 3)]


@every_unpool
@pytest.mark.parametrize("image_shape", IMAGE_SHAPES, ids=str)
@pytest.mark.parametrize("channels", [(3,), (4, 2)])
def test_images_pass_the_convolutions_in_their_shape(unpool, image_shape, channels):
    model, x = ConvAutoencoder(image_shape, 5, channels=channels, unpool=unpool), torch.rand(6, *image_shape)
    z, positions = model.encode_with_positions(x)
    assert z.shape == (6, 5)
    assert torch.equal(model.encode(x), z)
    assert model(x).shape == model.decode(z, positions).shape == x.shape
    torch.testing.assert_close(model(x), model.decode(z, positions))
    assert 0 <= model(x).min() <= model(x).max() <= 1
    assert model.encode(x[:0]).shape == (0, 5)
    assert model(x[:0]).shape == (0, *image_shape)
    if unpool != "positions":
        torch.testing.assert_close(model.decode(z), model(x))


@every_unpool
@pytest.mark.parametrize(
    ("image_shape", "channels", "sizes"),
    [
        ((1, 28, 28), (2, 3), [(28, 28), (14, 14), (7, 7)]),
        ((3, 32, 32), (2, 3, 4), [(32, 32), (16, 16), (8, 8), (4, 4)]),
        ((1, 28, 28), (2, 3, 4), [(28, 28), (14, 14), (7, 7), (4, 4)]),
        ((1, 7, 13), (2, 3), [(7, 13), (4, 7), (2, 4)]),
    ],
)
def test_sizes_are_rounded_up_on_the_way_down_and_restored_on_the_way_up(unpool, image_shape, channels, sizes):
    model, x = ConvAutoencoder(image_shape, 5, channels=channels, unpool=unpool), torch.rand(2, *image_shape)
    assert model.sizes == sizes
    seen, up = [], []
    model.to_code.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].shape))
    for layer in model.up_layers:
        layer.register_forward_pre_hook(lambda layer, inputs: up.append(tuple(inputs[0].shape[-2:])))
    _, positions = model.encode_with_positions(x)
    model(x)
    assert seen[0] == (2, channels[-1], *sizes[-1])
    assert [places.size for places in positions] == sizes[:-1]
    assert [tuple(places.indices.shape) for places in positions] == [
        (2, c, *size) for c, size in zip(channels, sizes[1:], strict=True)
    ]
    # A transposed convolution enlarges what goes in; the others see it after the unpooling.
    assert up == (sizes[:0:-1] if unpool == "transposed" else sizes[-2::-1])


def test_the_way_up_is_by_hand_what_each_mode_says():
    """One pooling, and a convolution that lets through what it is given."""
    z, x = torch.rand(2, 4), torch.rand(2, 1, 3, 4)
    for unpool in UNPOOLS:
        model = ConvAutoencoder((1, 3, 4), 4, channels=(1,), unpool=unpool)
        (conv,) = model.up_layers
        kernel = conv.weight.detach().clone()
        torch.manual_seed(1)
        with torch.no_grad():
            conv.weight.zero_()
            if unpool == "transposed":
                conv.weight.copy_(kernel)
            else:
                conv.weight[0, 0, 1, 1] = 1
        small, (places,) = model.from_code(z), model.encode_with_positions(x)[1]
        if unpool == "repeat":
            way_up = small[..., torch.arange(3)[:, None] // 2, torch.arange(4) // 2]
        elif unpool == "positions":
            way_up = nn.functional.max_unpool2d(small, places.indices, 2, output_size=(3, 4))
        else:
            way_up = nn.functional.conv_transpose2d(small, kernel, stride=2, padding=1)[..., :3, :]
        torch.testing.assert_close(model.decode(z, [places]), torch.sigmoid(way_up + model.output_bias))


def test_positions_pass_the_code_by():
    """Of one code, other positions make another image; where none are used, they make no difference."""
    x = torch.rand(2, 1, 8, 8)
    for unpool in UNPOOLS:
        model = ConvAutoencoder((1, 8, 8), 4, unpool=unpool)
        z, positions = model.encode_with_positions(x)
        others = [places.shuffled(torch.Generator().manual_seed(0)) for places in positions]
        assert torch.equal(model.decode(z, positions), model.decode(z, others)) == (unpool != "positions")


@pytest.mark.parametrize("n_positions", [None, 0, 1, 3])
def test_a_code_without_the_positions_of_each_pooling_is_refused_with_the_way_out(n_positions):
    model = conv_net(unpool="positions")
    z, positions = model.encode_with_positions(torch.rand(6, 3, 8, 12))
    given = None if n_positions is None else [*positions, positions[0]][:n_positions]
    with pytest.raises(ValueError, match=r"positions of 2 poolings \(encode_with_positions\); .* unpool='repeat' can"):
        model.decode(z, given)
    with pytest.raises(ValueError, match="positions of 2 poolings"):
        decode_all(model, z)


def positions_of(model: ConvAutoencoder, n: int) -> list[Positions]:
    return model.encode_with_positions(torch.rand(n, *model.image_shape))[1]


@pytest.mark.parametrize(
    "of_another",
    [
        lambda model: positions_of(model, 5),
        lambda model: positions_of(model, 6)[::-1],
        lambda model: positions_of(conv_net((3, 12, 8)), 6),
        lambda model: [places[:1] for places in positions_of(model, 6)],
    ],
    ids=["another batch", "wrong order", "another model", "one image"],
)
def test_positions_of_another_batch_or_model_are_refused(of_another):
    model = conv_net(unpool="positions")
    with pytest.raises(ValueError, match="positions of another pooling or batch"):
        model.decode(torch.rand(6, 4), of_another(model))


def test_positions_of_images_of_another_size_with_as_many_cells_are_refused():
    model, other = conv_net((3, 7, 7), "positions"), conv_net((3, 8, 8), "positions")
    with pytest.raises(ValueError, match="size"):
        model.decode(torch.rand(6, 4), positions_of(other, 6))


@every_unpool
@pytest.mark.parametrize(
    ("image_shape", "channels", "n_bits"),
    [
        ((1, 28, 28), (8, 16), 2 * (8 * 14 * 14 + 16 * 7 * 7)),
        ((3, 32, 32), (4,), 2 * 4 * 16 * 16),
        ((1, 7, 13), (2, 3), 2 * (2 * 4 * 7 + 3 * 2 * 4)),
    ],
)
def test_positions_have_two_bits_for_each_cell_of_each_pooling(unpool, image_shape, channels, n_bits):
    model = ConvAutoencoder(image_shape, 5, channels=channels, unpool=unpool)
    assert model.n_position_bits() == pytest.approx(n_bits)


def test_the_bits_of_positions_can_be_had_of_a_model_of_another_precision():
    assert conv_net().double().n_position_bits() == conv_net().n_position_bits()


@every_unpool
@pytest.mark.parametrize("image_shape", [(1, 28, 28), (3, 15, 17)])
def test_training_lowers_the_error_whatever_the_way_up(unpool, image_shape):
    x = smooth_images(60, image_shape)
    model = ConvAutoencoder(image_shape, 4, unpool=unpool, mean=x.mean(dim=0))
    trainer = Trainer(model, batch_size=10, lr=1e-2)
    before = trainer.evaluate(x)
    trainer.fit(x, n_epochs=12)
    assert trainer.evaluate(x) < 0.7 * before


def smooth_images(n: int, image_shape: tuple[int, int, int]) -> Tensor:
    """Images of a slope, which a few codes can hold."""
    c, h, w = image_shape
    down, right = torch.rand(2, n, c, 1, 1)
    rows, columns = torch.linspace(-1, 1, h)[:, None], torch.linspace(-1, 1, w)
    return torch.sigmoid(4 * (2 * down - 1) * rows + 4 * (2 * right - 1) * columns)


@pytest.mark.parametrize("shape", [(6, 1, 8, 8), (6, 3, 12, 8), (6, 3, 8, 13), (3, 8, 12), (6, 288)])
def test_convolutions_refuse_images_of_another_shape_with_both_shapes(shape):
    for call in (conv_net(), conv_net().encode):
        with pytest.raises(ValueError, match=r"takes \(n, \*\(3, 8, 12\)\) images") as refusal:
            call(torch.rand(shape))
        assert str(shape) in str(refusal.value)


@pytest.mark.parametrize("shape", [(6, 5), (4,), (6, 4, 1)])
def test_convolutions_refuse_codes_of_another_size_with_both_sizes(shape):
    with pytest.raises(ValueError, match=r"codes of shape \(n, 4\)") as refusal:
        conv_net().decode(torch.rand(shape))
    assert str(shape) in str(refusal.value)


@every_unpool
def test_convolutions_start_at_the_mean_image(digits, unpool):
    mean, x = digits.train_images.mean(dim=0), digits.test_images[:200]

    def distance(mean_given: Tensor | float) -> float:
        return sse_per_image(
            reconstruct(ConvAutoencoder((1, 28, 28), 30, mean=mean_given, unpool=unpool), x), mean.expand_as(x)
        ).item()

    assert distance(mean) < 5  # the digits themselves are 52 from it
    assert distance(0.5) > 20


def test_what_convolutions_see_moves_with_the_image():
    model = ConvAutoencoder((1, 16, 16), 4, channels=(6, 3))
    x = torch.zeros(1, 1, 16, 16)
    x[..., 4:8, 4:8] = torch.rand(4, 4)
    before_code = []
    model.to_code.register_forward_pre_hook(lambda layers, inputs: before_code.append(inputs[0]))
    for image in (x, x.roll((4, 4), dims=(2, 3))):
        model.encode(image)
    seen, seen_moved = before_code
    torch.testing.assert_close(seen.roll((1, 1), dims=(2, 3))[..., 1:, 1:], seen_moved[..., 1:, 1:])
    assert not torch.allclose(seen, seen_moved)


# --------------------------------------------------------------------------------------------------------- variational


def decoded_codes(model: VariationalAutoencoder, x: Tensor) -> Tensor:
    """The codes that `sampled` draws: what the decoder is given."""
    seen = []
    hook = model.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    model.forward_sampled(x)
    hook.remove()
    return seen[0]


def with_variances_of_its_own() -> VariationalAutoencoder:
    """A model whose variances differ from image to image and along the code: at the start all of them are 1."""
    model = variational_net()
    nn.init.normal_(model.to_log_variance.weight, std=0.5)
    nn.init.normal_(model.to_log_variance.bias)
    return model


@pytest.mark.parametrize("shape", [(30,), (1, 5, 6), (3, 2, 5)])
def test_sampled_images_come_in_their_shape_with_the_distribution_of_the_code(shape):
    model, x = with_variances_of_its_own(), torch.rand(9, *shape)
    sampled = model.forward_sampled(x)
    assert sampled.x_hat.shape == x.shape
    assert sampled.mean.shape == sampled.log_variance.shape == (9, 4)
    for found, expected in zip(sampled[1:], model.encode_distribution(x), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(model.encode(x), sampled.mean)
    assert not torch.equal(sampled.mean, sampled.log_variance)


def test_sampled_codes_are_random_with_the_mean_and_variance_of_each_image():
    model, x = with_variances_of_its_own(), torch.rand(2, 30)
    mean, log_variance = model.encode_distribution(x)
    n = 20_000
    z = decoded_codes(model, x.repeat_interleave(n, dim=0)).unflatten(0, (2, n))
    sd = (0.5 * log_variance).exp()
    assert ((z.mean(dim=1) - mean) / sd).abs().max() < 0.03  # four standard errors
    assert z.std(dim=1).div(sd).detach().numpy() == pytest.approx(np.ones((2, 4)), rel=0.02)
    for codes in z:
        assert (torch.corrcoef(codes.T) - torch.eye(4)).abs().max() < 0.03
    assert not torch.equal(z[0], z[1])


def test_at_the_start_the_noise_is_that_of_the_prior():
    _, log_variance = variational_net().encode_distribution(torch.rand(9, 30))
    assert torch.equal(log_variance, torch.zeros(9, 4))


def test_a_variational_model_as_an_auto_encoder_takes_the_mean_and_draws_nothing():
    model, x = with_variances_of_its_own(), torch.rand(9, 30)
    assert not torch.equal(model.forward_sampled(x).x_hat, model.forward_sampled(x).x_hat)
    for training in (True, False):
        model.train(training)
        state = torch.get_rng_state()
        assert torch.equal(model(x), model(x))
        torch.testing.assert_close(model(x), model.decode(model.encode_distribution(x)[0]))
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("part", ["to_mean", "to_log_variance", "body", "decoder"])
def test_the_error_of_a_sampled_reconstruction_alone_reaches_every_part(part):
    """The reparametrisation trick: without the divergence, too, the gradient passes through the drawn code."""
    model, x = with_variances_of_its_own(), torch.rand(20, 30)
    bce_nats_per_image(model.forward_sampled(x).x_hat, x).backward()
    for name, parameter in model.get_submodule(part).named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_the_gradient_of_a_drawn_code_is_that_of_mean_plus_sd_times_noise():
    model, x = with_variances_of_its_own().double(), torch.rand(20, 30, dtype=torch.float64)
    mean, log_variance = (of_code.detach().requires_grad_() for of_code in model.encode_distribution(x))
    torch.manual_seed(1)
    epsilon = torch.randn_like(mean)
    torch.manual_seed(1)
    model.encode_distribution = lambda x: (mean, log_variance)
    seen = []
    model.decoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model.forward_sampled(x)
    seen[0].sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones_like(mean))
    torch.testing.assert_close(log_variance.grad, 0.5 * (0.5 * log_variance).exp().detach() * epsilon)


def test_a_variational_model_starts_at_the_mean_image(digits):
    mean, x = digits.train_images.mean(dim=0), digits.test_images[:200]

    def distance(mean_given: Tensor | float) -> float:
        model = VariationalAutoencoder((784, 100, 2), mean=mean_given)
        return sse_per_image(reconstruct(model, x), mean.expand_as(x)).item()

    assert distance(mean) < 5  # the digits themselves are 52 from it
    assert distance(0.5) > 20


@every_model
def test_with_code_is_the_reconstruction_and_the_code_it_is_made_of(make):
    model, x = make(24, 5), torch.rand(9, 1, 4, 6)
    x_hat, z = forward_with_code(model, x)
    assert x_hat.shape == x.shape
    torch.testing.assert_close(x_hat, model(x))
    torch.testing.assert_close(z, model.encode(x))
    assert z.requires_grad


def test_with_code_encodes_once_so_that_both_belong_together():
    model, x = bit_net().train(), torch.rand(9, 30)  # noisy in training: encoded again, the code would be another
    x_hat, z = forward_with_code(model, x)
    torch.testing.assert_close(x_hat, model.decode(z))


# -------------------------------------------------------------------------------------------------------- classifiers


@pytest.mark.parametrize("sizes", [(24, 3), (24, 7, 3), (24, 11, 7, 5, 3)])
@pytest.mark.parametrize("shape", [(24,), (1, 4, 6), (4, 6)])
def test_a_classifier_has_a_number_for_each_class_of_images_of_any_shape(sizes, shape):
    model, x = Classifier(sizes), torch.rand(9, *shape)
    assert model.sizes == sizes
    assert model(x).shape == (9, 3)
    assert torch.equal(model(x), model(x.flatten(1)))
    assert model(x[:0]).shape == (0, 3)


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("init", ["he", "default"])
def test_a_classifier_is_its_layers_by_hand_and_gives_logits(activation, init):
    model, x = Classifier([24, 11, 7, 3], activation=activation, init=init), torch.rand(9, 24)
    linears = [layer for layer in model.body if isinstance(layer, nn.Linear)]
    h = x
    for layer in linears:
        h = getattr(torch, activation)(h @ layer.weight.T + layer.bias)
    logits = h @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(x), logits)
    assert logits.min() < 0 or logits.max() > 1  # neither probabilities nor squashed
    assert [layer.out_features for layer in (*linears, model.head)] == [11, 7, 3]


def test_the_chapters_classifier_has_as_many_parameters_as_one_counts():
    weights, biases = 784 * 1000 + 1000 * 1000 + 1000 * 500 + 500 * 10, 1000 + 1000 + 500 + 10
    assert count_parameters(Classifier((784, 1000, 1000, 500, 10))) == weights + biases


def test_a_classifier_starts_as_he_or_as_torch_does():
    sizes = (300, 400, 200, 100)
    he, default = (Classifier(sizes, init=init) for init in ("he", "default"))
    for model in (he, default):
        for layer, n_in in zip((*model.body[::2], model.head), sizes, strict=False):
            bound, std = n_in**-0.5, layer.weight.std().item()
            if model is he:
                assert std == pytest.approx((2 / n_in) ** 0.5, rel=0.03)
                assert not layer.bias.any()
            else:
                assert std == pytest.approx(bound / 3**0.5, rel=0.03)
                assert layer.weight.abs().max() <= bound
                assert layer.bias.any()


@pytest.mark.parametrize("shape", [(9, 23), (9, 1), (24,), (24, 9), (9, 2, 24)])
def test_a_classifier_refuses_images_of_another_size_with_both_sizes(shape):
    with pytest.raises(ValueError, match=r"takes \(n, …\) images with 24 numbers each") as refusal:
        Classifier((24, 7, 3))(torch.rand(shape))
    assert str(shape) in str(refusal.value)


def two_classes(n: int = 100) -> tuple[Tensor, Tensor]:
    """Images of 24 numbers, of which the first or the second half is the brighter."""
    x, labels = torch.rand(n, 2, 12), torch.randint(2, (n,))
    x[torch.arange(n), labels] *= 0.5
    return x.flatten(1), labels


def in_bytes(module: nn.Module) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in module.parameters()]


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_classifier_learns_with_its_body_or_with_the_body_frozen_by_the_head_alone(frozen, optimizer):
    model, (x, labels) = Classifier((24, 30, 20, 2)), two_classes()
    model.body.requires_grad_(not frozen)
    body, head, before = in_bytes(model.body), in_bytes(model.head), error_percent(model(x), labels)
    options = {"lr": 1e-2, "batch_size": 20, "optimizer": optimizer}
    Trainer(model, loss=cross_entropy, supervised=True, **options).fit((x, labels), n_epochs=20)
    assert error_percent(model(x), labels) < min(25, before)
    for name, then, now in (("body", body, in_bytes(model.body)), ("head", head, in_bytes(model.head))):
        same = [a == b for a, b in zip(then, now, strict=True)]
        assert same == [frozen and name == "body"] * len(same), name


ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_found_by_its_name_and_stands_after_every_hidden_layer(name):
    assert type(activation_layer(name)) is ACTIVATIONS[name]
    net = DeepAutoencoder((24, 11, 7, 5), activation=name, output="linear")
    kinds = [type(module) for part in (net.encoder, net.decoder) for module in part]
    assert kinds == 2 * [nn.Linear, ACTIVATIONS[name], nn.Linear, ACTIVATIONS[name], nn.Linear]


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "tanh"])
def test_the_start_keeps_the_signal_of_ten_layers_whatever_the_activation(name):
    torch.manual_seed(0)
    net = DeepAutoencoder((200,) * 11, activation=name)
    sizes = [h.std().item() for h in (net.encoder[:3](torch.randn(500, 200)), net.encode(torch.randn(500, 200)))]
    assert 0.1 * sizes[0] < sizes[1] < 2 * sizes[0]


# ------------------------------------------------------------------------------------------------------- default type


@every_kind
def test_a_model_computes_in_float32_whatever_torchs_default_type_is(make, shape, float64_by_default):
    model = make()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    x = torch.rand(3, *shape, dtype=torch.float32)
    assert encode_all(model, x).dtype == torch.float32
    assert torch.get_default_dtype() == torch.float64


@pytest.mark.parametrize(
    "make", [lambda: DeepAutoencoder((24, 9, 3), tied=True), lambda: Classifier((24, 9, 3)),
             lambda: LinearAutoencoder(24, 3, mean=torch.rand(24)), lambda: LinearAutoencoder(24, 3, tied=True)],
)  # fmt: skip
def test_a_dense_model_computes_in_float32_whatever_torchs_default_type_is(make, float64_by_default):
    model = make()
    assert {tensor.dtype for tensor in (*model.parameters(), *model.buffers())} == {torch.float32}
    model(torch.rand(3, 24, dtype=torch.float32))


def test_a_mean_of_another_type_is_taken():
    mean = torch.rand(24, dtype=torch.float64)
    LinearAutoencoder(24, 3, mean=mean)(torch.rand(2, 24))
    DeepAutoencoder((24, 3), mean=mean)(torch.rand(2, 24))
