# %% task: precision-at-k
# %% right: two loops
def precision_at_k(indices, labels, query_labels, k):
    total = 0.0
    for found, wanted in zip(indices, query_labels):
        total += sum(labels[i] == wanted for i in found[:k]) / k
    return total / len(query_labels)


# %% right: torch
def precision_at_k(indices, labels, query_labels, k):
    found = torch.as_tensor(labels)[torch.as_tensor(indices)[:, :k]]
    return (found == torch.as_tensor(query_labels).unsqueeze(1)).float().mean(dim=1).mean()


# %% wrong: in percent
# hint: The result is not between 0 and 1
def precision_at_k(indices, labels, query_labels, k):
    return 100 * float((labels[indices[:, :k]] == query_labels[:, None]).mean())


# %% wrong: the queries are added up
# hint: The result is not between 0 and 1
def precision_at_k(indices, labels, query_labels, k):
    return float((labels[indices[:, :k]] == query_labels[:, None]).sum() / k)


# %% wrong: k is not used
# hint: All the results were judged
def precision_at_k(indices, labels, query_labels, k):
    return float((labels[indices] == query_labels[:, None]).mean())


# %% wrong: only the k-th
# hint: Only the result at place k was judged
def precision_at_k(indices, labels, query_labels, k):
    return float((labels[indices[:, k - 1]] == query_labels).mean())


# %% wrong: one right answer is enough
# hint: A query counts as a full success
def precision_at_k(indices, labels, query_labels, k):
    return float((labels[indices[:, :k]] == query_labels[:, None]).any(axis=1).mean())


# %% wrong: k nearest neighbours as a classifier
# hint: This is the accuracy of a majority vote
def precision_at_k(indices, labels, query_labels, k):
    n_classes = labels.max() + 1
    votes = np.array([np.bincount(row, minlength=n_classes).argmax() for row in labels[indices[:, :k]]])
    return float((votes == query_labels).mean())


# %% wrong: recall
# hint: This is recall
def precision_at_k(indices, labels, query_labels, k):
    right = (labels[indices[:, :k]] == query_labels[:, None]).sum(axis=1)
    return float((right / (labels == query_labels[:, None]).sum(axis=1)).mean())


# %% wrong: places for labels
# hint: Places in the collection were compared with labels
def precision_at_k(indices, labels, query_labels, k):
    return float((indices[:, :k] == query_labels[:, None]).mean())


# %% wrong: average precision
# hint: The value is not the number of right labels
def precision_at_k(indices, labels, query_labels, k):
    right = labels[indices[:, :k]] == query_labels[:, None]
    at_each = right.cumsum(axis=1) / np.arange(1, k + 1)
    return float(((at_each * right).sum(axis=1) / np.maximum(right.sum(axis=1), 1)).mean())


# %% wrong: divided by what can be found
# hint: The value is not the number of right labels
def precision_at_k(indices, labels, query_labels, k):
    right = (labels[indices[:, :k]] == query_labels[:, None]).sum(axis=1)
    return float((right / np.minimum(k, (labels == query_labels[:, None]).sum(axis=1))).mean())


# %% wrong: the first k and one more
# hint: The value is not the number of right labels
def precision_at_k(indices, labels, query_labels, k):
    return float((labels[indices[:, : k + 1]] == query_labels[:, None]).mean())


# %% task: without-the-query
# %% right: a loop that skips the query
def neighbours(codes, k):
    result = []
    for i, code in enumerate(codes):
        others = [j for j in range(len(codes)) if j != i]
        others.sort(key=lambda j: float(np.linalg.norm(codes[j] - code)))
        result.append(others[:k])
    return np.array(result)


# %% right: torch.cdist and topk
def neighbours(codes, k):
    z = torch.as_tensor(codes, dtype=torch.float32)
    distance = torch.cdist(z, z)
    distance.fill_diagonal_(float("inf"))
    return distance.topk(k, largest=False).indices


