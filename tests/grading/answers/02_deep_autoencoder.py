# %% task: tie-weights
# %% right: matrices of its own making, stored the other way round
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        pairs = list(zip(sizes, sizes[1:]))
        self.w = nn.ParameterList([nn.Parameter(torch.randn(n, m) / n**0.5) for n, m in pairs])
        self.b = nn.ParameterList([nn.Parameter(torch.zeros(m)) for _, m in pairs])
        self.c = nn.ParameterList([nn.Parameter(torch.zeros(n)) for n, _ in reversed(pairs)])

    def encode(self, x):
        for i, (w, b) in enumerate(zip(self.w, self.b)):
            x = x @ w + b
            if i < len(self.w) - 1:
                x = x.clamp(min=0)
        return x

    def decode(self, z):
        for w, c in zip(reversed(list(self.w)), self.c):
            z = z.relu() if w is not self.w[-1] else z
            z = z @ w.T + c
        return z.sigmoid()

    def forward(self, x):
        return self.decode(self.encode(x))


# %% right: a tied layer that refers to its counterpart
class TiedLinear(nn.Module):
    def __init__(self, counterpart):
        super().__init__()
        self.counterpart = counterpart
        self.bias = nn.Parameter(torch.zeros(counterpart.in_features))

    def forward(self, x):
        return nn.functional.linear(x, self.counterpart.weight.T, self.bias)


class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        down = [nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])]
        up = [TiedLinear(layer) for layer in reversed(down)]
        encoder = [part for layer in down for part in (layer, nn.ReLU())][:-1]
        decoder = [part for layer in up for part in (layer, nn.ReLU())][:-1]
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(*decoder, nn.Sigmoid())

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)

    def forward(self, x):
        return self.decoder(self.encoder(x))


# %% right: torch's parametrisation
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.bias = nn.ParameterDict({str(i): nn.Parameter(0.1 * torch.randn(n)) for i, n in enumerate(sizes[:-1])})

    def encode(self, x):
        for i, layer in enumerate(self.encoder):
            x = layer(torch.relu(x) if i else x)
        return x

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = torch.einsum("nm,mk->nk", z, self.encoder[i].weight) + self.bias[str(i)]
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: nn.Parameter of the transpose
# hint: The decoder has matrices of its own
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.decoder = nn.ModuleList(nn.Linear(b, a) for a, b in zip(sizes[:-1], sizes[1:]))
        for down, up in zip(self.encoder, self.decoder):
            up.weight = nn.Parameter(down.weight.t())

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for layer in reversed(self.decoder[1:]):
            z = torch.relu(layer(z))
        return torch.sigmoid(self.decoder[0](z))

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: a copy of the data
# hint: The decoder has matrices of its own
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.decoder = nn.ModuleList(nn.Linear(b, a) for a, b in zip(sizes[:-1], sizes[1:]))
        for down, up in zip(self.encoder, self.decoder):
            up.weight.data = down.weight.data.t().clone()

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for layer in reversed(self.decoder[1:]):
            z = torch.relu(layer(z))
        return torch.sigmoid(self.decoder[0](z))

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: copies in buffers
# hint: When the encoder's matrix changes
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])
        for i, layer in enumerate(self.encoder):
            self.register_buffer(f"transposed{i}", layer.weight.detach().t().clone())

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, getattr(self, f"transposed{i}"), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: .data on the way back
# hint: The decoder uses the matrix, but sends no gradient
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight.data.t(), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: buffers that share the memory
# hint: The decoder uses the matrix, but sends no gradient
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])
        for i, layer in enumerate(self.encoder):
            self.register_buffer(f"transposed{i}", layer.weight.detach().t())

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, getattr(self, f"transposed{i}"), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: transposed once, when it was built
# hint: The tie breaks when the network is moved
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])
        self.transposed = [layer.weight.t() for layer in self.encoder]

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.transposed[i], self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: the first matrix first
# hint: The shapes do not fit on the way back
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i, layer in enumerate(self.encoder):
            z = nn.functional.linear(z, layer.weight.t(), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: not transposed
# hint: The shapes do not fit on the way back
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight, self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: no biases on the way back
# hint: Biases are missing, or shared
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for layer in reversed(self.encoder[1:]):
            z = torch.relu(z @ layer.weight)
        return torch.sigmoid(z @ self.encoder[0].weight)

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: biases in a plain list
# hint: Biases are missing, or shared
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = [nn.Parameter(torch.zeros(n)) for n in sizes[:-1]]

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight.t(), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: layers in a plain list
# hint: The network does not list its matrices
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = [nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])]
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight.t(), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: the pseudo-inverse
# hint: The decoder uses an inverse
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, torch.linalg.pinv(self.encoder[i].weight), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: no sigmoid
# hint: The output of a single layer should be
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight.t(), self.biases[i])
            z = torch.relu(z) if i else z
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: no ReLU at all
# hint: Nothing bends between the layers
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.Sequential(*[nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:])])
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight.t(), self.biases[i])
        return torch.sigmoid(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: no ReLU on the way back
# hint: Nothing bends between the layers
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder[:-1]:
            x = torch.relu(layer(x))
        return self.encoder[-1](x)

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight.t(), self.biases[i])
        return torch.sigmoid(z)

    def forward(self, x):
        return self.decode(self.encode(x))


