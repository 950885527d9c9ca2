# %% task: subtract-the-mean
# %% right: eigenvectors of the covariance matrix
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    centred = (x - mean).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    return mean, vectors.flip(1).T[:n_codes].float()


# %% right: numpy, a component at a time by power iteration
def fit_pca(x, n_codes):
    x = x.numpy().astype(float)
    mean = x.mean(axis=0)
    centred, components = x - mean, []
    for _ in range(n_codes):
        w = np.ones(x.shape[1])
        for _ in range(2000):
            w = centred.T @ (centred @ w)
            w /= np.linalg.norm(w)
        components.append(w)
        centred = centred - np.outer(centred @ w, w)
    return mean, np.array(components)


# %% right: the mean is kept as a row
def fit_pca(x, n_codes):
    mean = x.mean(0, keepdim=True)
    u, s, v = torch.svd(x - mean)
    return mean, -v[:, :n_codes].t()


# %% right: scikit-learn's
def fit_pca(x, n_codes):
    from sklearn.decomposition import PCA

    pca = PCA(n_codes).fit(x.numpy())
    return pca.mean_, pca.components_


# %% wrong: the mean is computed, but not subtracted
# hint: The mean is still in the data
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    _, _, vt = torch.linalg.svd(x, full_matrices=False)
    return mean, vt[:n_codes]


# %% wrong: the second moment for the covariance
# hint: The mean is still in the data
def fit_pca(x, n_codes):
    _, vectors = torch.linalg.eigh(x.T @ x / len(x))
    return x.mean(dim=0), vectors.flip(1).T[:n_codes]


# %% wrong: eigh sorts the smallest first
# hint: These are the directions of the smallest variance
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    _, vectors = torch.linalg.eigh(torch.cov(x.T))
    return mean, vectors[:, :n_codes].T


# %% wrong: the last eigenvectors, not turned round
# hint: The subspace is right, but the order is not
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    _, vectors = torch.linalg.eigh(torch.cov(x.T))
    return mean, vectors[:, -n_codes:].T


# %% wrong: the columns of Vt
# hint: These directions carry less variance
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    _, _, vt = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, vt[:, :n_codes].T


# %% wrong: each image minus its own mean, the mean image returned
# hint: These directions carry less variance
def fit_pca(x, n_codes):
    _, _, vt = torch.linalg.svd(x - x.mean(dim=1, keepdim=True), full_matrices=False)
    return x.mean(dim=0), vt[:n_codes]


# %% wrong: every image brought to length 1
# hint: These directions carry less variance
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    centred = torch.nn.functional.normalize(x - mean, dim=1)
    _, _, vt = torch.linalg.svd(centred, full_matrices=False)
    return mean, vt[:n_codes]


# %% wrong: the left factor
# hint: These components have one number for each image
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    u, _, _ = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, u[:, :n_codes].T


# %% wrong: components as columns
# hint: The components do not have the shape
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    _, _, vt = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, vt.T[:, :n_codes]


# %% wrong: the mean over the features
# hint: The mean is not the mean image
def fit_pca(x, n_codes):
    mean = x.mean(dim=1, keepdim=True)
    _, _, vt = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, vt[:n_codes]


# %% wrong: one mean of everything
# hint: The mean is not the mean image
def fit_pca(x, n_codes):
    mean = x.mean()
    _, _, vt = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, vt[:n_codes]


# %% wrong: scaled by the singular values
# hint: The components are not of length 1
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    _, s, vt = torch.linalg.svd(x - mean, full_matrices=False)
    return mean, (s[:, None] * vt)[:n_codes]


# %% wrong: standardised, as the notes say
# hint: The features were divided by their standard deviations
def fit_pca(x, n_codes):
    mean = x.mean(dim=0)
    _, _, vt = torch.linalg.svd((x - mean) / x.std(dim=0), full_matrices=False)
    return mean, vt[:n_codes]


# %% task: sse-per-image
# %% right: all images put together
def sse_per_image(batches):
    x = torch.cat([x for x, _ in batches])
    x_hat = torch.cat([x_hat for _, x_hat in batches])
    return (x - x_hat).square().flatten(1).sum(dim=1).mean()


# %% right: weighted means, numpy
def sse_per_image(batches):
    means = [((x - x_hat) ** 2).sum(axis=(1, 2)).mean() for x, x_hat in (map(np.asarray, pair) for pair in batches)]
    return np.average(means, weights=[len(x) for x, _ in batches])