# %% right: one more, and the query struck out by its index
def neighbours(codes, k):
    square = (codes**2).sum(axis=1)
    distance = square[:, None] + square - 2 * codes @ codes.T
    order = distance.argsort(axis=1)
    return np.array([row[row != i][:k] for i, row in enumerate(order)])


# %% right: the shortened collection, indices put right
def neighbours(codes, k):
    result = np.empty((len(codes), k), dtype=int)
    for i in range(len(codes)):
        others = np.delete(np.arange(len(codes)), i)
        result[i] = others[np.linalg.norm(codes[others] - codes[i], axis=1).argsort()[:k]]
    return result


# %% wrong: one too few
# hint: For each of the rows there should be k results
def neighbours(codes, k):
    distance = np.linalg.norm(codes[:, None] - codes, axis=2)
    return distance.argsort(axis=1)[:, 1:k]


# %% wrong: the query is deleted, the indices are not put right
# hint: The indices point into a collection
def neighbours(codes, k):
    result = []
    for i in range(len(codes)):
        others = np.delete(codes, i, axis=0)
        result.append(np.linalg.norm(others - codes[i], axis=1).argsort()[:k])
    return np.array(result)


# %% wrong: largest distance first
# hint: The farthest rows come first
def neighbours(codes, k):
    distance = np.linalg.norm(codes[:, None] - codes, axis=2)
    np.fill_diagonal(distance, -np.inf)
    return distance.argsort(axis=1)[:, ::-1][:, :k]


# %% wrong: topk takes the largest
# hint: The farthest rows come first
def neighbours(codes, k):
    z = torch.as_tensor(codes)
    return torch.cdist(z, z).topk(k + 1).indices[:, 1:].numpy()


# %% wrong: the query stays in
# hint: A row is among its own results
def neighbours(codes, k):
    distance = np.linalg.norm(codes[:, None] - codes, axis=2)
    return distance.argsort(axis=1)[:, :k]


# %% wrong: the diagonal set to 0
# hint: A row is among its own results
def neighbours(codes, k):
    distance = np.linalg.norm(codes[:, None] - codes, axis=2)
    np.fill_diagonal(distance, 0)
    return distance.argsort(axis=1)[:, :k]


# %% wrong: the first result is dropped
# hint: A row that has an exact copy finds itself
def neighbours(codes, k):
    distance = np.linalg.norm(codes[:, None] - codes, axis=2)
    return distance.argsort(axis=1)[:, 1 : k + 1]


# %% wrong: the first result is dropped, stable order
# hint: A row that has an exact copy finds itself
def neighbours(codes, k):
    distance = ((codes[:, None] - codes) ** 2).sum(axis=2)
    return np.argsort(distance, axis=1, kind="stable")[:, 1 : k + 1]


# %% wrong: distance 0 is left out
# hint: Exact copies are missing
def neighbours(codes, k):
    distance = np.linalg.norm(codes[:, None] - codes, axis=2)
    distance[distance == 0] = np.inf
    return distance.argsort(axis=1)[:, :k]


# %% wrong: the sum of the differences
# hint: These are not the nearest others
def neighbours(codes, k):
    distance = np.abs(codes[:, None] - codes).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    return distance.argsort(axis=1)[:, :k]


# %% wrong: the right ones, in the order of the collection
# hint: These are not the nearest others
def neighbours(codes, k):
    distance = np.linalg.norm(codes[:, None] - codes, axis=2)
    np.fill_diagonal(distance, np.inf)
    rank = distance.argsort(axis=1).argsort(axis=1)
    return np.array([np.flatnonzero(row < k) for row in rank])


# %% wrong: looked up by distance
# hint: A row stands twice
def neighbours(codes, k):
    result = []
    for i in range(len(codes)):
        distance = [np.inf if j == i else float(((codes[j] - codes[i]) ** 2).sum()) for j in range(len(codes))]
        result.append([distance.index(d) for d in sorted(distance)[:k]])
    return np.array(result)


