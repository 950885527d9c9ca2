# Answers to exercises/source/08_generation: tests/grading/exercise_answers.py says how they are read.
# ruff: noqa

# %% task: kl-per-image
# %% right: torch.distributions
def kl_nats_per_image(mu, log_variance):
    from torch.distributions import Normal, kl_divergence

    kl = kl_divergence(Normal(mu, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    return kl.sum(dim=-1).mean()


# %% right: numpy, through the standard deviation
def kl_nats_per_image(mu, log_variance):
    mu, sigma = np.asarray(mu, dtype=float), np.exp(np.asarray(log_variance, dtype=float) / 2)
    return (mu**2 / 2 + sigma**2 / 2 - np.log(sigma) - 0.5).sum() / mu.shape[0]


# %% right: a loop over images and numbers
def kl_nats_per_image(mu, log_variance):
    total = 0.0
    for image in range(len(mu)):
        for m, lv in zip(mu[image].tolist(), log_variance[image].tolist()):
            total += 0.5 * (m * m + math.exp(lv) - lv - 1)
    return total / len(mu)


# %% wrong: a number for each image
# hint: It is not one number: how many nats
def kl_nats_per_image(mu, log_variance):
    return 0.5 * (mu**2 + log_variance.exp() - log_variance - 1).sum(dim=1)


# %% wrong: a mean over everything
# hint: It is a mean over the numbers of the code
def kl_nats_per_image(mu, log_variance):
    return 0.5 * (mu**2 + log_variance.exp() - log_variance - 1).mean()


# %% wrong: a sum over everything
# hint: It is a sum over the images
def kl_nats_per_image(mu, log_variance):
    return -0.5 * torch.sum(1 + log_variance - mu.pow(2) - log_variance.exp())


# %% wrong: the sign
# hint: The sign is wrong
def kl_nats_per_image(mu, log_variance):
    return (0.5 * (1 + log_variance - mu.pow(2) - log_variance.exp())).sum(dim=1).mean()


# %% wrong: the half is forgotten
# hint: It is twice too large
def kl_nats_per_image(mu, log_variance):
    return (mu**2 + log_variance.exp() - log_variance - 1).sum(dim=1).mean()


# %% wrong: bits
# hint: These are bits
def kl_nats_per_image(mu, log_variance):
    kl = 0.5 * (mu**2 + log_variance.exp() - log_variance - 1)
    return float(kl.sum(dim=1).mean()) / math.log(2)


# %% wrong: exp gives the standard deviation
# hint: The exponential was taken for the standard deviation
def kl_nats_per_image(mu, log_variance):
    sigma = log_variance.exp()
    return (0.5 * (mu**2 + sigma**2 - torch.log(sigma**2) - 1)).sum(dim=1).mean()


# %% wrong: exp gives the standard deviation, in one place
# hint: The exponential was taken for the standard deviation
def kl_nats_per_image(mu, log_variance):
    sigma = log_variance.exp()
    return (0.5 * (mu**2 + sigma**2 - log_variance - 1)).sum(dim=1).mean()


# %% wrong: the standard deviation instead of the variance
# hint: The standard deviation stands where the variance belongs
def kl_nats_per_image(mu, log_variance):
    sigma = (0.5 * log_variance).exp()
    return (0.5 * (mu**2 + sigma - log_variance - 1)).sum(dim=1).mean()


# %% wrong: a logarithm of the logarithm
# hint: There is no number
def kl_nats_per_image(mu, log_variance):
    return (0.5 * (mu**2 + log_variance - torch.log(log_variance) - 1)).sum(dim=1).mean()


# %% wrong: the divergence the other way round
# hint: It is none of the usual slips
def kl_nats_per_image(mu, log_variance):
    from torch.distributions import Normal, kl_divergence

    return kl_divergence(Normal(0.0, 1.0), Normal(mu, (0.5 * log_variance).exp())).sum(dim=1).mean()


# %% wrong: mu is not squared
# hint: It is none of the usual slips
def kl_nats_per_image(mu, log_variance):
    return (0.5 * (mu + log_variance.exp() - log_variance - 1)).sum(dim=1).mean()


# %% task: reparametrise
# %% right: the root of the variance, numbers drawn in place
def draw_codes(mu, log_variance, generator):
    epsilon = torch.empty_like(mu, requires_grad=False).normal_(generator=generator)
    return torch.addcmul(mu, log_variance.exp().sqrt(), epsilon)


# %% right: numpy draws, seeded from the generator
def draw_codes(mu, log_variance, generator):
    seed = int(torch.randint(2**31, (1,), generator=generator))
    epsilon = torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(mu.shape))).to(mu.dtype)
    return mu + (log_variance / 2).exp() * epsilon


