"""Answers to exercise 6, right and wrong (see tests/grading/exercise_answers.py)."""


# %% task: unpool-with-positions
# %% right: loops
def unpool(y, positions, size):
    h, w = size
    x = torch.zeros(y.shape[0], y.shape[1], h, w)
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            for value, place in zip(y[n, c].flatten(), positions[n, c].flatten()):
                x[n, c, place // w, place % w] = value
    return x


# %% right: torch's own, with the size
def unpool(y, positions, size):
    return F.max_unpool2d(y, positions, 2, output_size=size)


# %% right: indices of four dimensions
def unpool(y, positions, size):
    x = y.new_zeros(*y.shape[:2], *size)
    image = torch.arange(y.shape[0]).view(-1, 1, 1, 1).expand_as(y)
    channel = torch.arange(y.shape[1]).view(1, -1, 1, 1).expand_as(y)
    x[image, channel, positions // size[1], positions % size[1]] = y
    return x


# %% right: numpy, all planes in one vector
def unpool(y, positions, size):
    n, c = y.shape[:2]
    n_pixels = size[0] * size[1]
    flat = np.zeros(n * c * n_pixels)
    offsets = np.arange(n * c).reshape(n, c, 1, 1) * n_pixels
    flat[(positions.numpy() + offsets).ravel()] = y.numpy().ravel()
    return flat.reshape(n, c, *size).astype(np.float32)


# %% wrong: repeats
# hint: Every value fills its whole cell
def unpool(y, positions, size):
    return F.interpolate(y, scale_factor=2)[..., : size[0], : size[1]]


# %% wrong: the top left corner
# hint: The values sit in the top left corner
def unpool(y, positions, size):
    x = torch.zeros(*y.shape[:2], *size)
    x[..., ::2, ::2] = y
    return x


# %% wrong: rows and columns by the height
# hint: Even in a single plane of even size
def unpool(y, positions, size):
    h, w = size
    x = torch.zeros(*y.shape[:2], w, h)
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            x[n, c, positions[n, c] // h, positions[n, c] % h] = y[n, c]
    return x.transpose(2, 3)


# %% wrong: takes the positions for places within the cells
# hint: Even in a single plane of even size
def unpool(y, positions, size):
    x = torch.zeros(*y.shape[:2], *size)
    for i in range(y.shape[2]):
        for j in range(y.shape[3]):
            for n in range(len(y)):
                for c in range(y.shape[1]):
                    place = positions[n, c, i, j]
                    x[n, c, 2 * i + place // 2 % 2, 2 * j + place % 2] = y[n, c, i, j]
    return x


# %% wrong: all planes as one
# hint: With several images and channels it goes wrong
def unpool(y, positions, size):
    x = torch.zeros(*y.shape[:2], *size)
    x.flatten()[positions.flatten()] = y.flatten()
    x.view(-1)[positions.flatten()] = y.flatten()
    return x


# %% wrong: the first plane only
# hint: With several images and channels it goes wrong
def unpool(y, positions, size):
    x = torch.zeros(1, 1, *size)
    w = size[1]
    x[0, 0, positions[0, 0] // w, positions[0, 0] % w] = y[0, 0]
    return x


# %% wrong: torch's own without the size
# hint: Odd sizes go wrong
def unpool(y, positions, size):
    return F.max_unpool2d(y, positions, 2)


# %% wrong: rows of twice the pooled width, then cut
# hint: Odd sizes go wrong
def unpool(y, positions, size):
    h, w = 2 * y.shape[2], 2 * y.shape[3]
    x = torch.zeros(*y.shape[:2], h * w).scatter(2, positions.flatten(2), y.flatten(2))
    return x.view(*y.shape[:2], h, w)[..., : size[0], : size[1]]


# %% task: deconvolution
# %% right: sums of stamps, cut at both ends
def deconvolve(z, kernel, stride, padding):
    full = np.zeros((len(z) - 1) * stride + len(kernel))
    for i, number in enumerate(z):
        full[i * stride : i * stride + len(kernel)] += number * kernel
    return full[padding : len(full) - padding]


# %% right: numpy's convolution, which reverses the kernel itself
def deconvolve(z, kernel, stride, padding):
    spread = np.zeros((len(z) - 1) * stride + 1)
    spread[::stride] = z
    full = np.convolve(spread, kernel)
    return full[padding : len(full) - padding]


# %% right: the convolution's matrix, transposed
def deconvolve(z, kernel, stride, padding):
    n_in = (len(z) - 1) * stride + len(kernel) - 2 * padding
    matrix = np.zeros((len(z), n_in + 2 * padding))
    for i in range(len(z)):
        matrix[i, i * stride : i * stride + len(kernel)] = kernel
    return z @ matrix[:, padding : padding + n_in]


# %% right: torch's convolution
def deconvolve(z, kernel, stride, padding):
    spread = torch.zeros(1, 1, (len(z) - 1) * stride + 1, dtype=torch.float64)
    spread[0, 0, ::stride] = torch.from_numpy(z)
    turned = torch.from_numpy(kernel).flip(0).view(1, 1, -1)
    return F.conv1d(spread, turned, padding=len(kernel) - 1 - padding).flatten()


# %% right: torch's transposed convolution
def deconvolve(z, kernel, stride, padding):
    z, kernel = torch.as_tensor(z)[None, None], torch.as_tensor(kernel)[None, None]
    return F.conv_transpose1d(z, kernel, stride=stride, padding=padding)[0, 0].numpy()


# %% wrong: the kernel is not reversed
# hint: The kernel comes out mirrored
def deconvolve(z, kernel, stride, padding):
    k = len(kernel)
    spread = np.zeros((len(z) - 1) * stride + 1)
    spread[::stride] = z
    padded = np.pad(spread, k - 1 - padding)
    return np.array([padded[t : t + k] @ kernel for t in range(len(padded) - k + 1)])


# %% wrong: reversed twice
# hint: The kernel comes out mirrored
def deconvolve(z, kernel, stride, padding):
    spread = np.zeros((len(z) - 1) * stride + 1)
    spread[::stride] = z
    full = np.convolve(spread, kernel[::-1])
    return full[padding : len(full) - padding]


# %% wrong: the input is reversed as well as the kernel
# hint: Even with stride 1 and no padding
def deconvolve(z, kernel, stride, padding):
    k = len(kernel)
    spread = np.zeros((len(z) - 1) * stride + 1)
    spread[::stride] = z[::-1]
    padded = np.pad(spread, k - 1 - padding)
    return np.array([padded[t : t + k] @ kernel[::-1] for t in range(len(padded) - k + 1)])


# %% wrong: padded by p
# hint: Even with stride 1 and no padding
def deconvolve(z, kernel, stride, padding):
    k = len(kernel)
    spread = np.zeros((len(z) - 1) * stride + 1)
    spread[::stride] = z
    padded = np.pad(spread, padding)
    return np.array([padded[t : t + k] @ kernel[::-1] for t in range(len(padded) - k + 1)])


# %% wrong: a slice with minus zero
# hint: Without padding nothing is left
def deconvolve(z, kernel, stride, padding):
    spread = np.zeros((len(z) - 1) * stride + 1)
    spread[::stride] = z
    return np.convolve(spread, kernel)[padding:-padding]


# %% wrong: k - 1 + p
# hint: With padding the length is wrong
def deconvolve(z, kernel, stride, padding):
    k = len(kernel)
    spread = np.zeros((len(z) - 1) * stride + 1)
    spread[::stride] = z
    padded = np.pad(spread, k - 1 + padding)
    return np.array([padded[t : t + k] @ kernel[::-1] for t in range(len(padded) - k + 1)])


# %% wrong: the padding is forgotten
# hint: With padding the length is wrong
def deconvolve(z, kernel, stride, padding):
    full = np.zeros((len(z) - 1) * stride + len(kernel))
    for i in range(len(z)):
        full[i * stride : i * stride + len(kernel)] += z[i] * kernel
    return full


# %% wrong: cut at the end only
# hint: With padding the length is right, but not the numbers
def deconvolve(z, kernel, stride, padding):
    full = np.zeros((len(z) - 1) * stride + len(kernel))
    for i in range(len(z)):
        full[i * stride : i * stride + len(kernel)] += z[i] * kernel
    return full[: len(full) - 2 * padding]


# %% wrong: zeros after the last number, too
# hint: With stride 2 the length is wrong
def deconvolve(z, kernel, stride, padding):
    k = len(kernel)
    spread = np.zeros(len(z) * stride)
    spread[::stride] = z
    padded = np.pad(spread, k - 1 - padding)
    return np.array([padded[t : t + k] @ kernel[::-1] for t in range(len(padded) - k + 1)])


# %% wrong: the stride is that of the sliding kernel
# hint: With stride 2 the length is wrong
def deconvolve(z, kernel, stride, padding):
    k = len(kernel)
    padded = np.pad(z, k - 1 - padding)
    return np.array([padded[t : t + k] @ kernel[::-1] for t in range(0, len(padded) - k + 1, stride)])


# %% wrong: values are repeated
# hint: With stride 2 the numbers are wrong
def deconvolve(z, kernel, stride, padding):
    k = len(kernel)
    spread = np.repeat(z, stride)[: (len(z) - 1) * stride + 1]
    padded = np.pad(spread, k - 1 - padding)
    return np.array([padded[t : t + k] @ kernel[::-1] for t in range(len(padded) - k + 1)])


# %% wrong: values are interpolated
# hint: With stride 2 the numbers are wrong
def deconvolve(z, kernel, stride, padding):
    n = (len(z) - 1) * stride + 1
    spread = np.interp(np.arange(n), np.arange(len(z)) * stride, z)
    full = np.convolve(spread, kernel)
    return full[padding : len(full) - padding]


# %% wrong: the padding is counted in inputs
# hint: Stride and padding work alone, but not together
def deconvolve(z, kernel, stride, padding):
    full = np.zeros((len(z) - 1) * stride + len(kernel))
    for i in range(len(z)):
        full[i * stride : i * stride + len(kernel)] += z[i] * kernel
    return full[padding * stride : len(full) - padding * stride]


# %% task: output-size
# %% right: tries all sizes by the formula
def restored_sizes(stamps, k, s, p):
    n = (len(stamps) - k) // s + 1
    restored = {}
    for m in range(1, len(stamps) + s + 1):
        if m + 2 * p >= k and (m + 2 * p - k) // s + 1 == n:
            vector = [stamps[p + i] if p + i < len(stamps) else 0.0 for i in range(m)]
            restored[m] = vector
    return restored


# %% right: in torch
def restored_sizes(stamps, k, s, p):
    out = {}
    for output_padding in range(s):
        m = len(stamps) - 2 * p + output_padding
        x = torch.zeros(p + m + s, dtype=torch.float64)
        n = min(len(stamps), len(x))
        x[:n] = torch.from_numpy(stamps)[:n]
        out[m] = x[p : p + m]
    return out


# %% wrong: one size too many
# hint: With stride 1 only one size
def restored_sizes(stamps, k, s, p):
    smallest = len(stamps) - 2 * p
    longer = np.append(stamps, np.zeros(s + 1))
    return {m: longer[p : p + m] for m in range(smallest, smallest + s + 1)}


# %% wrong: padding is counted once
# hint: With stride 1 only one size
def restored_sizes(stamps, k, s, p):
    smallest = len(stamps) - p
    longer = np.append(stamps, np.zeros(s))
    return {smallest + e: longer[p : p + smallest + e] for e in range(s)}


# %% wrong: the formula solved without the rounding
# hint: Only one size is given back
def restored_sizes(stamps, k, s, p):
    n = (len(stamps) - k) // s + 1
    m = (n - 1) * s + k - 2 * p
    return {m: stamps[p : p + m]}


# %% wrong: n times s
# hint: Only one size is given back
def restored_sizes(stamps, k, s, p):
    n = (len(stamps) - k) // s + 1
    m = n * s
    return {m: np.append(stamps, np.zeros(s))[p : p + m]}


# %% wrong: two sizes, whatever the stride
# hint: Some size is missing or too many
def restored_sizes(stamps, k, s, p):
    m = len(stamps) - 2 * p
    longer = np.append(stamps, 0.0)
    if s == 1:
        return {m: stamps[p : p + m]}
    return {m: longer[p : p + m], m + 1: longer[p : p + m + 1]}


# %% wrong: the sizes below instead of above
# hint: Some size is missing or too many
def restored_sizes(stamps, k, s, p):
    m = len(stamps) - 2 * p
    return {m - e: stamps[p : p + m - e] for e in range(s)}


# %% wrong: too short where the stamps end
# hint: A vector has not the size that it stands for
def restored_sizes(stamps, k, s, p):
    m = len(stamps) - 2 * p
    return {m + e: stamps[p : p + m + e] for e in range(s)}


# %% wrong: appends zeros
# hint: Zeros were appended
def restored_sizes(stamps, k, s, p):
    middle = stamps[p : len(stamps) - p]
    return {len(middle) + e: np.append(middle, np.zeros(e)) for e in range(s)}


# %% wrong: pads the middle at its end
# hint: Zeros were appended
def restored_sizes(stamps, k, s, p):
    restored = {}
    for extra in range(s):
        m = len(stamps) - 2 * p + extra
        vector = np.zeros(m)
        vector[: m - extra] = stamps[p : p + m - extra]
        restored[m] = vector
    return restored


# %% wrong: cuts everything off at the end
# hint: Even the smallest size is not what it should be
def restored_sizes(stamps, k, s, p):
    m = len(stamps) - 2 * p
    longer = np.append(stamps, np.zeros(s))
    return {m + e: longer[: m + e] for e in range(s)}


# %% wrong: what is added comes in front
# hint: The larger sizes are wrong
def restored_sizes(stamps, k, s, p):
    m = len(stamps) - 2 * p
    longer = np.concatenate([np.zeros(s), stamps])
    return {m + e: longer[s + p - e : s + p + m] for e in range(s)}


# %% wrong: repeats the last number
# hint: The larger sizes are wrong
def restored_sizes(stamps, k, s, p):
    middle = stamps[p : len(stamps) - p]
    return {len(middle) + e: np.pad(middle, (0, e), mode="edge") for e in range(s)}


# %% task: side-channel-bits
# %% right: loops, natural logarithms
def side_channel(maps, kernel_size, n_codes):
    bits = 0.0
    for c, h, w in maps:
        n_cells = c * (h / kernel_size) * (w / kernel_size)
        bits += n_cells * np.log(kernel_size * kernel_size) / np.log(2)
    return bits, bits / (n_codes * 32)


# %% right: pools to find the sizes
def side_channel(maps, kernel_size, n_codes):
    n_cells = sum(F.max_pool2d(torch.zeros(size), kernel_size).numel() for size in maps)
    bits = 2 * n_cells * torch.log2(torch.tensor(float(kernel_size), dtype=torch.float64))
    return bits, bits / (32 * n_codes)


# %% wrong: no channels
# hint: The channels are missing
def side_channel(maps, kernel_size, n_codes):
    bits = sum((h // kernel_size) * (w // kernel_size) * np.log2(kernel_size**2) for _, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: two bits a pixel
# hint: The pixels before pooling were counted
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * h * w * np.log2(kernel_size**2) for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: a bit for each place
# hint: How many yes-or-no questions tell one of four places
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * kernel_size**2 for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: a bit for each cell, log2 of the edge
# hint: How many yes-or-no questions tell one of four places
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * np.log2(kernel_size) for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: torch's indices in memory
# hint: That is how an index is kept in memory
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * 64 for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: places in the whole plane
# hint: That is how an index is kept in memory
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * np.log2(h * w) for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: natural logarithm
# hint: For one pooling by 2 x 2 the number of bits is wrong
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * np.log(kernel_size**2) for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: the last pooling only
# hint: With two poolings the decoder gets two sets
def side_channel(maps, kernel_size, n_codes):
    c, h, w = maps[-1]
    bits = c * (h // kernel_size) * (w // kernel_size) * np.log2(kernel_size**2)
    return bits, bits / (32 * n_codes)


# %% wrong: always two bits
# hint: With cells of 3 x 3 it is wrong
def side_channel(maps, kernel_size, n_codes):
    bits = 2 * sum(c * (h // kernel_size) * (w // kernel_size) for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: cells are a quarter of the pixels
# hint: With cells of 3 x 3 it is wrong
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * h * w // 4 * np.log2(kernel_size**2) for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: whole bits for each cell
# hint: With cells of 3 x 3 it is wrong
def side_channel(maps, kernel_size, n_codes):
    bits_a_cell = int(np.ceil(np.log2(kernel_size**2)))
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * bits_a_cell for c, h, w in maps)
    return bits, bits / (32 * n_codes)


# %% wrong: bits by numbers
# hint: Bits were compared with how many numbers
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * np.log2(kernel_size**2) for c, h, w in maps)
    return bits, bits / n_codes


# %% wrong: the code by the positions
# hint: The ratio is not the bits of all the positions
def side_channel(maps, kernel_size, n_codes):
    bits = sum(c * (h // kernel_size) * (w // kernel_size) * np.log2(kernel_size**2) for c, h, w in maps)
    return bits, 32 * n_codes / bits


# %% task: adjoint
# %% right: both matrices, column by column
def is_transpose(conv, deconv, n_in, n_out, generator):
    down = torch.stack([conv(e) for e in torch.eye(n_in, dtype=torch.float64)], dim=1)
    up = torch.stack([deconv(e) for e in torch.eye(n_out, dtype=torch.float64)], dim=1)
    return torch.allclose(up, down.T)


# %% right: the gradient of <conv(x), y> by x
def is_transpose(conv, deconv, n_in, n_out, generator):
    for _ in range(3):
        x = torch.randn(n_in, generator=generator, dtype=torch.float64)
        y = torch.randn(n_out, generator=generator, dtype=torch.float64)
        by_autograd = torch.autograd.functional.vjp(conv, x, y)[1]
        if not np.allclose(by_autograd.numpy(), deconv(y).numpy()):
            return False
    return True


# %% right: one draw, relative to the size
def is_transpose(conv, deconv, n_in, n_out, generator):
    x = torch.randn(n_in, generator=generator, dtype=torch.float64)
    y = torch.randn(n_out, generator=generator, dtype=torch.float64)
    left, right = float(conv(x).dot(y)), float(x.dot(deconv(y)))
    return abs(left - right) <= 1e-8 * (abs(left) + abs(right)) + 1e-12


# %% right: a generous limit
def is_transpose(conv, deconv, n_in, n_out, generator):
    worst = 0.0
    for _ in range(20):
        x = torch.rand(n_in, generator=generator, dtype=torch.float64)
        y = torch.rand(n_out, generator=generator, dtype=torch.float64)
        worst = max(worst, abs((conv(x) * y).sum() - (x * deconv(y)).sum()).item())
    return worst < 1e-4


# %% wrong: asks for the inverse
# hint: Your test accepts the inverse
def is_transpose(conv, deconv, n_in, n_out, generator):
    x = torch.randn(n_in, generator=generator, dtype=torch.float64)
    return torch.allclose(deconv(conv(x)), x)


# %% wrong: asks for the sizes
# hint: Your test accepts the inverse
def is_transpose(conv, deconv, n_in, n_out, generator):
    x = torch.randn(n_in, generator=generator, dtype=torch.float64)
    return conv(x).shape == (n_out,) and deconv(conv(x)).shape == (n_in,)


# %% wrong: ones only
# hint: Your test accepts a deconvolution with its kernel the wrong way round
def is_transpose(conv, deconv, n_in, n_out, generator):
    x, y = torch.ones(n_in, dtype=torch.float64), torch.ones(n_out, dtype=torch.float64)
    return torch.isclose(conv(x) @ y, x @ deconv(y)).item()


# %% wrong: only lengths
# hint: Your test accepts a deconvolution with its kernel the wrong way round
def is_transpose(conv, deconv, n_in, n_out, generator):
    down = torch.stack([conv(e) for e in torch.eye(n_in, dtype=torch.float64)], dim=1)
    up = torch.stack([deconv(e) for e in torch.eye(n_out, dtype=torch.float64)], dim=1)
    return torch.allclose(torch.linalg.norm(down), torch.linalg.norm(up))


# %% wrong: by their absolute values
# hint: Your test accepts three times, or minus, the transpose
def is_transpose(conv, deconv, n_in, n_out, generator):
    x = torch.randn(n_in, generator=generator, dtype=torch.float64)
    y = torch.randn(n_out, generator=generator, dtype=torch.float64)
    return torch.allclose((conv(x) @ y).abs(), (x @ deconv(y)).abs())


# %% wrong: the cosine of the two matrices
# hint: Your test accepts three times, or minus, the transpose
def is_transpose(conv, deconv, n_in, n_out, generator):
    down = torch.stack([conv(e) for e in torch.eye(n_in, dtype=torch.float64)]).flatten()
    up = torch.stack([deconv(e) for e in torch.eye(n_out, dtype=torch.float64)]).T.flatten()
    return bool(torch.cosine_similarity(down, up, dim=0) > 1 - 1e-9)


# %% wrong: without the borders
# hint: Your test accepts a deconvolution that is wrong in one weight
def is_transpose(conv, deconv, n_in, n_out, generator):
    down = torch.stack([conv(e) for e in torch.eye(n_in, dtype=torch.float64)], dim=1)
    up = torch.stack([deconv(e) for e in torch.eye(n_out, dtype=torch.float64)], dim=1)
    return torch.allclose(up.T[:, 1:-1], down[:, 1:-1])


# %% wrong: the answer to a single 1 in the middle
# hint: Your test accepts a deconvolution that is wrong in one weight
def is_transpose(conv, deconv, n_in, n_out, generator):
    y = torch.zeros(n_out, dtype=torch.float64)
    y[n_out // 2] = 1
    for i in range(n_in):
        x = torch.zeros(n_in, dtype=torch.float64)
        x[i] = 1
        if not torch.isclose(conv(x) @ y, x @ deconv(y)):
            return False
    return True


# %% wrong: the matrices must be equal
# hint: Your test turns down true transposes
def is_transpose(conv, deconv, n_in, n_out, generator):
    down = torch.stack([conv(e) for e in torch.eye(n_in, dtype=torch.float64)], dim=1)
    up = torch.stack([deconv(e) for e in torch.eye(n_out, dtype=torch.float64)], dim=1)
    return down.shape == up.shape and torch.allclose(down, up)


# %% wrong: transpose and inverse at once
# hint: Your test turns down true transposes
def is_transpose(conv, deconv, n_in, n_out, generator):
    x = torch.randn(n_in, generator=generator, dtype=torch.float64)
    y = torch.randn(n_out, generator=generator, dtype=torch.float64)
    return torch.allclose(conv(x) @ y, x @ deconv(y)) and torch.allclose(deconv(conv(x)), x)


# %% wrong: to the last digit
# hint: Your test turns down a true transpose because of rounding
def is_transpose(conv, deconv, n_in, n_out, generator):
    for _ in range(10):
        x = torch.randn(n_in, generator=generator, dtype=torch.float64)
        y = torch.randn(n_out, generator=generator, dtype=torch.float64)
        if (conv(x) * y).sum() != (x * deconv(y)).sum():
            return False
    return True


# %% wrong: the smallest possible limit
# hint: Your test turns down a true transpose because of rounding
def is_transpose(conv, deconv, n_in, n_out, generator):
    for _ in range(10):
        x = torch.randn(n_in, generator=generator, dtype=torch.float64)
        y = torch.randn(n_out, generator=generator, dtype=torch.float64)
        if abs(conv(x) @ y - x @ deconv(y)) > 1e-15:
            return False
    return True
