# Answers to exercises/source/07_denoising: tests/grading/exercise_answers.py says how they are read.
# ruff: noqa

# %% task: right-target
# %% right: a mean of sums
def denoising_loss(model, x, add_noise, generator):
    x_noisy = add_noise(x, generator)
    x_hat = model(x_noisy)
    return ((x_hat - x) ** 2).sum(dim=(1, 2, 3)).mean()


# %% right: image by image
def denoising_loss(model, x, add_noise, generator):
    total = 0.0
    for i in range(len(x)):
        clean = x[i : i + 1]
        total = total + (model(add_noise(clean, generator)) - clean).square().sum()
    return total / len(x)


# %% right: torch's criterion, scaled, and the noise kept out of the graph
def denoising_loss(model, x, add_noise, generator):
    criterion = nn.MSELoss()
    with torch.no_grad():
        x_noisy = add_noise(x.clone(), generator)
    return criterion(model(x_noisy), x) * x[0].numel()


# %% wrong: the noisy image is input and target
# hint: The output is compared with the noisy images
def denoising_loss(model, x, add_noise, generator):
    x = add_noise(x, generator)
    x_hat = model(x)
    return F.mse_loss(x_hat, x, reduction="sum") / len(x)


# %% wrong: clean in, noisy as the target
# hint: The net is given the clean images
def denoising_loss(model, x, add_noise, generator):
    x_noisy = add_noise(x, generator)
    return F.mse_loss(model(x), x_noisy, reduction="sum") / len(x)


# %% wrong: the noise is drawn and not used
# hint: The net is given the clean images
def denoising_loss(model, x, add_noise, generator):
    add_noise(x, generator)  # it does not change x
    return ((model(x) - x) ** 2).flatten(1).sum(dim=1).mean()


# %% wrong: noisy images are added to the images
# hint: The net is given something else
def denoising_loss(model, x, add_noise, generator):
    x_noisy = x + add_noise(x, generator)
    return ((model(x_noisy) - x) ** 2).flatten(1).sum(dim=1).mean()


# %% wrong: other noise in the target
# hint: The target has noise of its own
def denoising_loss(model, x, add_noise, generator):
    x_hat = model(add_noise(x, generator))
    return ((x_hat - add_noise(x, generator)) ** 2).flatten(1).sum(dim=1).mean()


# %% wrong: other noise in the target, target first
# hint: The target has noise of its own
def denoising_loss(model, x, add_noise, generator):
    target = add_noise(x, generator)
    return F.mse_loss(model(add_noise(x, generator)), target, reduction="sum") / len(x)


# %% wrong: a loss for each image
# hint: It is not one number
def denoising_loss(model, x, add_noise, generator):
    return ((model(add_noise(x, generator)) - x) ** 2).flatten(1).sum(dim=1)


# %% wrong: a mean over pixels
# hint: Input and target are right, the unit is not
def denoising_loss(model, x, add_noise, generator):
    return F.mse_loss(model(add_noise(x, generator)), x)


# %% wrong: a sum over the batch
# hint: Input and target are right, the unit is not
def denoising_loss(model, x, add_noise, generator):
    return ((model(add_noise(x, generator)) - x) ** 2).sum()


# %% wrong: a number without its graph
# hint: The number is right, but nothing can be learnt
def denoising_loss(model, x, add_noise, generator):
    x_hat = model(add_noise(x, generator))
    return (F.mse_loss(x_hat, x, reduction="sum") / len(x)).item()


# %% wrong: computed without gradients
# hint: The number is right, but nothing can be learnt
def denoising_loss(model, x, add_noise, generator):
    with torch.no_grad():
        x_hat = model(add_noise(x, generator))
        return ((x_hat - x) ** 2).flatten(1).sum(dim=1).mean()


# %% task: fresh-noise
# %% right: a list, the noise of an epoch at once
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    pairs = []
    for epoch in range(n_epochs):
        x_noisy = x + sd * torch.randn(x.shape, generator=generator)
        pairs += list(zip(x_noisy.split(batch_size), x.split(batch_size)))
    return pairs


# %% right: image by image, with torch.normal
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for step in range(n_epochs):
        for start in range(0, len(x), batch_size):
            clean = x[start : start + batch_size]
            noisy = [image + torch.normal(0.0, sd, image.shape, generator=generator) for image in clean]
            yield torch.stack(noisy), clean.clone()


