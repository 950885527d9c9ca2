"""Answers to exercise 5, right and wrong (see tests/grading/exercise_answers.py)."""


# %% task: next-stage-input
# %% right: a net of all encoders
def next_stage_data(x, stages):
    below = nn.Sequential(*(encoder for encoder, _ in stages))
    below.eval()
    return below(x).detach()


# %% right: from the last stage down
def next_stage_data(x, stages):
    if not stages:
        return x
    encoder = stages[-1][0]
    encoder.eval()
    with torch.inference_mode():
        codes = encoder(next_stage_data(x, stages[:-1]))
    return codes.clone()


# %% right: freezes the stages for good
def next_stage_data(x, stages):
    for encoder, decoder in stages:
        for module in (encoder, decoder):
            module.eval()
            for p in module.parameters():
                p.requires_grad_(False)
    z = x
    for encoder, decoder in stages:
        z = encoder(z)
    return z


# %% right: leaves the modules in the mode they were in, as a numpy array
def next_stage_data(x, stages):
    z = x
    for encoder, _ in stages:
        was_training = encoder.training
        encoder.eval()
        z = encoder(z).data
        encoder.train(was_training)
    return z.numpy()


# %% wrong: every stage sees the images
# hint: These are still the images
def next_stage_data(x, stages):
    return x.detach()


# %% wrong: stage by stage, down and up again
# hint: A decoder was applied
def next_stage_data(x, stages):
    with torch.no_grad():
        for encoder, decoder in stages:
            encoder.eval()
            decoder.eval()
            x = decoder(encoder(x))
    return x


# %% wrong: restores the images from the code
# hint: A decoder was applied
def next_stage_data(x, stages):
    with torch.no_grad():
        for encoder, _ in stages:
            x = encoder.eval()(x)
        for _, decoder in reversed(stages):
            x = decoder.eval()(x)
    return x


# %% wrong: only the last encoder
# hint: Only one of the encoders was applied
def next_stage_data(x, stages):
    if not stages:
        return x
    encoder = stages[-1][0].eval()
    with torch.no_grad():
        return encoder(x)


# %% wrong: the loop forgets what it has computed
# hint: Only one of the encoders was applied
def next_stage_data(x, stages):
    z = x
    for encoder, _ in stages:
        encoder.eval()
        z = encoder(x).detach()
    return z


# %% wrong: the last stage is the first in the list
# hint: Before the first stage there is no encoder yet
def next_stage_data(x, stages):
    with torch.no_grad():
        z = stages[0][0].eval()(x)
        for encoder, _ in stages[1:]:
            z = encoder.eval()(z)
    return z


# %% wrong: no name for the codes without a stage
# hint: Before the first stage there is no encoder yet
def next_stage_data(x, stages):
    data = x
    for encoder, _ in stages:
        codes = encoder.eval()(data).detach()
        data = codes
    return codes


# %% wrong: gradients may pass
# hint: The result still carries its graph
def next_stage_data(x, stages):
    for encoder, _ in stages:
        encoder.eval()
        x = encoder(x)
    return x


# %% wrong: a parameter is frozen by the wrong name
# hint: The result still carries its graph
def next_stage_data(x, stages):
    for encoder, _ in stages:
        encoder.eval()
        encoder.requires_grad = False
        x = encoder(x)
    return x


# %% wrong: adds the activation again, and before the layer
# hint: This is not what the encoders make of the images
def next_stage_data(x, stages):
    with torch.no_grad():
        for encoder, _ in stages:
            x = encoder.eval()(torch.sigmoid(x))
    return x


# %% wrong: no gradient, but drop-out
# hint: Drop-out is still at work
def next_stage_data(x, stages):
    with torch.no_grad():
        for encoder, _ in stages:
            x = encoder(x)
    return x


# %% wrong: frozen weights, but drop-out
# hint: Drop-out is still at work
def next_stage_data(x, stages):
    for encoder, _ in stages:
        encoder.requires_grad_(False)
        x = encoder(x)
    return x.detach()