# %% task: shift-as-noise
# %% right: slices, numpy
def shifted_pairs(x, max_shift, generator):
    h, w = x.shape[2:]
    x_in = np.zeros(tuple(x.shape), dtype=np.float32)
    for i, image in enumerate(x.numpy()):
        dy = int(torch.randint(-max_shift, max_shift + 1, (), generator=generator))
        dx = int(torch.randint(-max_shift, max_shift + 1, (), generator=generator))
        a, b, c, d = max(dy, 0), h + min(dy, 0), max(dx, 0), w + min(dx, 0)
        x_in[i, :, a:b, c:d] = image[:, a - dy : b - dy, c - dx : d - dx]
    return torch.from_numpy(x_in), x.clone()


# %% right: rolled in a padded image, then cropped
def shifted_pairs(x, max_shift, generator):
    m = max_shift
    shifts = torch.randint(2 * m + 1, (len(x), 2), generator=generator) - m
    big = nn.functional.pad(x, (m, m, m, m))
    moved = [image.roll(tuple(shift.tolist()), dims=(1, 2)) for image, shift in zip(big, shifts)]
    return torch.stack(moved)[:, :, m:-m, m:-m], x


# %% right: rolled, then blanked
def shifted_pairs(x, max_shift, generator):
    x_in = x.clone()
    for i in range(len(x)):
        dy, dx = torch.randint(-max_shift, max_shift + 1, (2,), generator=generator).tolist()
        image = torch.roll(x_in[i], (dy, dx), dims=(1, 2))
        if dy > 0:
            image[:, :dy] = 0
        if dy < 0:
            image[:, dy:] = 0
        if dx > 0:
            image[:, :, :dx] = 0
        if dx < 0:
            image[:, :, dx:] = 0
        x_in[i] = image
    return x_in, x


# %% wrong: in place
# hint: The images that were given have been overwritten
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    x_in = x
    for i in range(len(x)):
        dy, dx = torch.randint(-m, m + 1, (2,), generator=generator).tolist()
        padded = nn.functional.pad(x[i], (m, m, m, m))
        x_in[i] = padded[:, m - dy : m - dy + h, m - dx : m - dx + w]
    return x_in, x


# %% wrong: the padding stays
# hint: The images that go in should have the shape of x
def shifted_pairs(x, max_shift, generator):
    images = []
    for image in x:
        dy, dx = torch.randint(-max_shift, max_shift + 1, (2,), generator=generator).tolist()
        images.append(nn.functional.pad(image, (max_shift + dx, max_shift - dx, max_shift + dy, max_shift - dy)))
    return torch.stack(images), x


# %% wrong: the wrong way round
# hint: What goes in is not shifted
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m)):
        dy, dx = torch.randint(-m, m + 1, (2,), generator=generator).tolist()
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return x, torch.stack(images)


# %% wrong: the target is shifted, too
# hint: The target is not the unshifted image
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m)):
        dy, dx = torch.randint(-m, m + 1, (2,), generator=generator).tolist()
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return torch.stack(images), torch.stack(images)


# %% wrong: roll
# hint: What leaves the image on one side comes back
def shifted_pairs(x, max_shift, generator):
    shifts = torch.randint(-max_shift, max_shift + 1, (len(x), 2), generator=generator).tolist()
    return torch.stack([image.roll(shift, dims=(1, 2)) for image, shift in zip(x, shifts)]), x


# %% wrong: the border is repeated
# hint: Not every image is a whole image moved
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m), mode="replicate"):
        dy, dx = torch.randint(-m, m + 1, (2,), generator=generator).tolist()
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return torch.stack(images), x