# %% right: an iterator class, in double precision
class noisy_pairs:
    def __init__(self, x, sd, batch_size, n_epochs, generator):
        self.x, self.sd, self.generator = x, sd, generator
        starts = range(0, len(x), batch_size)
        self.slices = [slice(start, start + batch_size) for start in starts] * n_epochs

    def __len__(self):
        return len(self.slices)

    def __iter__(self):
        for part in self.slices:
            clean = self.x[part]
            noise = torch.empty(clean.shape, dtype=torch.float64).normal_(0, self.sd, generator=self.generator)
            yield (clean + noise).float(), clean


# %% right: all the noise of the training at once
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    noise = sd * torch.randn((n_epochs, *x.shape), generator=generator)
    return [
        (x[i : i + batch_size] + noise[epoch, i : i + batch_size], x[i : i + batch_size])
        for epoch in range(n_epochs)
        for i in range(0, len(x), batch_size)
    ]


# %% wrong: the noise is drawn before the training
# hint: Each image has the same noise in every epoch
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    x_noisy = x + sd * torch.randn(x.shape, generator=generator)
    for epoch in range(n_epochs):
        for start in range(0, len(x), batch_size):
            yield x_noisy[start : start + batch_size], x[start : start + batch_size]


# %% wrong: the seed is set again in every epoch
# hint: Each image has the same noise in every epoch
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        generator.manual_seed(generator.initial_seed())
        for clean in x.split(batch_size):
            yield clean + sd * torch.randn(clean.shape, generator=generator), clean


# %% wrong: the generator starts again at every batch
# hint: Every batch gets the same noise
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            generator.manual_seed(0)
            yield clean + sd * torch.randn(clean.shape, generator=generator), clean


# %% wrong: the noise of a batch is drawn once
# hint: Every batch gets the same noise
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    noise = sd * torch.randn((batch_size, *x.shape[1:]), generator=generator)
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + noise[: len(clean)], clean


# %% wrong: one noise image for the batch
# hint: One noise image is laid over all images of a batch
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + sd * torch.randn(clean.shape[1:], generator=generator), clean


# %% wrong: one number an image
# hint: All pixels of an image get the same number
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + sd * torch.randn((len(clean), 1, 1, 1), generator=generator), clean


# %% wrong: the noise is added in place
# hint: The clean images of the pairs are not clean
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            noisy = clean
            noisy += sd * torch.randn(clean.shape, generator=generator)
            yield noisy, clean


# %% wrong: a noisy target
# hint: The clean images of the pairs are not clean
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for batch in x.split(batch_size):
            batch = batch + sd * torch.randn(batch.shape, generator=generator)
            yield batch, batch


# %% wrong: the noise piles up
# hint: The noise grows from epoch to epoch
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    noisy = x
    for epoch in range(n_epochs):
        noisy = noisy + sd * torch.randn(x.shape, generator=generator)
        yield from zip(noisy.split(batch_size), x.split(batch_size))


# %% wrong: the variance for the standard deviation
# hint: The noise is not Gaussian with mean 0 and standard deviation sd
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + sd**2 * torch.randn(clean.shape, generator=generator), clean


# %% wrong: uniform numbers
# hint: The noise is not Gaussian with mean 0 and standard deviation sd
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + sd * torch.rand(clean.shape, generator=generator), clean


# %% wrong: clipped after all
# hint: The noise is not Gaussian with mean 0 and standard deviation sd
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield (clean + sd * torch.randn(clean.shape, generator=generator)).clamp(0, 1), clean


# %% wrong: from the global generator
# hint: The same seed gives other noise
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + sd * torch.randn_like(clean), clean


# %% wrong: a seed of its own
# hint: Another seed, or a second call with the same generator
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    generator = torch.Generator().manual_seed(0)
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + sd * torch.randn(clean.shape, generator=generator), clean


# %% wrong: numpy, from the generator's first seed
# hint: Another seed, or a second call with the same generator
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    rng = np.random.default_rng(generator.initial_seed())
    for epoch in range(n_epochs):
        for clean in x.split(batch_size):
            yield clean + torch.from_numpy(rng.normal(0, sd, clean.shape)).float(), clean


# %% wrong: a single epoch
# hint: The batches are not those of the task
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for start in range(0, len(x), batch_size):
        clean = x[start : start + batch_size]
        return [(clean + sd * torch.randn(clean.shape, generator=generator), clean) for epoch in range(n_epochs)]


# %% wrong: shuffled, as in most trainings
# hint: The images come in another order
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for index in torch.randperm(len(x), generator=generator).split(batch_size):
            clean = x[index]
            yield clean + sd * torch.randn(clean.shape, generator=generator), clean