# %% task: unroll
# %% right: a class with lists of modules
def unroll(stages):
    class DeepAutoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoders = nn.ModuleList([copy.deepcopy(encoder) for encoder, _ in stages])
            self.decoders = nn.ModuleList([copy.deepcopy(decoder) for _, decoder in stages])
            for p in self.parameters():
                p.requires_grad = True

        def forward(self, x):
            for encoder in self.encoders:
                x = encoder(x)
            for decoder in reversed(self.decoders):
                x = decoder(x)
            return x

    return DeepAutoencoder()


# %% right: from the inside out
def unroll(stages):
    net = nn.Identity()
    for encoder, decoder in reversed(stages):
        net = nn.Sequential(copy.deepcopy(encoder), net, copy.deepcopy(decoder))
    return net.train().requires_grad_()


# %% right: the weights through state dicts
def unroll(stages):
    modules = [encoder for encoder, _ in stages] + [decoder for _, decoder in stages[::-1]]
    net = nn.Sequential()
    for i, module in enumerate(modules):
        new = copy.deepcopy(module)
        for layer in new.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
        new.load_state_dict(module.state_dict())
        net.add_module(str(i), new)
    for p in net.parameters():
        p.requires_grad = True
    return net


# %% wrong: the layers stand in a plain list
# hint: parameters() of the net does not find all
def unroll(stages):
    class DeepAutoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [copy.deepcopy(e).requires_grad_(True) for e, _ in stages]
            self.layers += [copy.deepcopy(d).requires_grad_(True) for _, d in reversed(stages)]

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    return DeepAutoencoder()


# %% wrong: a function
# hint: parameters() of the net does not find all
def unroll(stages):
    stages = copy.deepcopy(stages)

    def net(x):
        for encoder, _ in stages:
            x = encoder(x)
        for _, decoder in reversed(stages):
            x = decoder(x)
        return x

    return net


# %% wrong: new layers of the same sizes
# hint: The net has the stages' sizes, but not their weights
def unroll(stages):
    layers = []
    for encoder, _ in stages:
        weight = next(encoder.parameters())
        layers += [nn.Linear(weight.shape[1], weight.shape[0]), nn.ReLU()]
    for _, decoder in reversed(stages):
        weight = next(decoder.parameters())
        layers += [nn.Linear(weight.shape[1], weight.shape[0])]
    return nn.Sequential(*layers)


# %% wrong: copies, and starts anew
# hint: The net has the stages' sizes, but not their weights
def unroll(stages):
    net = copy.deepcopy(nn.Sequential(*(e for e, _ in stages), *(d for _, d in reversed(stages))))
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    return net.requires_grad_(True)


# %% wrong: the decoders in the order of the stages
# hint: The decoders stand in the order of the stages
def unroll(stages):
    encoders, decoders = zip(*copy.deepcopy(stages))
    return nn.Sequential(*encoders, *decoders).requires_grad_(True)


# %% wrong: down and up at every stage
# hint: Every encoder is followed by its own decoder
def unroll(stages):
    layers = []
    for encoder, decoder in stages:
        layers += [copy.deepcopy(encoder), copy.deepcopy(decoder)]
    return nn.Sequential(*layers).requires_grad_(True)