# %% wrong: the blank is on the wrong side
# hint: Not every image is a whole image moved
def shifted_pairs(x, max_shift, generator):
    x_in = x.clone()
    for i in range(len(x)):
        dy, dx = torch.randint(-max_shift, max_shift + 1, (2,), generator=generator).tolist()
        image = torch.roll(x_in[i], (dy, dx), dims=(1, 2))
        image[:, :dy], image[:, :, :dx] = 0, 0
        x_in[i] = image
    return x_in, x


# %% wrong: one shift for the batch
# hint: All images of the batch are moved by one shift
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    dy, dx = torch.randint(-m, m + 1, (2,), generator=generator).tolist()
    padded = nn.functional.pad(x, (m, m, m, m))
    return padded[:, :, m - dy : m - dy + h, m - dx : m - dx + w], x


# %% wrong: one number for both directions
# hint: Both directions share one random number
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m)):
        d = int(torch.randint(-m, m + 1, (1,), generator=generator))
        images.append(image[:, m - d : m - d + h, m - d : m - d + w])
    return torch.stack(images), x


# %% wrong: the upper end is not included
# hint: Of the 25 shifts, some occur rarely or never
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m)):
        dy, dx = torch.randint(-m, m, (2,), generator=generator).tolist()
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return torch.stack(images), x


# %% wrong: normal numbers, rounded
# hint: Of the 25 shifts, some occur rarely or never
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m)):
        dy, dx = torch.randn(2, generator=generator).round().int().clamp(-m, m).tolist()
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return torch.stack(images), x


# %% wrong: down and right only
# hint: Of the 25 shifts, some occur rarely or never
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, 0, m, 0)):
        dy, dx = torch.randint(0, m + 1, (2,), generator=generator).tolist()
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return torch.stack(images), x


# %% wrong: the same noise in every epoch
# hint: A second call with the same generator
def shifted_pairs(x, max_shift, generator):
    generator.manual_seed(0)
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m)):
        dy, dx = torch.randint(-m, m + 1, (2,), generator=generator).tolist()
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return torch.stack(images), x


# %% wrong: the generator is not used
# hint: Two generators with the same seed
def shifted_pairs(x, max_shift, generator):
    m, (h, w) = max_shift, x.shape[2:]
    images = []
    for image in nn.functional.pad(x, (m, m, m, m)):
        dy, dx = np.random.randint(-m, m + 1, 2)
        images.append(image[:, m - dy : m - dy + h, m - dx : m - dx + w])
    return torch.stack(images), x


# %% task: fair-comparison
# %% right: a loop, queries drawn by choice
def compare(first, second, rng):
    queries = np.arange(len(first))
    means = []
    for _ in range(1_000):
        drawn = rng.choice(queries, size=len(queries), replace=True)
        means.append(first[drawn].mean() - second[drawn].mean())
    low, high = np.quantile(means, 0.025), np.quantile(means, 0.975)
    if low > 0:
        return low, high, "first"
    if high < 0:
        return low, high, "second"
    return low, high, "cannot tell"


# %% right: how often each query is drawn
def compare(first, second, rng):
    n = len(first)
    times = rng.multinomial(n, np.full(n, 1 / n), size=2_000)
    means = np.sort(times @ (np.asarray(first) - np.asarray(second)) / n)
    low, high = means[50], means[1_949]
    return low, high, "cannot tell" if low <= 0 <= high else ("first" if low > 0 else "second")


# %% right: torch
def compare(first, second, rng):
    difference = torch.as_tensor(first - second)
    drawn = torch.as_tensor(rng.integers(0, len(difference), (2_000, len(difference))))
    low, high = difference[drawn].mean(dim=1).quantile(torch.tensor([0.025, 0.975], dtype=difference.dtype))
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: second minus first
# hint: The interval lies on the wrong side
def compare(first, second, rng):
    difference = second - first
    n = len(difference)
    low, high = np.percentile(difference[rng.integers(0, n, (2_000, n))].mean(axis=1), [2.5, 97.5])
    return low, high, "first" if high < 0 else "second" if low > 0 else "cannot tell"