# %% right: a quantile function of uniform numbers
def draw_codes(mu, log_variance, generator):
    uniform = torch.rand(mu.shape, generator=generator).clamp(1e-6, 1 - 1e-6)
    return torch.distributions.Normal(mu, torch.exp(log_variance) ** 0.5).icdf(uniform)


# %% right: an image at a time
def draw_codes(mu, log_variance, generator):
    codes = []
    for m, lv in zip(mu, log_variance):
        codes.append(m + torch.exp(lv / 2) * torch.normal(0.0, 1.0, m.shape, generator=generator))
    return torch.stack(codes)


# %% wrong: no noise
# hint: The code is the mean
def draw_codes(mu, log_variance, generator):
    return mu


# %% wrong: one noise vector
# hint: All images of the batch share one noise vector
def draw_codes(mu, log_variance, generator):
    epsilon = torch.randn(mu.shape[1], generator=generator)
    return mu + torch.exp(0.5 * log_variance) * epsilon


# %% wrong: one number an image
# hint: All numbers of a code share one random number
def draw_codes(mu, log_variance, generator):
    epsilon = torch.randn((len(mu), 1), generator=generator)
    return mu + torch.exp(0.5 * log_variance) * epsilon


# %% wrong: the half is forgotten
# hint: The noise is scaled by the variance
def draw_codes(mu, log_variance, generator):
    return mu + log_variance.exp() * torch.randn(mu.shape, generator=generator)


# %% wrong: the logarithm as the scale
# hint: The codes have another standard deviation
def draw_codes(mu, log_variance, generator):
    return mu + log_variance * torch.randn(mu.shape, generator=generator)


# %% wrong: uniform noise
# hint: The codes have another standard deviation
def draw_codes(mu, log_variance, generator):
    return mu + torch.exp(0.5 * log_variance) * torch.rand(mu.shape, generator=generator)


# %% wrong: the global generator
# hint: The same seed gives other codes
def draw_codes(mu, log_variance, generator):
    return mu + torch.exp(0.5 * log_variance) * torch.randn_like(mu)


# %% wrong: rsample draws from the global generator
# hint: The same seed gives other codes
def draw_codes(mu, log_variance, generator):
    return torch.distributions.Normal(mu, (0.5 * log_variance).exp()).rsample()


# %% wrong: a seed inside
# hint: Another seed gives the same codes
def draw_codes(mu, log_variance, generator):
    generator.manual_seed(0)
    return mu + torch.exp(0.5 * log_variance) * torch.randn(mu.shape, generator=generator)


# %% wrong: the generator's first seed at every call
# hint: A second call with the same generator
def draw_codes(mu, log_variance, generator):
    torch.manual_seed(generator.initial_seed())
    return mu + torch.exp(0.5 * log_variance) * torch.randn_like(mu)


# %% wrong: torch.normal
# hint: No gradient reaches mu
def draw_codes(mu, log_variance, generator):
    return torch.normal(mu, (0.5 * log_variance).exp(), generator=generator)


# %% wrong: without gradients
# hint: No gradient reaches mu
def draw_codes(mu, log_variance, generator):
    with torch.no_grad():
        return mu + torch.exp(0.5 * log_variance) * torch.randn(mu.shape, generator=generator)