# %% right: an image at a time
def sse_per_image(batches):
    errors = []
    for x, x_hat in batches:
        for image, restored in zip(x, x_hat):
            errors.append(float(torch.nn.functional.mse_loss(restored, image, reduction="sum")))
    return sum(errors) / len(errors)


# %% wrong: mse_loss as it comes
# hint: This is the error per pixel
def sse_per_image(batches):
    losses = [torch.nn.functional.mse_loss(x_hat, x).item() for x, x_hat in batches]
    return sum(losses) / len(losses)


# %% wrong: per pixel, though weighted
# hint: This is the error per pixel
def sse_per_image(batches):
    total = sum((x - x_hat).square().mean().item() * len(x) for x, x_hat in batches)
    return total / sum(len(x) for x, _ in batches)


# %% wrong: the mean of the batches' means
# hint: This is a mean of the batches' means
def sse_per_image(batches):
    losses = [(x - x_hat).square().sum(dim=(1, 2)).mean().item() for x, x_hat in batches]
    return sum(losses) / len(losses)


# %% wrong: per batch
# hint: This is a sum over the images of a batch
def sse_per_image(batches):
    running_loss = 0.0
    for x, x_hat in batches:
        running_loss += torch.nn.functional.mse_loss(x_hat, x, reduction="sum").item()
    return running_loss / len(batches)


# %% wrong: never divided
# hint: This is a sum over the images of a batch
def sse_per_image(batches):
    return sum(float(((x - x_hat) ** 2).sum()) for x, x_hat in batches)


# %% wrong: every batch taken for a full one
# hint: The images are not counted right
def sse_per_image(batches):
    batch_size = len(batches[0][0])
    return sum((x - x_hat).square().sum().item() for x, x_hat in batches) / (len(batches) * batch_size)


# %% wrong: one axis summed
# hint: Only one axis of the images was summed
def sse_per_image(batches):
    errors = torch.cat([(x - x_hat).square().sum(dim=1) for x, x_hat in batches])
    return errors.mean().item()


# %% wrong: the norm
# hint: A square root has slipped in
def sse_per_image(batches):
    return torch.cat([(x - x_hat).flatten(1).norm(dim=1) for x, x_hat in batches]).mean().item()


# %% wrong: summed first, squared afterwards
# hint: This is not the squared error
def sse_per_image(batches):
    total = sum((x - x_hat).sum(dim=(1, 2)).square().sum().item() for x, x_hat in batches)
    return total / sum(len(x) for x, _ in batches)


# %% wrong: the absolute error
# hint: This is not the squared error
def sse_per_image(batches):
    total = sum((x - x_hat).abs().sum().item() for x, x_hat in batches)
    return total / sum(len(x) for x, _ in batches)


# %% task: same-subspace
# %% right: numpy, bases by the SVD
def largest_angle_deg(a, b):
    q_a = np.linalg.svd(a.numpy(), full_matrices=False)[0]
    q_b = np.linalg.svd(b.numpy(), full_matrices=False)[0]
    cosines = np.linalg.svd(q_a.T @ q_b, compute_uv=False)
    return np.degrees(np.arccos(np.clip(cosines, 0, 1))).max()


# %% right: the sine, by the projectors' distance
def largest_angle_deg(a, b):
    a, b = a.double(), b.double()
    difference = a @ torch.linalg.pinv(a) - b @ torch.linalg.pinv(b)
    return torch.linalg.matrix_norm(difference, 2).clamp(max=1).asin().rad2deg()


# %% right: Gram-Schmidt by hand
def largest_angle_deg(a, b):
    def orthonormal(columns):
        basis = []
        for v in columns.double().T:
            for q in basis:
                v = v - (v @ q) * q
            basis.append(v / v.norm())
        return torch.stack(basis, dim=1)

    cosine = torch.linalg.svdvals(orthonormal(a).T @ orthonormal(b))[-1].item()
    return float(np.rad2deg(np.arccos(min(cosine, 1.0))))


# %% right: nothing but least squares and eigenvalues
def largest_angle_deg(a, b):
    a, b = a.double(), b.double()
    back_and_forth = torch.linalg.lstsq(a, b).solution @ torch.linalg.lstsq(b, a).solution
    cos2 = torch.linalg.eigvals(back_and_forth).real.min()
    return cos2.clamp(0, 1).sqrt().acos().rad2deg().item()