# %% wrong: the smaller batch is dropped
# hint: The batches are not those of the task
def noisy_pairs(x, sd, batch_size, n_epochs, generator):
    for epoch in range(n_epochs):
        for i in range(len(x) // batch_size):
            clean = x[i * batch_size : (i + 1) * batch_size]
            yield clean + sd * torch.randn(clean.shape, generator=generator), clean


# %% task: clipped-noise
# %% right: numpy does the statistics
def clipped_noise(x, sd, generator):
    noise = torch.normal(0.0, sd, x.shape, generator=generator)
    x_noisy = torch.clip(x + noise, 0.0, 1.0)
    difference = (x_noisy - x).numpy()[x.numpy() == 0]
    return x_noisy, np.mean(difference), np.std(difference)


# %% right: sums with a mask, pixels replaced
def clipped_noise(x, sd, generator):
    x_noisy = x + sd * torch.randn(x.shape, generator=generator)
    x_noisy[x_noisy < 0] = 0
    x_noisy[x_noisy > 1] = 1
    black = (x == 0).double()
    mean = (black * (x_noisy - x)).sum() / black.sum()
    variance = (black * (x_noisy - x - mean) ** 2).sum() / black.sum()
    return x_noisy, mean, variance.sqrt()


# %% right: by theory, from integrals of the density
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    e = torch.linspace(-8 * sd, 8 * sd, 20001, dtype=torch.float64)
    p = torch.exp(-0.5 * (e / sd) ** 2)
    p = p / p.sum()
    mean = (p * e.clamp(0, 1)).sum()
    return x_noisy, float(mean), float(((p * e.clamp(0, 1) ** 2).sum() - mean**2).sqrt())


# %% wrong: not clipped
# hint: Some pixels are below 0 or above 1
def clipped_noise(x, sd, generator):
    x_noisy = x + sd * torch.randn(x.shape, generator=generator)
    noise = (x_noisy - x)[x == 0]
    return x_noisy, noise.mean().item(), noise.std().item()


# %% wrong: the noise is clipped to the range from -1 to 1
# hint: Some pixels are below 0 or above 1
def clipped_noise(x, sd, generator):
    x_noisy = x + (sd * torch.randn(x.shape, generator=generator)).clamp(-1, 1)
    noise = (x_noisy - x)[x == 0]
    return x_noisy, noise.mean().item(), noise.std().item()


# %% wrong: the result of clamp is thrown away
# hint: Some pixels are below 0 or above 1
def clipped_noise(x, sd, generator):
    x_noisy = x + sd * torch.randn(x.shape, generator=generator)
    x_noisy.clamp(0, 1)
    left = (x_noisy - x)[x == 0]
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: the noise is clipped, then the sum
# hint: No pixel ever gets darker
def clipped_noise(x, sd, generator):
    noise = (sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    x_noisy = (x + noise).clamp(max=1)
    left = (x_noisy - x)[x == 0]
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: stretched instead of clipped
# hint: Hardly a black pixel is black
def clipped_noise(x, sd, generator):
    x_noisy = x + sd * torch.randn(x.shape, generator=generator)
    x_noisy = (x_noisy - x_noisy.min()) / (x_noisy.max() - x_noisy.min())
    left = (x_noisy - x)[x == 0]
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: folded at 0
# hint: Hardly a black pixel is black
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).abs().clamp(max=1)
    left = (x_noisy - x)[x == 0]
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: the noise has the variance for a standard deviation
# hint: The noise has another strength than sd
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd**2 * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    left = (x_noisy - x)[x == 0]
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: added in place
# hint: The clean images have been changed in place
def clipped_noise(x, sd, generator):
    black = x == 0
    x += sd * torch.randn(x.shape, generator=generator)
    x.clamp_(0, 1)
    return x, x[black].mean().item(), x[black].std().item()


# %% wrong: the noise as it was drawn
# hint: These are mean 0 and sd of the noise as it was drawn
def clipped_noise(x, sd, generator):
    noise = sd * torch.randn(x.shape, generator=generator)
    x_noisy = (x + noise).clamp(0, 1)
    return x_noisy, noise[x == 0].mean().item(), noise[x == 0].std().item()


# %% wrong: what everybody knows about noise
# hint: These are mean 0 and sd of the noise as it was drawn
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    return x_noisy, 0.0, sd


# %% wrong: over all pixels
# hint: The mean is taken over all pixels
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    left = x_noisy - x
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: black in the noisy image
# hint: The pixels were chosen in the noisy images
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    left = (x_noisy - x)[x_noisy == 0]
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: a mask that is multiplied
# hint: The mean is not that over the black pixels
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    left = (x_noisy - x) * (x == 0)
    return x_noisy, left.mean().item(), left.std().item()


# %% wrong: the spread about 0
# hint: The mean is right, the spread is not
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    left = (x_noisy - x)[x == 0]
    return x_noisy, left.mean().item(), (left**2).mean().sqrt().item()


# %% wrong: a variance
# hint: The mean is right, the spread is not
def clipped_noise(x, sd, generator):
    x_noisy = (x + sd * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    left = (x_noisy - x)[x == 0]
    return x_noisy, left.mean().item(), left.var().item()


# %% task: psnr
# %% right: numpy, in double precision
def psnr_db(x_hat, x):
    error = np.asarray(x_hat, dtype=np.float64) - np.asarray(x, dtype=np.float64)
    return np.mean(10 * np.log10(1 / np.mean(error**2, axis=(1, 2, 3))))


# %% right: a loop over images
def psnr_db(x_hat, x):
    decibels = []
    for restored, clean in zip(x_hat, x):
        decibels.append(10 * torch.log10(1 / F.mse_loss(restored, clean)))
    return torch.stack(decibels).mean()


# %% right: twenty times the logarithm of the root
def psnr_db(x_hat, x):
    root = (x_hat - x).flatten(1).norm(dim=1) / x[0].numel() ** 0.5
    return 20 * float(torch.log10(1 / root).mean())


# %% wrong: the decibels of each image
# hint: It is not one number
def psnr_db(x_hat, x):
    return -10 * ((x_hat - x) ** 2).flatten(1).mean(dim=1).log10()


# %% wrong: of the mean error
# hint: This is the PSNR of the mean error
def psnr_db(x_hat, x):
    return float(10 * torch.log10(1 / F.mse_loss(x_hat, x)))


# %% wrong: the sign
# hint: The sign is wrong
def psnr_db(x_hat, x):
    mse = ((x_hat - x) ** 2).flatten(1).mean(dim=1)
    return float(10 * torch.log10(mse).mean())


# %% wrong: the natural logarithm
# hint: It is wrong by a constant factor
def psnr_db(x_hat, x):
    mse = ((x_hat - x) ** 2).flatten(1).mean(dim=1)
    return float(10 * torch.log(1 / mse).mean())


# %% wrong: twenty, without the root
# hint: It is wrong by a constant factor
def psnr_db(x_hat, x):
    mse = ((x_hat - x) ** 2).flatten(1).mean(dim=1)
    return float(20 * torch.log10(1 / mse).mean())


# %% wrong: ten, with the root
# hint: It is wrong by a constant factor
def psnr_db(x_hat, x):
    rmse = ((x_hat - x) ** 2).flatten(1).mean(dim=1).sqrt()
    return float(10 * torch.log10(1 / rmse).mean())


# %% wrong: the brightest pixel as the peak
# hint: The peak is not 1
def psnr_db(x_hat, x):
    mse = ((x_hat - x) ** 2).flatten(1).mean(dim=1)
    return float(10 * torch.log10(x.max() ** 2 / mse).mean())


# %% wrong: the brightest pixel of each image
# hint: The peak is not 1
def psnr_db(x_hat, x):
    mse = ((x_hat - x) ** 2).flatten(1).mean(dim=1)
    peak = x.flatten(1).amax(dim=1)
    return float((20 * torch.log10(peak) - 10 * torch.log10(mse)).mean())


# %% wrong: 255
# hint: The peak is not 1
def psnr_db(x_hat, x):
    mse = ((x_hat - x) ** 2).flatten(1).mean(dim=1)
    return float(10 * torch.log10(255**2 / mse).mean())


# %% wrong: the sum over the pixels
# hint: The squared error is summed over the pixels
def psnr_db(x_hat, x):
    sse = ((x_hat - x) ** 2).flatten(1).sum(dim=1)
    return float(10 * torch.log10(1 / sse).mean())


# %% wrong: absolute error
# hint: It is none of the usual slips
def psnr_db(x_hat, x):
    error = (x_hat - x).abs().flatten(1).mean(dim=1)
    return float(10 * torch.log10(1 / error).mean())


# %% wrong: the mean over the images of each pixel
# hint: It is none of the usual slips
def psnr_db(x_hat, x):
    mse = ((x_hat - x) ** 2).mean(dim=0)
    return float(10 * torch.log10(1 / mse).mean())


# %% task: validate-with-noise
# %% right: in batches, with one generator, modes kept by try and finally
def validation_sse(model, x, add_noise, seed):
    generator = torch.Generator().manual_seed(seed)
    training, total = model.training, 0.0
    model.eval()
    try:
        with torch.inference_mode():
            for clean in x.split(3):
                total += ((model(add_noise(clean, generator)) - clean) ** 2).sum().item()
    finally:
        model.train(training)
    return total / len(x)


# %% right: a copy of the model
def validation_sse(model, x, add_noise, seed):
    import copy

    judged = copy.deepcopy(model).eval()
    generator = torch.Generator()
    generator.manual_seed(seed)
    x_hat = judged(add_noise(x, generator)).detach()
    return F.mse_loss(x_hat, x, reduction="sum").item() / x.shape[0]


# %% right: numpy adds it up
def validation_sse(model, x, add_noise, seed):
    x_noisy = add_noise(x, torch.Generator().manual_seed(seed))
    before = model.training
    model.train(False)
    error = (model(x_noisy) - x).detach().numpy()
    if before:
        model.train()
    return np.mean(np.sum(error**2, axis=(1, 2, 3)))


# %% wrong: on clean images
# hint: The net is validated on clean images
def validation_sse(model, x, add_noise, seed):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        x_hat = model(x)
    model.train(was_training)
    return float(((x_hat - x) ** 2).sum() / len(x))


# %% wrong: in training mode
# hint: The net is measured in training mode
def validation_sse(model, x, add_noise, seed):
    with torch.no_grad():
        x_hat = model(add_noise(x, torch.Generator().manual_seed(seed)))
    return float(((x_hat - x) ** 2).sum() / len(x))


# %% wrong: no_grad is taken for the evaluation mode
# hint: The net is measured in training mode
def validation_sse(model, x, add_noise, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.inference_mode():
        return float(((model(add_noise(x, generator)) - x) ** 2).flatten(1).sum(dim=1).mean())


# %% wrong: new noise every time
# hint: A second validation has other noise
def validation_sse(model, x, add_noise, seed):
    was_training = model.training
    model.eval()
    generator = torch.Generator()
    generator.seed()
    with torch.no_grad():
        x_hat = model(add_noise(x, generator))
    model.train(was_training)
    return float(((x_hat - x) ** 2).sum() / len(x))


# %% wrong: one generator for all validations
# hint: A second validation has other noise
generator_of_all = torch.Generator().manual_seed(0)


def validation_sse(model, x, add_noise, seed):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        x_hat = model(add_noise(x, generator_of_all))
    model.train(was_training)
    return float(((x_hat - x) ** 2).sum() / len(x))


# %% wrong: torch.manual_seed seeds another generator
# hint: Another seed gives the same noise
def validation_sse(model, x, add_noise, seed):
    was_training = model.training
    model.eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        x_hat = model(add_noise(x, torch.Generator()))
    model.train(was_training)
    return float(((x_hat - x) ** 2).sum() / len(x))


# %% wrong: compared with the noisy images
# hint: The output is compared with the noisy images
def validation_sse(model, x, add_noise, seed):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        x = add_noise(x, torch.Generator().manual_seed(seed))
        x_hat = model(x)
    model.train(was_training)
    return float(((x_hat - x) ** 2).sum() / len(x))


# %% wrong: a mean over pixels
# hint: Noise and mode are right, the unit is not
def validation_sse(model, x, add_noise, seed):
    was_training = model.training
    model.eval()
    with torch.no_grad():
        x_hat = model(add_noise(x, torch.Generator().manual_seed(seed)))
    model.train(was_training)
    return F.mse_loss(x_hat, x).item()


# %% wrong: the mean of the batches' means
# hint: Noise and mode are right, the unit is not
def validation_sse(model, x, add_noise, seed):
    generator, was_training, means = torch.Generator().manual_seed(seed), model.training, []
    model.eval()
    with torch.no_grad():
        for clean in x.split(3):
            means.append(F.mse_loss(model(add_noise(clean, generator)), clean, reduction="sum").item() / len(clean))
    model.train(was_training)
    return sum(means) / len(means)


# %% wrong: left in evaluation mode
# hint: The net is left in evaluation mode
def validation_sse(model, x, add_noise, seed):
    model.eval()
    with torch.no_grad():
        x_hat = model(add_noise(x, torch.Generator().manual_seed(seed)))
    return float(((x_hat - x) ** 2).sum() / len(x))


# %% wrong: training mode at the end, always
# hint: A net that came in evaluation mode
def validation_sse(model, x, add_noise, seed):
    model.eval()
    with torch.no_grad():
        x_hat = model(add_noise(x, torch.Generator().manual_seed(seed)))
    model.train()
    return float(((x_hat - x) ** 2).sum() / len(x))