# %% wrong: a detached scale
# hint: No gradient reaches log_variance
def draw_codes(mu, log_variance, generator):
    sigma = torch.exp(0.5 * log_variance).detach()
    return mu + sigma * torch.randn(mu.shape, generator=generator)


# %% wrong: torch.normal around mu
# hint: No gradient reaches log_variance
def draw_codes(mu, log_variance, generator):
    return mu + torch.normal(torch.zeros_like(mu), (0.5 * log_variance).exp(), generator=generator)


# %% task: negative-elbo
# %% right: by the formula, image by image
def negative_elbo(x_hat, x, kl):
    cross_entropy = -(x * torch.log(x_hat) + (1 - x) * torch.log(1 - x_hat))
    return (cross_entropy.flatten(1).sum(dim=1) + kl.sum(dim=1)).mean()


# %% right: means, scaled up again
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x) * x[0].numel() + kl.mean() * kl.shape[1]


# %% right: through logits and sums
def negative_elbo(x_hat, x, kl):
    total = F.binary_cross_entropy_with_logits(torch.logit(x_hat), x, reduction="sum") + torch.sum(kl)
    return total / x.shape[0]


# %% wrong: a loss for each image
# hint: It is not one number: a loss
def negative_elbo(x_hat, x, kl):
    cross_entropy = F.binary_cross_entropy(x_hat, x, reduction="none").flatten(1).sum(dim=1)
    return cross_entropy + kl.sum(dim=1)


# %% wrong: the default reduction
# hint: The cross-entropy is a mean over the pixels
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x) + kl.sum(dim=1).mean()


# %% wrong: means of both
# hint: The cross-entropy is a mean over the pixels
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x) + kl.mean()


# %% wrong: the mean of the KL
# hint: The KL is a mean over the numbers of the code
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x, reduction="sum") / len(x) + kl.mean()


# %% wrong: sums over everything
# hint: There is a sum over the images in it
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x, reduction="sum") + kl.sum()


# %% wrong: a sum over everything, beside nats per image
# hint: There is a sum over the images in it
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x, reduction="sum") + kl.sum(dim=1).mean()


# %% wrong: the KL is subtracted, as in the bound
# hint: A sign is wrong
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x, reduction="sum") / len(x) - kl.sum(dim=1).mean()


# %% wrong: the bound itself
# hint: A sign is wrong
def negative_elbo(x_hat, x, kl):
    log_likelihood = (x * x_hat.log() + (1 - x) * (1 - x_hat).log()).sum() / len(x)
    return log_likelihood - kl.sum(dim=1).mean()


# %% wrong: white pixels alone
# hint: Black pixels cost nothing
def negative_elbo(x_hat, x, kl):
    return -(x * x_hat.log()).flatten(1).sum(dim=1).mean() + kl.sum(dim=1).mean()


# %% wrong: exchanged
# hint: Image and reconstruction are exchanged
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x, x_hat, reduction="sum") / len(x) + kl.sum(dim=1).mean()


# %% wrong: taken for logits
# hint: The reconstruction was taken for logits
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy_with_logits(x_hat, x, reduction="sum") / len(x) + kl.sum(dim=1).mean()


# %% wrong: squared error
# hint: It is none of the usual slips
def negative_elbo(x_hat, x, kl):
    return F.mse_loss(x_hat, x, reduction="sum") / len(x) + kl.sum(dim=1).mean()


# %% wrong: pixels rounded to black and white
# hint: It is none of the usual slips
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x.round(), reduction="sum") / len(x) + kl.sum(dim=1).mean()


# %% wrong: a number
# hint: The number is right, but nothing can be learnt
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x, reduction="sum").item() / len(x) + kl.sum(dim=1).mean().item()


# %% wrong: the KL is detached
# hint: The number is right, but nothing can be learnt
def negative_elbo(x_hat, x, kl):
    return F.binary_cross_entropy(x_hat, x, reduction="sum") / len(x) + kl.sum(dim=1).mean().item()