# %% wrong: taken for orthonormal
# hint: The angle depends on how long the columns are
def largest_angle_deg(a, b):
    cosines = torch.linalg.svdvals(a.T @ b).clamp(max=1)
    return cosines.min().acos().rad2deg().item()


# %% wrong: columns of length 1
# hint: The columns were taken for an orthonormal basis
def largest_angle_deg(a, b):
    a, b = torch.nn.functional.normalize(a, dim=0), torch.nn.functional.normalize(b, dim=0)
    cosines = torch.linalg.svdvals(a.T @ b).clamp(max=1)
    return cosines.min().acos().rad2deg().item()


# %% wrong: axis by axis
# hint: The result changes when the basis is turned
def largest_angle_deg(a, b):
    cosines = torch.nn.functional.cosine_similarity(a, b, dim=0).abs().clamp(max=1)
    return cosines.min().acos().rad2deg().item()


# %% wrong: each axis with the one nearest to it
# hint: The result changes when the basis is turned
def largest_angle_deg(a, b):
    a, b = a / a.norm(dim=0), b / b.norm(dim=0)
    nearest = (a.T @ b).abs().max(dim=1).values
    return nearest.min().clamp(max=1).acos().rad2deg().item()


# %% wrong: the first singular value
# hint: This is the smallest of the angles
def largest_angle_deg(a, b):
    q_a, q_b = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return torch.linalg.svdvals(q_a.T @ q_b)[0].clamp(max=1).acos().rad2deg().item()


# %% wrong: the mean of the angles
# hint: The principal angles were averaged
def largest_angle_deg(a, b):
    q_a, q_b = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return torch.linalg.svdvals(q_a.T @ q_b).clamp(max=1).acos().rad2deg().mean().item()


# %% wrong: all the angles
# hint: There is more than one number
def largest_angle_deg(a, b):
    q_a, q_b = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return torch.linalg.svdvals(q_a.T @ q_b).clamp(max=1).acos().rad2deg()


# %% wrong: the rows for the columns
# hint: Two single columns of length 1
def largest_angle_deg(a, b):
    q_a, q_b = torch.linalg.qr(a.T)[0], torch.linalg.qr(b.T)[0]
    return torch.linalg.svdvals(q_a.T @ q_b).min().clamp(max=1).acos().rad2deg().item()


# %% wrong: the sine for the cosine
# hint: Two single columns of length 1
def largest_angle_deg(a, b):
    q_a, q_b = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return torch.linalg.svdvals(q_a.T @ q_b).min().clamp(max=1).asin().rad2deg().item()


# %% wrong: radians
# hint: The angle is right, but in radians
def largest_angle_deg(a, b):
    q_a, q_b = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return torch.linalg.svdvals(q_a.T @ q_b).min().clamp(max=1).acos().item()


# %% wrong: the cosine
# hint: This is a cosine
def largest_angle_deg(a, b):
    q_a, q_b = torch.linalg.qr(a)[0], torch.linalg.qr(b)[0]
    return torch.linalg.svdvals(q_a.T @ q_b).min().item()


# %% wrong: with the sign of the basis
# hint: A basis vector and its negative span the same line
def largest_angle_deg(a, b):
    a, b = a / a.norm(dim=0), b / b.norm(dim=0)
    return (a * b).sum(dim=0).clamp(-1, 1).acos().rad2deg().max().item()


# %% wrong: a cosine above 1
# hint: For two bases of the same subspace
def largest_angle_deg(a, b):
    q_a, _ = np.linalg.qr(a.numpy())
    q_b, _ = np.linalg.qr(b.numpy())
    return np.rad2deg(np.arccos(np.linalg.svd(q_a.T @ q_b)[1])).max()


# %% task: fit-on-train
# %% right: an image at a time, numpy
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = (np.asarray(part, dtype=float) for part in fit(x_train, n_codes))
    errors, clipped = [], []
    for x in x_test.numpy():
        x_hat = mean + sum(((x - mean) @ row) * row for row in w)
        errors.append(np.sum((x - x_hat) ** 2))
        clipped.append(np.sum((x - np.clip(x_hat, 0, 1)) ** 2))
    return np.mean(errors), np.mean(clipped)