# %% wrong: percentiles of the differences themselves
# hint: The interval holds 95 % of the single queries
def compare(first, second, rng):
    low, high = np.percentile(first - second, [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: one query drawn each time
# hint: The interval holds 95 % of the single queries
def compare(first, second, rng):
    difference = first - second
    means = [difference[rng.integers(len(difference))].mean() for _ in range(2_000)]
    low, high = np.percentile(means, [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: each method resampled by itself
# hint: The interval is several times too wide
def compare(first, second, rng):
    n = len(first)
    a = first[rng.integers(0, n, (2_000, n))].mean(axis=1)
    b = second[rng.integers(0, n, (2_000, n))].mean(axis=1)
    low, high = np.percentile(a - b, [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: two intervals that overlap
# hint: The interval is several times too wide
def compare(first, second, rng):
    def interval(values):
        n = len(values)
        return np.percentile(values[rng.integers(0, n, (2_000, n))].mean(axis=1), [2.5, 97.5])

    (low_a, high_a), (low_b, high_b) = interval(first), interval(second)
    low, high = low_a - high_b, high_a - low_b
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: without replacement
# hint: The interval has next to no width
def compare(first, second, rng):
    difference = first - second
    means = [rng.choice(difference, len(difference), replace=False).mean() for _ in range(2_000)]
    low, high = np.percentile(means, [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: 90 % of the means
# hint: The interval is a little too narrow or too wide
def compare(first, second, rng):
    difference = first - second
    n = len(difference)
    low, high = np.percentile(difference[rng.integers(0, n, (2_000, n))].mean(axis=1), [5, 95])
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: one standard error to each side
# hint: The interval is a little too narrow or too wide
def compare(first, second, rng):
    difference = first - second
    n = len(difference)
    means = difference[rng.integers(0, n, (2_000, n))].mean(axis=1)
    low, high = difference.mean() - means.std(), difference.mean() + means.std()
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: half of the queries
# hint: The interval is a little too narrow or too wide
def compare(first, second, rng):
    difference = first - second
    n = len(difference)
    low, high = np.percentile(difference[rng.integers(0, n, (2_000, n // 2))].mean(axis=1), [2.5, 97.5])
    return low, high, "first" if low > 0 else "second" if high < 0 else "cannot tell"


# %% wrong: centred at 0, as for a test
# hint: The interval has the right width and the wrong place
def compare(first, second, rng):
    difference = first - second
    n = len(difference)
    means = (difference - difference.mean())[rng.integers(0, n, (2_000, n))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return low, high, "first" if difference.mean() > high else "second" if difference.mean() < low else "cannot tell"


# %% wrong: the larger mean wins
# hint: A winner was named although the interval contains 0
def compare(first, second, rng):
    difference = first - second
    n = len(difference)
    low, high = np.percentile(difference[rng.integers(0, n, (2_000, n))].mean(axis=1), [2.5, 97.5])
    return low, high, "first" if difference.mean() > 0 else "second"


# %% wrong: 0 at the edge is above 0
# hint: A method was declared better than itself
def compare(first, second, rng):
    difference = first - second
    n = len(difference)
    low, high = np.percentile(difference[rng.integers(0, n, (2_000, n))].mean(axis=1), [2.5, 97.5])
    return low, high, "first" if low >= 0 else "second" if high <= 0 else "cannot tell"


# %% wrong: first or nothing
# hint: The interval is right, the verdict is not
def compare(first, second, rng):
    difference = first - second
    n = len(difference)
    low, high = np.percentile(difference[rng.integers(0, n, (2_000, n))].mean(axis=1), [2.5, 97.5])
    return low, high, "first" if low > 0 else "cannot tell"


# %% task: encode-in-batches
# %% right: a range of starts, inference mode, the result allocated beforehand
def encode_all(encoder, images, batch_size):
    mode, result = encoder.training, None
    encoder.train(False)
    try:
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                z = encoder(images[start : start + batch_size])
                if result is None:
                    result = torch.empty(len(images), z.shape[1])
                result[start : start + len(z)] = z
    finally:
        encoder.train(mode)
    return result


# %% right: a DataLoader, and detached batches
def encode_all(encoder, images, batch_size):
    mode = encoder.training
    encoder.eval()
    codes = []
    for (batch,) in torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images), batch_size=batch_size):
        codes.append(encoder(batch).detach())
    encoder.train(mode)
    return torch.cat(codes, dim=0)


# %% right: a copy of the encoder does the work
import copy


@torch.no_grad()
def encode_all(encoder, images, batch_size):
    worker = copy.deepcopy(encoder).eval()
    return torch.vstack([worker(batch) for batch in torch.split(images, batch_size)])


# %% wrong: all at once
# hint: More than batch_size images
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        codes = encoder(images)
    encoder.train(was_training)
    return codes


# %% wrong: batch_size taken for the number of batches
# hint: More than batch_size images
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        codes = torch.cat([encoder(batch) for batch in images.chunk(4)])
    encoder.train(was_training)
    return codes


# %% wrong: no evaluation mode
# hint: The encoder worked in training mode
def encode_all(encoder, images, batch_size):
    with torch.no_grad():
        return torch.cat([encoder(batch) for batch in images.split(batch_size)])


# %% wrong: whole batches only
# hint: The last images have no code
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    codes = []
    with torch.no_grad():
        for b in range(len(images) // batch_size):
            codes.append(encoder(images[b * batch_size : (b + 1) * batch_size]))
    encoder.train(was_training)
    return torch.cat(codes)


# %% wrong: the loader drops the last batch
# hint: The last images have no code
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    loader = torch.utils.data.DataLoader(images, batch_size=batch_size, drop_last=True)
    with torch.no_grad():
        codes = torch.cat([encoder(batch) for batch in loader])
    encoder.train(was_training)
    return codes


# %% wrong: side by side
# hint: The result should be one tensor with a row for each image
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        codes = [encoder(batch).flatten() for batch in images.split(batch_size)]
    encoder.train(was_training)
    return torch.cat(codes)


# %% wrong: a list of batches
# hint: The result should be one tensor with a row for each image
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        codes = [encoder(batch) for batch in images.split(batch_size)]
    encoder.train(was_training)
    return codes


# %% wrong: eval() is taken to switch gradients off
# hint: The codes still hang on the graph
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    codes = torch.cat([encoder(batch) for batch in images.split(batch_size)])
    encoder.train(was_training)
    return codes


# %% wrong: gradients off for good
# hint: Gradients are switched off for all that follows
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    torch.set_grad_enabled(False)
    codes = torch.cat([encoder(batch) for batch in images.split(batch_size)])
    encoder.train(was_training)
    return codes


# %% wrong: the loader shuffles
# hint: Row i is not the code of image i
def encode_all(encoder, images, batch_size):
    was_training = encoder.training
    encoder.eval()
    loader = torch.utils.data.DataLoader(images, batch_size=batch_size, shuffle=True)
    with torch.no_grad():
        codes = torch.cat([encoder(batch) for batch in loader])
    encoder.train(was_training)
    return codes


# %% wrong: left in evaluation mode
# hint: The encoder is left in evaluation mode
@torch.no_grad()
def encode_all(encoder, images, batch_size):
    encoder.eval()
    return torch.cat([encoder(batch) for batch in images.split(batch_size)])


# %% wrong: always back to training
# hint: An encoder that came in evaluation mode
@torch.no_grad()
def encode_all(encoder, images, batch_size):
    encoder.eval()
    codes = torch.cat([encoder(batch) for batch in images.split(batch_size)])
    encoder.train()
    return codes