# %% task: codes-that-fit
# %% right: eigenvectors
def sample_codes(z_train, n, generator):
    mean = z_train.mean(dim=0)
    values, vectors = torch.linalg.eigh(torch.cov((z_train - mean).T))
    return mean + (torch.randn(n, len(mean), generator=generator) * values.clamp(min=0).sqrt()) @ vectors.T


# %% right: numpy, seeded from the generator
def sample_codes(z_train, n, generator):
    rng = np.random.default_rng(torch.randint(2**31, (1,), generator=generator).item())
    z = z_train.numpy()
    return rng.multivariate_normal(z.mean(axis=0), np.cov(z, rowvar=False), size=n)


# %% right: random mixtures of all training codes, no factorisation
def sample_codes(z_train, n, generator):
    centred = z_train - z_train.mean(dim=0, keepdim=True)
    weights = torch.randn((n, len(z_train)), generator=generator) / (len(z_train) - 1) ** 0.5
    return z_train.mean(dim=0) + weights @ centred


# %% right: torch.distributions, with a seed of the generator
def sample_codes(z_train, n, generator):
    gaussian = torch.distributions.MultivariateNormal(z_train.mean(dim=0), torch.cov(z_train.T))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**40, (1,), generator=generator)))
        return gaussian.sample((n,))


# %% wrong: N(0, 1)
# hint: These are codes from N(0, 1)
def sample_codes(z_train, n, generator):
    return torch.randn((n, z_train.shape[1]), generator=generator)


# %% wrong: the mean is forgotten
# hint: The new codes lie elsewhere
def sample_codes(z_train, n, generator):
    factor = torch.linalg.cholesky(z_train.T.cov())
    return torch.randn((n, z_train.shape[1]), generator=generator) @ factor.T


# %% wrong: one mean for all numbers
# hint: The new codes lie elsewhere
def sample_codes(z_train, n, generator):
    return z_train.mean() + z_train.std() * torch.randn((n, z_train.shape[1]), generator=generator)


# %% wrong: the mean alone
# hint: The centre is right, the scale
def sample_codes(z_train, n, generator):
    return z_train.mean(dim=0) + torch.randn((n, z_train.shape[1]), generator=generator)


# %% wrong: scales without covariances
# hint: Each number has its own scale
def sample_codes(z_train, n, generator):
    epsilon = torch.randn((n, z_train.shape[1]), generator=generator)
    return z_train.mean(dim=0) + z_train.std(dim=0) * epsilon


# %% wrong: times the covariance matrix
# hint: The noise was multiplied by the variances
def sample_codes(z_train, n, generator):
    epsilon = torch.randn((n, z_train.shape[1]), generator=generator)
    return z_train.mean(dim=0) + epsilon @ z_train.T.cov()


# %% wrong: times the variances
# hint: The noise was multiplied by the variances
def sample_codes(z_train, n, generator):
    epsilon = torch.randn((n, z_train.shape[1]), generator=generator)
    return z_train.mean(dim=0) + z_train.var(dim=0) * epsilon


# %% wrong: the factor is not transposed
# hint: The right matrix, from the wrong side
def sample_codes(z_train, n, generator):
    factor = torch.linalg.cholesky(z_train.T.cov())
    return z_train.mean(dim=0) + torch.randn((n, z_train.shape[1]), generator=generator) @ factor


# %% wrong: eigenvectors from the wrong side
# hint: The right matrix, from the wrong side
def sample_codes(z_train, n, generator):
    values, vectors = torch.linalg.eigh(z_train.T.cov())
    return z_train.mean(dim=0) + torch.randn((n, len(values)), generator=generator) @ (vectors * values.sqrt())


# %% wrong: not centred
# hint: The codes spread much wider
def sample_codes(z_train, n, generator):
    factor = torch.linalg.cholesky(z_train.T @ z_train / len(z_train))
    return z_train.mean(dim=0) + torch.randn((n, z_train.shape[1]), generator=generator) @ factor.T


# %% wrong: training codes
# hint: These are training codes, drawn again
def sample_codes(z_train, n, generator):
    return z_train[torch.randint(len(z_train), (n,), generator=generator)]