# %% right: Pythagoras for the unclipped error
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    z = (x_test - mean) @ w.T
    unclipped = ((x_test - mean).square().sum(dim=1) - z.square().sum(dim=1)).mean()
    x_hat = torch.addmm(mean, z, w).clamp(0, 1)
    return torch.stack([unclipped, (x_hat - x_test).pow(2).sum(1).mean()])


# %% right: in place, in the right order
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_test - mean) @ (w.T @ w) + mean
    sse = torch.nn.functional.mse_loss(x_hat, x_test, reduction="sum") / len(x_test)
    x_hat.clamp_(0, 1)
    return sse.item(), torch.nn.functional.mse_loss(x_hat, x_test, reduction="sum").item() / len(x_test)


# %% wrong: fitted on the test images
# hint: The PCA was fitted on the test images
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_test, n_codes)
    x_hat = (x_test - mean) @ w.T @ w + mean
    return tuple((y - x_test).square().sum(dim=1).mean().item() for y in (x_hat, x_hat.clamp(0, 1)))


# %% wrong: fitted on everything
# hint: The PCA was fitted on training and test images together
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(torch.cat([x_train, x_test]), n_codes)
    x_hat = (x_test - mean) @ w.T @ w + mean
    return tuple((y - x_test).square().sum(dim=1).mean().item() for y in (x_hat, x_hat.clamp(0, 1)))


# %% wrong: the test images' own mean
# hint: The test images were centred with their own mean
def pca_test_errors(fit, x_train, x_test, n_codes):
    _, w = fit(x_train, n_codes)
    mean = x_test.mean(dim=0)
    x_hat = (x_test - mean) @ w.T @ w + mean
    return tuple((y - x_test).square().sum(dim=1).mean().item() for y in (x_hat, x_hat.clamp(0, 1)))


# %% wrong: the training error
# hint: This is the error on the training images
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_train - mean) @ w.T @ w + mean
    return tuple((y - x_train).square().sum(dim=1).mean().item() for y in (x_hat, x_hat.clamp(0, 1)))


# %% wrong: the mean is not added back
# hint: The mean was not added back
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_test - mean) @ w.T @ w
    return tuple((y - x_test).square().sum(dim=1).mean().item() for y in (x_hat, x_hat.clamp(0, 1)))


# %% wrong: per pixel
# hint: This is the error per pixel
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_test - mean) @ w.T @ w + mean
    return ((x_hat - x_test) ** 2).mean().item(), ((x_hat.clamp(0, 1) - x_test) ** 2).mean().item()


# %% wrong: over all images
# hint: The unclipped error is wrong
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_test - mean) @ w.T @ w + mean
    return ((x_hat - x_test) ** 2).sum().item(), ((x_hat.clamp(0, 1) - x_test) ** 2).sum().item()


# %% wrong: nothing subtracted before the code
# hint: The unclipped error is wrong
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = x_test @ w.T @ w + mean
    return tuple((y - x_test).square().sum(dim=1).mean().item() for y in (x_hat, x_hat.clamp(0, 1)))


# %% wrong: the clipped image is thrown away
# hint: Both numbers are the same
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_test - mean) @ w.T @ w + mean
    before = (x_hat - x_test).square().sum(dim=1).mean().item()
    x_hat.clamp(0, 1)
    return before, (x_hat - x_test).square().sum(dim=1).mean().item()


# %% wrong: clamped in place too early
# hint: Both numbers are the same
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_test - mean) @ w.T @ w + mean
    clipped = x_hat.clamp_(0, 1)
    return (x_hat - x_test).square().sum(1).mean().item(), (clipped - x_test).square().sum(1).mean().item()


# %% wrong: the wrong way round
# hint: The two numbers are in the wrong order
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    x_hat = (x_test - mean) @ w.T @ w + mean
    return tuple((y - x_test).square().sum(dim=1).mean().item() for y in (x_hat.clamp(0, 1), x_hat))


# %% wrong: the code is clipped
# hint: The unclipped error is right, but something else
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    z = (x_test - mean) @ w.T
    return tuple(((code @ w + mean) - x_test).square().sum(dim=1).mean().item() for code in (z, z.clamp(0, 1)))


# %% wrong: clipped before the mean is added
# hint: The unclipped error is right, but something else
def pca_test_errors(fit, x_train, x_test, n_codes):
    mean, w = fit(x_train, n_codes)
    part = (x_test - mean) @ w.T @ w
    return tuple(((y + mean) - x_test).square().sum(dim=1).mean().item() for y in (part, part.clamp(0, 1)))