# %% wrong: a ReLU after every layer
# hint: There is an activation on the code
class TiedAutoencoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in zip(sizes[:-1], sizes[1:]))
        self.biases = nn.ParameterList([torch.zeros(n) for n in sizes[:-1]])

    def encode(self, x):
        for layer in self.encoder:
            x = torch.relu(layer(x))
        return x

    def decode(self, z):
        for i in reversed(range(len(self.encoder))):
            z = nn.functional.linear(z, self.encoder[i].weight.t(), self.biases[i])
            z = torch.relu(z) if i else torch.sigmoid(z)
        return z

    def forward(self, x):
        return self.decode(self.encode(x))


# %% task: mean-image-plateau
# %% right: variances, pixel by pixel
def diagnose(x, x_hat):
    spread = x.var(dim=0).sum()
    if x_hat.var(dim=0).sum() / spread >= 0.01:
        return "varies"
    distance = torch.dist(x.mean(dim=0), x_hat.mean(dim=0)) ** 2
    return "mean image" if distance / spread < 0.01 else "other image"


# %% right: numpy, all means over pixels
def diagnose(x, x_hat):
    x, x_hat = x.double().numpy(), x_hat.double().numpy()
    spread = np.mean((x - x.mean(axis=0)) ** 2)
    is_constant = np.mean((x_hat - x_hat.mean(axis=0)) ** 2) < spread / 100
    is_mean = np.mean((x.mean(axis=0) - x_hat.mean(axis=0)) ** 2) < spread / 100
    return ("mean image" if is_mean else "other image") if is_constant else "varies"


# %% right: loops
def diagnose(x, x_hat):
    def sse(images, image):
        return sum(float(((one - image) ** 2).sum()) for one in images) / len(images)

    spread = sse(x, x.mean(0))
    if sse(x_hat, x_hat.mean(0)) >= 0.01 * spread:
        return "varies"
    if sse([x_hat.mean(0)], x.mean(0)) < 0.01 * spread:
        return "mean image"
    return "other image"


# %% wrong: only the error is compared
# hint: A network that errs as much as the mean image
def diagnose(x, x_hat):
    spread = (x - x.mean(dim=0)).square().sum(dim=1).mean()
    error = (x - x_hat).square().sum(dim=1).mean()
    if abs(error / spread - 1) < 0.01:
        return "mean image"
    return "varies" if x_hat.var(dim=0).sum() >= 0.01 * spread else "other image"


# %% wrong: the spread of all numbers
# hint: All outputs are the mean image, and it was not noticed
def diagnose(x, x_hat):
    if x_hat.std() >= 0.1 * x.std():
        return "varies"
    distance = (x.mean(dim=0) - x_hat.mean(dim=0)).square().sum()
    return "mean image" if distance < 0.01 * x.var(dim=0).sum() else "other image"


# %% wrong: over the pixels of each image
# hint: All outputs are the mean image, and it was not noticed
def diagnose(x, x_hat):
    spread = (x - x.mean(dim=1, keepdim=True)).square().sum(dim=1).mean()
    if (x_hat - x_hat.mean(dim=1, keepdim=True)).square().sum(dim=1).mean() >= 0.01 * spread:
        return "varies"
    return "mean image" if (x.mean(dim=0) - x_hat.mean(dim=0)).square().sum() < 0.01 * spread else "other image"


# %% wrong: the mean of the outputs is looked at first
# hint: The outputs of a working network are the mean image on the average
def diagnose(x, x_hat):
    spread = x.var(dim=0).sum()
    if (x.mean(dim=0) - x_hat.mean(dim=0)).square().sum() < 0.01 * spread:
        return "mean image"
    return "varies" if x_hat.var(dim=0).sum() >= 0.01 * spread else "other image"


# %% wrong: equal to the last digit
# hint: Outputs of a stuck network are nearly the same
def diagnose(x, x_hat):
    if not torch.allclose(x_hat, x_hat[:1].expand_as(x_hat)):
        return "varies"
    return "mean image" if torch.allclose(x_hat[0], x.mean(dim=0), atol=1e-2) else "other image"