# %% wrong: training codes with a little noise
# hint: These are training codes, drawn again
def sample_codes(z_train, n, generator):
    chosen = z_train[torch.randint(len(z_train), (n,), generator=generator)]
    return chosen + 0.05 * torch.randn(chosen.shape, generator=generator)


# %% wrong: the correlations
# hint: The covariance is none of the usual slips
def sample_codes(z_train, n, generator):
    factor = torch.linalg.cholesky(torch.corrcoef(z_train.T))
    return z_train.mean(dim=0) + torch.randn((n, z_train.shape[1]), generator=generator) @ factor.T


# %% wrong: half-way between two training codes
# hint: The covariance is none of the usual slips
def sample_codes(z_train, n, generator):
    pairs = torch.randint(len(z_train), (2, n), generator=generator)
    return (z_train[pairs[0]] + z_train[pairs[1]]) / 2


# %% wrong: the covariance between images
# hint: There are no n codes in rows
def sample_codes(z_train, n, generator):
    seed = torch.randint(1000, (1,), generator=generator).item()
    return np.random.default_rng(seed).multivariate_normal(z_train.mean(dim=0).numpy(), np.cov(z_train.numpy()), n)


# %% wrong: the covariance between images, in torch
# hint: There are no n codes in rows
def sample_codes(z_train, n, generator):
    factor = torch.linalg.cholesky(torch.cov(z_train))
    return z_train.mean(dim=0) + torch.randn((n, z_train.shape[1]), generator=generator) @ factor.T


# %% wrong: codes in columns
# hint: There are no n codes in rows
def sample_codes(z_train, n, generator):
    factor = torch.linalg.cholesky(z_train.T.cov())
    epsilon = torch.randn((z_train.shape[1], n), generator=generator)
    return z_train.mean(dim=0)[:, None] + factor @ epsilon


# %% wrong: as many as in the training
# hint: There are no n codes in rows
def sample_codes(z_train, n, generator):
    factor = torch.linalg.cholesky(z_train.T.cov())
    return z_train.mean(dim=0) + torch.randn(z_train.shape, generator=generator) @ factor.T


# %% wrong: torch.distributions, from the global generator
# hint: The same seed gives other codes
def sample_codes(z_train, n, generator):
    return torch.distributions.MultivariateNormal(z_train.mean(dim=0), z_train.T.cov()).sample((n,))


# %% wrong: a seed inside
# hint: Another seed gives the same codes
def sample_codes(z_train, n, generator):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.multivariate_normal(z_train.mean(dim=0).numpy(), np.cov(z_train.T.numpy()), n)).float()


# %% task: plane-grid
# %% right: numpy's meshgrid
def plane_grid(z, n_rows, n_columns):
    (x0, y0), (x1, y1) = np.quantile(z.numpy(), [0.01, 0.99], axis=0)
    x, y = np.meshgrid(np.linspace(x0, x1, n_columns), np.linspace(y1, y0, n_rows))
    return np.dstack([x, y])


# %% right: two loops, quantiles by sorting
def plane_grid(z, n_rows, n_columns):
    ordered = z.sort(dim=0).values
    low, high = ordered[round(0.01 * (len(z) - 1))], ordered[round(0.99 * (len(z) - 1))]
    grid = torch.zeros(n_rows, n_columns, 2)
    for i in range(n_rows):
        for j in range(n_columns):
            grid[i, j, 0] = low[0] + (high[0] - low[0]) * j / (n_columns - 1)
            grid[i, j, 1] = high[1] - (high[1] - low[1]) * i / (n_rows - 1)
    return grid


# %% right: all pairs, turned and reshaped
def plane_grid(z, n_rows, n_columns):
    ends = torch.quantile(z.double(), torch.tensor([0.01, 0.99], dtype=torch.float64), dim=0)
    x = torch.linspace(*ends[:, 0].tolist(), n_columns)
    y = torch.linspace(*ends[:, 1].tolist(), n_rows).flip(0)
    return torch.cartesian_prod(y, x).flip(1).view(n_rows, n_columns, 2)