# %% wrong: the linear layers, with a ReLU after each
# hint: The weights are the stages', but the net is not
def unroll(stages):
    modules = [encoder for encoder, _ in stages] + [decoder for _, decoder in reversed(stages)]
    layers = []
    for module in modules:
        for part in module.modules():
            if isinstance(part, nn.Linear):
                layers += [copy.deepcopy(part).requires_grad_(True), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


# %% wrong: a sigmoid of its own at the end
# hint: The weights are the stages', but the net is not
def unroll(stages):
    net = nn.Sequential(*(e for e, _ in stages), *(d for _, d in reversed(stages)), nn.Sigmoid())
    return copy.deepcopy(net).requires_grad_(True)


# %% wrong: the copies are still frozen
# hint: Weights of the net are still frozen
def unroll(stages):
    encoders = [copy.deepcopy(encoder) for encoder, _ in stages]
    decoders = [copy.deepcopy(decoder) for _, decoder in reversed(stages)]
    return nn.Sequential(*encoders, *decoders)


# %% wrong: net.requires_grad is a mere attribute
# hint: Weights of the net are still frozen
def unroll(stages):
    net = copy.deepcopy(nn.Sequential(*(e for e, _ in stages), *(d for _, d in reversed(stages))))
    net.requires_grad = True
    net.train()
    return net


# %% wrong: the stages' own modules
# hint: The net shares its weights with the stages
def unroll(stages):
    net = nn.Sequential(*(encoder for encoder, _ in stages), *(decoder for _, decoder in reversed(stages)))
    return net.requires_grad_(True)


# %% wrong: a copy of the containers only
# hint: The net shares its weights with the stages
def unroll(stages):
    net = nn.Sequential(*(copy.copy(e) for e, _ in stages), *(copy.copy(d) for _, d in stages[::-1]))
    for p in net.parameters():
        p.requires_grad_(True)
    return net


# %% wrong: thaws first, then copies
# hint: The net shares its weights with the stages
def unroll(stages):
    for encoder, decoder in stages:
        encoder.requires_grad_(True)
        decoder.requires_grad_(True)
    return nn.Sequential(*(copy.deepcopy(e) for e, _ in stages), *(copy.deepcopy(d) for _, d in stages[::-1]))


# %% task: masking
# %% right: a coin by bernoulli
def masked_pair(x, share, generator):
    keep = torch.bernoulli(torch.full(x.shape, 1 - share), generator=generator)
    return x * keep, x.clone()


# %% right: masked_fill with coins of 0 and 1
def masked_pair(x, share, generator):
    hide = torch.empty(x.shape).uniform_(generator=generator) < share
    return x.masked_fill(hide, 0.0), x


# %% right: image by image, just so many of each
def masked_pair(x, share, generator):
    masked = x.clone().flatten(1)
    n_hidden = round(share * masked.shape[1])
    for image in masked:
        image[torch.randperm(len(image), generator=generator)[:n_hidden]] = 0
    return masked.view_as(x), x


# %% right: where
def masked_pair(x, share, generator):
    coins = torch.rand(x.numel(), generator=generator).reshape(x.shape)
    return torch.where(coins < share, torch.zeros_like(x), x), x


# %% wrong: in place
# hint: The images themselves were changed
def masked_pair(x, share, generator):
    target = x
    x[torch.rand(x.shape, generator=generator) < share] = 0
    return x, target


# %% wrong: in place, with a copy kept as the target
# hint: The images themselves were changed
def masked_pair(x, share, generator):
    target = x.clone()
    x *= torch.rand(x.shape, generator=generator) >= share
    return x, target


# %% wrong: restores the masked images
# hint: The target has holes, too
def masked_pair(x, share, generator):
    masked = x * (torch.rand(x.shape, generator=generator) >= share)
    return masked, masked


# %% wrong: drop-out
# hint: What was not hidden is no longer what it was
def masked_pair(x, share, generator):
    torch.manual_seed(generator.initial_seed())
    return nn.functional.dropout(x, share), x


# %% wrong: scaled by hand
# hint: What was not hidden is no longer what it was
def masked_pair(x, share, generator):
    keep = torch.rand(x.shape, generator=generator) >= share
    return x * keep / (1 - share), x


# %% wrong: some of the images
# hint: Whole images are hidden
def masked_pair(x, share, generator):
    masked = x.clone()
    masked[torch.rand(len(x), generator=generator) < share] = 0
    return masked, x


# %% wrong: one mask for all images
# hint: All images have their holes at the same pixels
def masked_pair(x, share, generator):
    keep = torch.rand(x.shape[1:], generator=generator) >= share
    return x * keep, x


# %% wrong: keeps the share
# hint: The share is what is to be hidden
def masked_pair(x, share, generator):
    keep = torch.rand(x.shape, generator=generator) < share
    return x * keep, x


# %% wrong: draws places with replacement
# hint: The zeros are not spread as they should be
def masked_pair(x, share, generator):
    masked = x.clone().flatten(1)
    n_hidden = int(share * masked.shape[1])
    places = torch.randint(masked.shape[1], (len(x), n_hidden), generator=generator)
    return masked.scatter(1, places, 0.0).view_as(x), x


# %% wrong: a normal number instead of a uniform one
# hint: The zeros are not spread as they should be
def masked_pair(x, share, generator):
    keep = torch.randn(x.shape, generator=generator) > share - 0.5
    return x * keep, x


# %% wrong: the generator is not used
# hint: A generator of the same seed gives other holes
def masked_pair(x, share, generator):
    keep = torch.rand(x.shape) >= share
    return x * keep, x


# %% wrong: numpy's random numbers
# hint: A generator of the same seed gives other holes
def masked_pair(x, share, generator):
    keep = torch.from_numpy(np.random.rand(*x.shape) >= share)
    return x * keep, x


# %% wrong: a seed inside
# hint: A second call hides the same numbers
def masked_pair(x, share, generator):
    generator = torch.Generator().manual_seed(0)
    keep = torch.rand(x.shape, generator=generator) >= share
    return x * keep, x


# %% wrong: starts the generator anew
# hint: A second call hides the same numbers
def masked_pair(x, share, generator):
    generator.manual_seed(generator.initial_seed())
    return x.masked_fill(torch.rand(x.shape, generator=generator) < share, 0), x


# %% task: equal-compute
# %% right: budget by budget
def compare_starts(pretrained, random_start, n_pre, n_fine):
    control = random_start[n_pre + n_fine]
    means, halves, verdicts = [], [], []
    for ours, theirs in zip(pretrained, control):
        gains = [b - a for a, b in zip(ours, theirs)]
        n = len(gains)
        mean = sum(gains) / n
        s = (sum((g - mean) ** 2 for g in gains) / (n - 1)) ** 0.5
        half = 2 * s / n**0.5
        means.append(mean)
        halves.append(half)
        if mean - half > 0:
            verdicts.append("helps")
        elif mean + half < 0:
            verdicts.append("hurts")
        else:
            verdicts.append("open")
    return means, halves, verdicts


# %% right: in torch
def compare_starts(pretrained, random_start, n_pre, n_fine):
    gain = torch.as_tensor(random_start[n_pre + n_fine] - pretrained)
    d, h = gain.mean(dim=1), 2 * gain.std(dim=1) / gain.shape[1] ** 0.5
    return d, h, [{1: "helps", -1: "hurts", 0: "open"}[int(a > b) - int(a < -b)] for a, b in zip(d, h)]


# %% right: through the covariance of the two
def compare_starts(pretrained, random_start, n_pre, n_fine):
    control = random_start[n_pre + n_fine]
    d = control.mean(axis=1) - pretrained.mean(axis=1)
    variances = []
    for a, b in zip(control, pretrained):
        c = np.cov(a, b)
        variances.append(c[0, 0] + c[1, 1] - 2 * c[0, 1])
    h = 2 * np.sqrt(np.array(variances) / control.shape[1])
    return d, h, np.where(d > h, "helps", np.where(d < -h, "hurts", "open"))


# %% wrong: the mean over the budgets
# hint: The mean was taken over the budgets
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre + n_fine] - pretrained
    d = difference.mean(axis=0)
    h = 2 * difference.std(axis=0, ddof=1) / np.sqrt(difference.shape[0])
    return d, h, ["helps" if a > b else "hurts" if a < -b else "open" for a, b in zip(d, h)]