# %% wrong: any constant is the mean image
# hint: All outputs are the same, but they are not the mean image
def diagnose(x, x_hat):
    spread = x.var(dim=0).sum()
    return "varies" if x_hat.var(dim=0).sum() >= 0.01 * spread else "mean image"


# %% wrong: the outputs compared with the mean of the data
# hint: All outputs are the same, but they are not the mean image
def diagnose(x, x_hat):
    mean = x.mean(dim=0)
    spread = (x - mean).square().sum(dim=1).mean()
    if (x_hat - mean).square().sum(dim=1).mean() >= 0.01 * spread:
        return "varies"
    return "mean image" if (x_hat.mean(dim=0) - mean).square().sum() < 0.01 * spread else "other image"


# %% wrong: fixed thresholds
# hint: The diagnosis depends on the unit of the pixels
def diagnose(x, x_hat):
    if x_hat.std(dim=0).mean() > 0.01:
        return "varies"
    return "mean image" if torch.allclose(x_hat.mean(dim=0), x.mean(dim=0), atol=0.01) else "other image"


# %% task: starting-values
# %% right: torch's own functions
def set_start(net, mean):
    linear = [layer for layer in net.modules() if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    p = mean.clamp(0.01, 0.99)
    linear[-1].weight.data *= 0.1
    linear[-1].bias.data = torch.log(p / (1 - p))


# %% right: uniform weights of the same strength, new parameters
def set_start(net, mean):
    last = max(i for i, layer in enumerate(net) if hasattr(layer, "weight"))
    for i, layer in enumerate(net):
        if not hasattr(layer, "weight"):
            continue
        n_out, n_in = layer.weight.shape
        limit = (6 / n_in) ** 0.5 * (0.1 if i == last else 1)
        layer.weight = nn.Parameter((2 * torch.rand(n_out, n_in) - 1) * limit)
        layer.bias = nn.Parameter(torch.zeros(n_out))
    net[last].bias = nn.Parameter(torch.special.logit(mean, eps=0.01))


# %% right: numpy's numbers
def set_start(net, mean):
    rng = np.random.default_rng(0)
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        std = np.sqrt(2 / layer.in_features) / (10 if layer is linear[-1] else 1)
        weight = rng.normal(scale=std, size=(layer.out_features, layer.in_features))
        p = np.clip(mean.numpy(), 0.01, 0.99)
        bias = np.log(p) - np.log1p(-p) if layer is linear[-1] else np.zeros(layer.out_features)
        layer.load_state_dict({"weight": torch.tensor(weight), "bias": torch.tensor(bias)})


# %% wrong: no clamp
# hint: Some output biases are infinite
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.normal_(0, (2 / layer.in_features) ** 0.5)
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(torch.logit(mean))


# %% wrong: clamped by a hair
# hint: Some output biases are infinite
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.normal_(0, (2 / layer.in_features) ** 0.5)
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(torch.logit(mean, eps=1e-6))


# %% wrong: the mean itself
# hint: The output bias is the mean image itself
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.normal_(0, (2 / layer.in_features) ** 0.5)
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(mean.clamp(0.01, 0.99))


# %% wrong: all biases zero
# hint: Without a signal, the network's picture is not
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    linear[-1].weight.data.mul_(0.1)


# %% wrong: the logit of another base
# hint: Without a signal, the network's picture is not
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    p = mean.clamp(0.01, 0.99)
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    linear[-1].weight.data.mul_(0.1)
    linear[-1].bias.data = torch.log10(p / (1 - p))


# %% wrong: the number of outputs
# hint: The weights are scaled by the number of outputs
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.normal_(0, (2 / layer.weight.shape[0]) ** 0.5)
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: the variance for the standard deviation
# hint: The weights of some layers are too small
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.normal_(0, 2 / layer.in_features)
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: the weights stay as torch made them
# hint: The weights of some layers are too small
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: Glorot's weights
# hint: The weights of some layers are too small
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    linear[-1].weight.data.mul_(0.1)
    linear[-1].bias.data.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: not scaled at all
# hint: The weights of some layers are too large
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.normal_(linear[-1].weight, std=0.1 * (2 / linear[-1].in_features) ** 0.5)
    linear[-1].bias.data.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: one constant for all weights of a layer
# hint: All units of a layer start with the same weights
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.constant_(layer.weight, (2 / layer.in_features) ** 0.5)
        nn.init.zeros_(layer.bias)
    linear[-1].weight.data.mul_(0.1)
    linear[-1].bias.data.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: weights that are never negative
# hint: The weights of a layer are not spread around 0
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.copy_(torch.rand_like(layer.weight) * (2 / layer.in_features) ** 0.5)
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: names bound anew
# hint: The network is as it was before
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        weight, bias = layer.weight, layer.bias
        weight = torch.randn_like(weight) * (2 / layer.in_features) ** 0.5
        bias = torch.zeros_like(bias)
    weight = 0.1 * weight
    bias = torch.logit(mean.clamp(0.01, 0.99))


# %% wrong: a new network is returned
# hint: The network is as it was before
def set_start(net, mean):
    import copy

    net = copy.deepcopy(net)
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    with torch.no_grad():
        for layer in linear:
            layer.weight.normal_(0, (2 / layer.in_features) ** 0.5)
            layer.bias.zero_()
        linear[-1].weight.mul_(0.1)
        linear[-1].bias.copy_(torch.logit(mean.clamp(0.01, 0.99)))
    return net


# %% wrong: the other biases are left alone
# hint: A hidden layer has a bias that is not 0
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight)
    linear[-1].weight.data.mul_(0.1)
    linear[-1].bias.data.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: the output layer is as strong as the others