# %% wrong: the second number grows downwards
# hint: The second number grows downwards
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).tolist()
    x, y = torch.linspace(low[0], high[0], n_columns), torch.linspace(low[1], high[1], n_rows)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


# %% wrong: meshgrid with rows for x
# hint: The grid has another shape
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).tolist()
    x, y = torch.linspace(low[0], high[0], n_columns), torch.linspace(high[1], low[1], n_rows)
    return torch.stack(torch.meshgrid(x, y, indexing="ij"), dim=-1)


# %% wrong: meshgrid's two arrays
# hint: The grid has another shape
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).numpy()
    return np.meshgrid(np.linspace(low[0], high[0], n_columns), np.linspace(high[1], low[1], n_rows))


# %% wrong: a list of codes
# hint: The grid has another shape
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).tolist()
    x, y = torch.linspace(low[0], high[0], n_columns), torch.linspace(high[1], low[1], n_rows)
    return torch.cartesian_prod(y, x).flip(1)


# %% wrong: (second, first)
# hint: The two numbers of each code are exchanged
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).tolist()
    x, y = torch.linspace(low[0], high[0], n_columns), torch.linspace(high[1], low[1], n_rows)
    return torch.cartesian_prod(y, x).view(n_rows, n_columns, 2)


# %% wrong: the first number goes down
# hint: The first number stays the same from left to right
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).tolist()
    x, y = torch.linspace(low[0], high[0], n_rows), torch.linspace(high[1], low[1], n_columns)
    return torch.cartesian_prod(x, y).view(n_rows, n_columns, 2)


# %% wrong: both turned round
# hint: The first number falls from left to right
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).tolist()
    x, y = torch.linspace(low[0], high[0], n_columns), torch.linspace(low[1], high[1], n_rows)
    return torch.cartesian_prod(y, x).flip(1).view(n_rows, n_columns, 2).flip(0, 1)


# %% wrong: smallest and largest
# hint: One outlier stretches the map
def plane_grid(z, n_rows, n_columns):
    low, high = z.amin(dim=0).tolist(), z.amax(dim=0).tolist()
    x, y = torch.linspace(low[0], high[0], n_columns), torch.linspace(high[1], low[1], n_rows)
    return torch.cartesian_prod(y, x).flip(1).view(n_rows, n_columns, 2)


# %% wrong: two standard deviations
# hint: One outlier stretches the map
def plane_grid(z, n_rows, n_columns):
    low, high = (z.mean(dim=0) - 2 * z.std(dim=0)).tolist(), (z.mean(dim=0) + 2 * z.std(dim=0)).tolist()
    x, y = torch.linspace(low[0], high[0], n_columns), torch.linspace(high[1], low[1], n_rows)
    return torch.cartesian_prod(y, x).flip(1).view(n_rows, n_columns, 2)


# %% wrong: one pair of quantiles for both numbers
# hint: The map ends elsewhere
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99])).tolist()
    x, y = torch.linspace(low, high, n_columns), torch.linspace(high, low, n_rows)
    return torch.cartesian_prod(y, x).flip(1).view(n_rows, n_columns, 2)


# %% wrong: the last one is left out
# hint: The map ends elsewhere
def plane_grid(z, n_rows, n_columns):
    low, high = z.quantile(torch.tensor([0.01, 0.99]), dim=0).numpy()
    x = np.linspace(low[0], high[0], n_columns, endpoint=False)
    y = np.linspace(high[1], low[1], n_rows, endpoint=False)
    return torch.from_numpy(np.stack(np.meshgrid(x, y), axis=-1))


# %% wrong: quantiles all the way
# hint: The distances differ
def plane_grid(z, n_rows, n_columns):
    x = z[:, 0].quantile(torch.linspace(0.01, 0.99, n_columns))
    y = z[:, 1].quantile(torch.linspace(0.99, 0.01, n_rows))
    return torch.cartesian_prod(y, x).flip(1).view(n_rows, n_columns, 2)