# %% wrong: all budgets in one
# hint: One difference for each budget
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre + n_fine] - pretrained
    d = difference.mean()
    h = 2 * difference.std(ddof=1) / np.sqrt(difference.size)
    return d, h, ["helps" if d > h else "hurts" if d < -h else "open"]


# %% wrong: the same number of steps with labels
# hint: The control has had the steps of the fine-tuning alone
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_fine] - pretrained
    d = difference.mean(axis=1)
    h = 2 * difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if a > b else "hurts" if a < -b else "open" for a, b in zip(d, h)]


# %% wrong: the other way round
# hint: The sign is the other way round
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = pretrained - random_start[n_pre + n_fine]
    d = difference.mean(axis=1)
    h = 2 * difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if a + b < 0 else "hurts" if a - b > 0 else "open" for a, b in zip(d, h)]


# %% wrong: the steps of the pre-training
# hint: The control has not had as many steps
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre] - pretrained
    d = difference.mean(axis=1)
    h = 2 * difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if a > b else "hurts" if a < -b else "open" for a, b in zip(d, h)]


# %% wrong: the longest control there is
# hint: The control has not had as many steps
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[max(random_start)] - pretrained
    d = difference.mean(axis=1)
    h = 2 * difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if a > b else "hurts" if a < -b else "open" for a, b in zip(d, h)]