# hint: The output layer's weights are not a tenth
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    linear[-1].bias.data.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% wrong: the output layer is zero
# hint: The output layer's weights are not a tenth
def set_start(net, mean):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    nn.init.zeros_(linear[-1].weight)
    linear[-1].bias.data.copy_(torch.logit(mean.clamp(0.01, 0.99)))


# %% task: bce-floor
# %% right: torch's own cross-entropy
def bce_floor(x):
    return torch.nn.functional.binary_cross_entropy(x, x, reduction="sum") / len(x)


# %% right: numpy, only the grey pixels
def bce_floor(x):
    p = x.numpy()
    grey = p[(p > 0) & (p < 1)]
    return -np.sum(grey * np.log(grey) + (1 - grey) * np.log(1 - grey)) / len(p)


# %% right: a tiny clamp
def bce_floor(x):
    p = x.double().clamp(1e-9, 1 - 1e-9)
    return (-p * p.log() - (1 - p) * (1 - p).log()).flatten(1).sum(1).mean()


# %% right: a pixel at a time
def bce_floor(x):
    import math

    total = 0.0
    for image in x.tolist():
        for p in image:
            if 0 < p < 1:
                total -= p * math.log(p) + (1 - p) * math.log(1 - p)
    return total / len(x)


# %% wrong: as the formula stands
# hint: The result is not a number
def bce_floor(x):
    return -(x * x.log() + (1 - x) * (1 - x).log()).sum(dim=1).mean().item()


# %% wrong: a perfect reconstruction costs nothing
# hint: A perfect reconstruction does not have a cross-entropy of 0
def bce_floor(x):
    x_hat = x
    return (x - x_hat).square().sum(dim=1).mean().item()


# %% wrong: black and white
# hint: A perfect reconstruction does not have a cross-entropy of 0
def bce_floor(x):
    target = (x > 0.5).float()
    return torch.nn.functional.binary_cross_entropy(target, target, reduction="sum").item() / len(x)


# %% wrong: the sign
# hint: The sign is wrong
def bce_floor(x):
    p = x.double().clamp(1e-9, 1 - 1e-9)
    return (p * p.log() + (1 - p) * (1 - p).log()).sum(dim=1).mean().item()


# %% wrong: bits
# hint: This is in bits
def bce_floor(x):
    p = x.double().clamp(1e-9, 1 - 1e-9)
    return -(p * p.log2() + (1 - p) * (1 - p).log2()).sum(dim=1).mean().item()


# %% wrong: torch's mean
# hint: This is a mean over pixels
def bce_floor(x):
    return torch.nn.functional.binary_cross_entropy(x, x).item()


# %% wrong: the sum over all
# hint: This is the sum over all images
def bce_floor(x):
    return torch.nn.functional.binary_cross_entropy(x, x, reduction="sum").item()


# %% wrong: the entropy of one side
# hint: One of the two terms is missing
def bce_floor(x):
    return torch.special.entr(x).sum(dim=1).mean().item()


# %% wrong: with logits
# hint: The pixels went through a sigmoid once more
def bce_floor(x):
    return torch.nn.functional.binary_cross_entropy_with_logits(x, x, reduction="sum").item() / len(x)


# %% wrong: what the mean image costs
# hint: This is what the mean image costs
def bce_floor(x):
    x_hat = x.mean(dim=0).expand_as(x)
    return torch.nn.functional.binary_cross_entropy(x_hat, x, reduction="sum").item() / len(x)


# %% wrong: a clamp that is felt
# hint: Something else than a perfect reconstruction
def bce_floor(x):
    p = x.clamp(0.01, 0.99)
    return -(p * p.log() + (1 - p) * (1 - p).log()).sum(dim=1).mean().item()


# %% wrong: a black and white target
# hint: Something else than a perfect reconstruction
def bce_floor(x):
    return torch.nn.functional.binary_cross_entropy(x, x.round(), reduction="sum").item() / len(x)