# %% wrong: as if the two had other seeds
# hint: The seeds are not paired
def compare_starts(pretrained, random_start, n_pre, n_fine):
    control = random_start[n_pre + n_fine]
    n = control.shape[1]
    d = control.mean(axis=1) - pretrained.mean(axis=1)
    h = 2 * np.sqrt(control.var(axis=1, ddof=1) / n + pretrained.var(axis=1, ddof=1) / n)
    return d, h, ["helps" if a > b else "hurts" if a < -b else "open" for a, b in zip(d, h)]


# %% wrong: the spread of the seeds
# hint: That is how much one seed differs from another
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre + n_fine] - pretrained
    d, h = difference.mean(axis=1), 2 * difference.std(axis=1, ddof=1)
    return d, h, ["helps" if a > b else "hurts" if a < -b else "open" for a, b in zip(d, h)]


# %% wrong: numpy's default spread
# hint: The half-width is not that of the definition
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre + n_fine] - pretrained
    d, h = difference.mean(axis=1), 2 * difference.std(axis=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if a > b else "hurts" if a < -b else "open" for a, b in zip(d, h)]


# %% wrong: by the sign alone
# hint: A verdict was given by the sign alone
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre + n_fine] - pretrained
    d = difference.mean(axis=1)
    h = 2 * difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if a > 0 else "hurts" for a in d]


# %% wrong: it never hurts
# hint: The verdicts do not follow from the intervals
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre + n_fine] - pretrained
    d = difference.mean(axis=1)
    h = 2 * difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if a > b else "open" for a, b in zip(d, h)]


# %% wrong: significant whichever way
# hint: The verdicts do not follow from the intervals
def compare_starts(pretrained, random_start, n_pre, n_fine):
    difference = random_start[n_pre + n_fine] - pretrained
    d = difference.mean(axis=1)
    h = 2 * difference.std(axis=1, ddof=1) / np.sqrt(difference.shape[1])
    return d, h, ["helps" if abs(a) > b else "open" for a, b in zip(d, h)]


# %% task: only-labelled
# %% right: all images in random order, sorted by class
def choose_images(labels, is_test, n_per_class, generator):
    order = torch.randperm(len(labels), generator=generator)
    order = order[~is_test[order]]
    chosen = [order[labels[order] == c][:n_per_class] for c in labels.unique()]
    return order, torch.cat(chosen)


# %% right: counts while going through
def choose_images(labels, is_test, n_per_class, generator):
    count, chosen = {}, []
    for i in torch.randperm(len(labels), generator=generator).tolist():
        c = labels[i].item()
        if not is_test[i] and count.get(c, 0) < n_per_class:
            chosen.append(i)
            count[c] = count.get(c, 0) + 1
    return [i for i in range(len(labels)) if not is_test[i]], chosen


# %% right: numpy, and a seed from the generator
def choose_images(labels, is_test, n_per_class, generator):
    rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
    y, train = labels.numpy(), np.flatnonzero(~is_test.numpy())
    chosen = [rng.choice(train[y[train] == c], n_per_class, replace=False) for c in np.unique(y)]
    return train, np.concatenate(chosen)


# %% right: a lot for each image
def choose_images(labels, is_test, n_per_class, generator):
    lots = torch.rand(len(labels), generator=generator)
    lots[is_test] = 2
    chosen = []
    for c in set(labels.tolist()):
        lots_of_class = torch.where(labels == c, lots, torch.tensor(3.0))
        chosen.append(lots_of_class.topk(n_per_class, largest=False).indices)
    return torch.arange(len(labels))[~is_test], torch.cat(chosen)


# %% wrong: everything in the folder
# hint: Images of the test are among those for pre-training
def choose_images(labels, is_test, n_per_class, generator):
    everything = torch.arange(len(labels))
    chosen = []
    for c in labels.unique():
        of_class = everything[(labels == c) & ~is_test]
        chosen.append(of_class[torch.randperm(len(of_class), generator=generator)[:n_per_class]])
    return everything, torch.cat(chosen)


# %% wrong: forgets the test altogether
# hint: Images of the test are used for fine-tuning
def choose_images(labels, is_test, n_per_class, generator):
    chosen = []
    for c in labels.unique():
        of_class = (labels == c).nonzero().flatten()
        chosen.append(of_class[torch.randperm(len(of_class), generator=generator)[:n_per_class]])
    return (~is_test).nonzero().flatten(), torch.cat(chosen)


# %% wrong: places among the training images instead of among all
# hint: Images of the test are used for fine-tuning
def choose_images(labels, is_test, n_per_class, generator):
    train = (~is_test).nonzero().flatten()
    y, chosen = labels[train], []
    for c in y.unique():
        of_class = (y == c).nonzero().flatten()
        chosen.append(of_class[torch.randperm(len(of_class), generator=generator)[:n_per_class]])
    return train, torch.cat(chosen)


# %% wrong: both on the labelled ones
# hint: Pre-training got the labelled images alone
def choose_images(labels, is_test, n_per_class, generator):
    chosen = []
    for c in labels.unique():
        of_class = ((labels == c) & ~is_test).nonzero().flatten()
        chosen.append(of_class[torch.randperm(len(of_class), generator=generator)[:n_per_class]])
    return torch.cat(chosen), torch.cat(chosen)


# %% wrong: only the unlabelled ones
# hint: The labelled images are left out of the pre-training
def choose_images(labels, is_test, n_per_class, generator):
    chosen = []
    for c in labels.unique():
        of_class = ((labels == c) & ~is_test).nonzero().flatten()
        chosen.append(of_class[torch.randperm(len(of_class), generator=generator)[:n_per_class]])
    chosen = torch.cat(chosen)
    rest = ~is_test
    rest[chosen] = False
    return rest.nonzero().flatten(), chosen


# %% wrong: as many for pre-training as the smallest class allows
# hint: Pre-training should get each image once
def choose_images(labels, is_test, n_per_class, generator):
    chosen, balanced = [], []
    smallest = min(int(((labels == c) & ~is_test).sum()) for c in labels.unique())
    for c in labels.unique():
        of_class = ((labels == c) & ~is_test).nonzero().flatten()
        of_class = of_class[torch.randperm(len(of_class), generator=generator)]
        chosen.append(of_class[:n_per_class])
        balanced.append(of_class[:smallest])
    return torch.cat(balanced), torch.cat(chosen)


# %% wrong: with replacement
# hint: Some image is there twice
def choose_images(labels, is_test, n_per_class, generator):
    train = (~is_test).nonzero().flatten()
    chosen = []
    for c in labels.unique():
        of_class = train[labels[train] == c]
        chosen.append(of_class[torch.randint(len(of_class), (n_per_class,), generator=generator)])
    return train, torch.cat(chosen)


# %% wrong: from all classes at once
# hint: The classes do not have equally many labels
def choose_images(labels, is_test, n_per_class, generator):
    train = (~is_test).nonzero().flatten()
    n_labelled = n_per_class * len(labels.unique())
    return train, train[torch.randperm(len(train), generator=generator)[:n_labelled]]


# %% wrong: the classes are thought to be 0, 1, 2 …
# hint: The classes do not have equally many labels
def choose_images(labels, is_test, n_per_class, generator):
    train = (~is_test).nonzero().flatten()
    chosen = []
    for c in range(len(labels.unique())):
        of_class = train[labels[train] == c]
        chosen.append(of_class[torch.randperm(len(of_class), generator=generator)[:n_per_class]])
    return train, torch.cat(chosen)


# %% wrong: the first of each class
# hint: Every seed gets the same labelled images
def choose_images(labels, is_test, n_per_class, generator):
    train = (~is_test).nonzero().flatten()
    return train, torch.cat([train[labels[train] == c][:n_per_class] for c in labels.unique()])


# %% wrong: a seed of its own
# hint: Every seed gets the same labelled images
def choose_images(labels, is_test, n_per_class, generator):
    generator = torch.Generator().manual_seed(42)
    train = (~is_test).nonzero().flatten()
    train = train[torch.randperm(len(train), generator=generator)]
    return train, torch.cat([train[labels[train] == c][:n_per_class] for c in labels.unique()])


# %% wrong: not from the generator
# hint: The same seed gives other images
def choose_images(labels, is_test, n_per_class, generator):
    train = (~is_test).nonzero().flatten()
    chosen = []
    for c in labels.unique():
        of_class = train[labels[train] == c]
        chosen.append(of_class[torch.randperm(len(of_class))[:n_per_class]])
    return train, torch.cat(chosen)
