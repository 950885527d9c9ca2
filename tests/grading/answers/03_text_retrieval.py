# %% task: bag-of-words
# %% right: Counter and a list of columns
from collections import Counter


def bags_of_words(train_texts, queries):
    vocabulary = sorted(set(" ".join(train_texts).lower().split()))

    def bag(text):
        counts = Counter(text.lower().split())
        return [counts[word] for word in vocabulary]

    return vocabulary, np.array([bag(t) for t in train_texts]), np.array([bag(t) for t in queries])


# %% right: comparing every word with every column, torch
def bags_of_words(train_texts, queries):
    vocabulary = np.unique([word for text in train_texts for word in text.lower().split()])

    def bags(texts):
        rows = [(np.array(text.lower().split())[:, None] == vocabulary).sum(axis=0) for text in texts]
        return torch.as_tensor(np.array(rows), dtype=torch.float32)

    return list(vocabulary), bags(train_texts), bags(queries)


# %% right: list.index, unknown words skipped
def bags_of_words(train_texts, queries):
    vocabulary = []
    for text in train_texts:
        for word in text.lower().split():
            if word not in vocabulary:
                vocabulary.append(word)
    vocabulary.sort()
    result = []
    for texts in (train_texts, queries):
        counts = np.zeros((len(texts), len(vocabulary)), dtype=np.int64)
        for i, text in enumerate(texts):
            for word in text.lower().split():
                try:
                    counts[i, vocabulary.index(word)] += 1
                except ValueError:
                    pass
        result.append(counts)
    return (vocabulary, *result)


# %% wrong: no thought of unknown words
# hint: A query with a word that no training text has
def bags_of_words(train_texts, queries):
    vocabulary = sorted({w for t in train_texts for w in t.lower().split()})
    column = {w: i for i, w in enumerate(vocabulary)}

    def count(texts):
        counts = np.zeros((len(texts), len(vocabulary)))
        for i, t in enumerate(texts):
            for w in t.lower().split():
                counts[i, column[w]] += 1
        return counts

    return vocabulary, count(train_texts), count(queries)


# %% wrong: the queries' words are in the vocabulary
# hint: A word that only a query uses has a column
def bags_of_words(train_texts, queries):
    texts = [t.lower().split() for t in train_texts + queries]
    vocabulary = sorted({w for t in texts for w in t})
    counts = np.array([[t.count(w) for w in vocabulary] for t in texts])
    return vocabulary, counts[: len(train_texts)], counts[len(train_texts) :]


# %% wrong: a vocabulary for each set
# hint: Texts and queries have different numbers of columns
def bags_of_words(train_texts, queries):
    def count(texts):
        texts = [t.lower().split() for t in texts]
        vocabulary = sorted({w for t in texts for w in t})
        return vocabulary, np.array([[t.count(w) for w in vocabulary] for t in texts])

    vocabulary, train_counts = count(train_texts)
    return vocabulary, train_counts, count(queries)[1]


# %% wrong: capital letters are kept
# hint: The vocabulary tells 'The' from 'the'
def bags_of_words(train_texts, queries):
    vocabulary = sorted({w for t in train_texts for w in t.split()})
    train_counts, query_counts = (
        np.array([[t.split().count(w) for w in vocabulary] for t in texts]) for texts in (train_texts, queries)
    )
    return vocabulary, train_counts, query_counts


# %% wrong: in the order of their first use
# hint: The vocabulary is not the words of the training texts, each once
def bags_of_words(train_texts, queries):
    vocabulary = list(dict.fromkeys(w for t in train_texts for w in t.lower().split()))
    train_counts, query_counts = (
        np.array([[t.lower().split().count(w) for w in vocabulary] for t in texts]) for texts in (train_texts, queries)
    )
    return vocabulary, train_counts, query_counts


# %% wrong: shares of the text
# hint: Some entries are not whole numbers
def bags_of_words(train_texts, queries):
    vocabulary = sorted({w for t in train_texts for w in t.lower().split()})

    def bag(text):
        words = text.lower().split()
        return [words.count(w) / len(words) for w in vocabulary]

    return vocabulary, np.array([bag(t) for t in train_texts]), np.array([bag(t) for t in queries])


# %% wrong: present or not
# hint: Nothing is counted beyond 1
def bags_of_words(train_texts, queries):
    vocabulary = sorted({w for t in train_texts for w in t.lower().split()})

    def bag(text):
        words = text.lower().split()
        return [int(w in words) for w in vocabulary]

    return vocabulary, np.array([bag(t) for t in train_texts]), np.array([bag(t) for t in queries])


# %% wrong: counts letters, not words
# hint: The counts of the training texts are wrong
def bags_of_words(train_texts, queries):
    vocabulary = sorted({w for t in train_texts for w in t.lower().split()})
    train_counts, query_counts = (
        np.array([[t.lower().count(w) for w in vocabulary] for t in texts]) for texts in (train_texts, queries)
    )
    return vocabulary, train_counts, query_counts


# %% wrong: unknown words get column -1
# hint: The training texts are counted well, the queries are not
def bags_of_words(train_texts, queries):
    vocabulary = sorted({w for t in train_texts for w in t.lower().split()})
    column = {w: i for i, w in enumerate(vocabulary)}

    def count(texts):
        counts = np.zeros((len(texts), len(vocabulary)))
        for i, t in enumerate(texts):
            for w in t.lower().split():
                counts[i, column.get(w, -1)] += 1
        return counts

    return vocabulary, count(train_texts), count(queries)


# %% wrong: searchsorted finds a neighbour of an unknown word, or the end
# hint: A query with a word that no training text has
def bags_of_words(train_texts, queries):
    vocabulary = np.unique([w for t in train_texts for w in t.lower().split()])

    def count(texts):
        counts = np.zeros((len(texts), len(vocabulary)))
        for i, t in enumerate(texts):
            np.add.at(counts[i], np.searchsorted(vocabulary, t.lower().split()), 1)
        return counts

    return list(vocabulary), count(train_texts), count(queries)


# %% wrong: capital letters are kept in the queries only
# hint: The training texts are counted well, the queries are not
def bags_of_words(train_texts, queries):
    vocabulary = sorted({w for t in train_texts for w in t.lower().split()})
    train_counts = np.array([[t.lower().split().count(w) for w in vocabulary] for t in train_texts])
    query_counts = np.array([[t.split().count(w) for w in vocabulary] for t in queries])
    return vocabulary, train_counts, query_counts


# %% task: tf-idf
# %% right: a loop over words
import math


def tf_idf(train_counts, query_counts):
    n = train_counts.shape[0]
    train_weights, query_weights = np.zeros(train_counts.shape), np.zeros(query_counts.shape)
    for w in range(train_counts.shape[1]):
        df = sum(1 for c in train_counts[:, w] if c > 0)
        idf = math.log(1 + n) - math.log(1 + df) + 1
        train_weights[:, w] = train_counts[:, w] * idf
        query_weights[:, w] = query_counts[:, w] * idf
    return train_weights, query_weights


# %% right: torch, and a diagonal matrix
def tf_idf(train_counts, query_counts):
    x, q = (torch.as_tensor(counts, dtype=torch.float32) for counts in (train_counts, query_counts))
    df = torch.count_nonzero(x, dim=0)
    scale = torch.diag(1 + torch.log((1 + len(x)) / (1 + df)))
    return x @ scale, q @ scale


# %% wrong: an array of the counts' type
# hint: The weights are whole numbers
def tf_idf(train_counts, query_counts):
    n = len(train_counts)
    idf = np.log((1 + n) / (1 + (train_counts > 0).sum(axis=0))) + 1
    train_weights, query_weights = np.zeros_like(train_counts), np.zeros_like(query_counts)
    for w in range(train_counts.shape[1]):
        train_weights[:, w] = train_counts[:, w] * idf[w]
        query_weights[:, w] = query_counts[:, w] * idf[w]
    return train_weights, query_weights


# %% wrong: the textbook's idf, ln n / df
# hint: A word that stands in every training text has weight 0
def tf_idf(train_counts, query_counts):
    idf = np.log(len(train_counts) / (train_counts > 0).sum(axis=0).clip(min=1))
    return train_counts * idf, query_counts * idf


# %% wrong: the last one is forgotten
# hint: A word that stands in every training text has weight 0
def tf_idf(train_counts, query_counts):
    idf = np.log((1 + len(train_counts)) / (1 + (train_counts > 0).sum(axis=0)))
    return train_counts * idf, query_counts * idf


# %% wrong: no ones inside the logarithm
# hint: A weight is infinite or not a number
def tf_idf(train_counts, query_counts):
    idf = np.log(len(train_counts) / (train_counts > 0).sum(axis=0)) + 1
    return train_counts * idf, query_counts * idf


# %% wrong: how often the word is used
# hint: The frequency of a word is the number of texts
def tf_idf(train_counts, query_counts):
    idf = np.log((1 + len(train_counts)) / (1 + train_counts.sum(axis=0))) + 1
    return train_counts * idf, query_counts * idf


# %% wrong: frequencies of everything
# hint: The queries took part in the frequencies
def tf_idf(train_counts, query_counts):
    counts = np.concatenate([train_counts, query_counts])
    idf = np.log((1 + len(counts)) / (1 + (counts > 0).sum(axis=0))) + 1
    return train_counts * idf, query_counts * idf


# %% wrong: one helper for both
# hint: The queries were weighed by frequencies among the queries
def tf_idf(train_counts, query_counts):
    def weigh(counts):
        return counts * (np.log((1 + len(counts)) / (1 + (counts > 0).sum(axis=0))) + 1)

    return weigh(train_counts), weigh(query_counts)


# %% wrong: the logarithm to base 10
# hint: The weights are not counts times the formula
def tf_idf(train_counts, query_counts):
    idf = np.log10((1 + len(train_counts)) / (1 + (train_counts > 0).sum(axis=0))) + 1
    return train_counts * idf, query_counts * idf


# %% wrong: rows of length one, as scikit-learn makes them
# hint: The weights are not counts times the formula
def tf_idf(train_counts, query_counts):
    idf = np.log((1 + len(train_counts)) / (1 + (train_counts > 0).sum(axis=0))) + 1
    train_weights, query_weights = train_counts * idf, query_counts * idf
    return (
        train_weights / np.linalg.norm(train_weights, axis=1, keepdims=True).clip(1e-12),
        query_weights / np.linalg.norm(query_weights, axis=1, keepdims=True).clip(1e-12),
    )


# %% wrong: the number of words for the number of texts
# hint: The weights are not counts times the formula
def tf_idf(train_counts, query_counts):
    n = train_counts.shape[1]
    idf = np.log((1 + n) / (1 + (train_counts > 0).sum(axis=0))) + 1
    return train_counts * idf, query_counts * idf


# %% task: softmax-over-words
# %% right: torch's cross-entropy takes probabilities as targets
def text_loss(logits, counts):
    total = counts.sum(dim=1, keepdim=True)
    shares = torch.where(total > 0, counts / total.clamp(min=1), 0.0)
    return torch.nn.functional.cross_entropy(logits, shares)


# %% right: a loop over texts, logsumexp
def text_loss(logits, counts):
    loss = logits.sum() * 0
    for z, c in zip(logits, counts):
        if c.sum() > 0:
            loss = loss + torch.logsumexp(z, dim=0) - (c * z).sum() / c.sum()
    return loss / len(logits)


# %% right: NaN replaced afterwards, shape (1,) accepted
def text_loss(logits, counts):
    shares = torch.nan_to_num(counts.double() / counts.double().sum(1, keepdim=True))
    shifted = logits - logits.max(dim=1, keepdim=True).values
    log_q = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -(shares * log_q).sum().reshape(1) / logits.shape[0]


# %% wrong: a plain number
# hint: The loss has lost its way back
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return -(shares * torch.log_softmax(logits, dim=1)).sum(dim=1).mean().item()


# %% wrong: one number a text
# hint: There is one number a text
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return -(shares * torch.log_softmax(logits, dim=1)).sum(dim=1)


# %% wrong: the sum over the batch
# hint: The texts are added up
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return -(shares * torch.log_softmax(logits, dim=1)).sum()


# %% wrong: counts as they are
# hint: A text with 25 times as many words
def text_loss(logits, counts):
    return torch.nn.functional.cross_entropy(logits, counts)


# %% wrong: per word of the batch
# hint: A text with 25 times as many words
def text_loss(logits, counts):
    return -(counts * torch.log_softmax(logits, dim=1)).sum() / counts.sum()


# %% wrong: the mean over words, too
# hint: The mean also runs over the words
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return -(shares * torch.log_softmax(logits, dim=1)).mean()


# %% wrong: squared error of the shares
# hint: Words that are there were predicted to be all but impossible
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return ((torch.softmax(logits, dim=1) - shares) ** 2).sum(dim=1).mean()


# %% wrong: mean squared error
# hint: Words that are there were predicted to be all but impossible
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.nn.functional.mse_loss(torch.softmax(logits, dim=1), shares)


# %% wrong: a softmax of the softmax
# hint: Words that are there were predicted to be all but impossible
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    q = torch.softmax(logits, dim=1)
    return torch.nn.functional.cross_entropy(q, shares)


# %% wrong: probabilities over the texts
# hint: The value is not the cross-entropy
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return -(shares * torch.log_softmax(logits, dim=0)).sum(dim=1).mean()


# %% wrong: the KL divergence
# hint: The value is not the cross-entropy
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.nn.functional.kl_div(torch.log_softmax(logits, dim=1), shares, reduction="batchmean")


# %% wrong: a yes or no for each word
# hint: The value is not the cross-entropy
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, shares, reduction="sum") / len(logits)


# %% wrong: the logarithm of a softmax
# hint: With large logits the loss is not finite
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    q = torch.softmax(logits.double(), dim=1).float()
    return -(shares * torch.log(q)).sum(dim=1).mean()


# %% wrong: a small number keeps the logarithm finite
# hint: With large logits the loss is not finite
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return -(shares * torch.log(torch.softmax(logits, dim=1) + 1e-8)).sum(dim=1).mean()


# %% wrong: an empty text divided by 0
# hint: A text without words gives NaN
def text_loss(logits, counts):
    shares = counts / counts.sum(dim=1, keepdim=True)
    return -(shares * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


# %% wrong: empty texts are left out of the mean
# hint: A text without words should cost 0
def text_loss(logits, counts):
    some = counts.sum(dim=1) > 0
    shares = counts[some] / counts[some].sum(dim=1, keepdim=True)
    return -(shares * torch.log_softmax(logits[some], dim=1)).sum(dim=1).mean()


# %% wrong: an empty text asks for all words equally
# hint: A text without words should cost 0
def text_loss(logits, counts):
    counts = counts + 1e-9
    shares = counts / counts.sum(dim=1, keepdim=True)
    return -(shares * torch.log_softmax(logits, dim=1)).sum(dim=1).mean()


# %% task: cosine
# %% right: torch
def cosine_similarities(queries, documents):
    q, d = (torch.nn.functional.normalize(torch.as_tensor(x).float(), dim=1) for x in (queries, documents))
    return q @ d.T


# %% right: two loops
def cosine_similarities(queries, documents):
    result = np.zeros((len(queries), len(documents)))
    for i, q in enumerate(queries):
        for j, d in enumerate(documents):
            length = np.sqrt(q @ q) * np.sqrt(d @ d)
            if length > 0:
                result[i, j] = q @ d / length
    return result


# %% right: NaN replaced afterwards
def cosine_similarities(queries, documents):
    with np.errstate(all="ignore"):
        q = queries / np.linalg.norm(queries, axis=-1, keepdims=True)
        d = documents / np.linalg.norm(documents, axis=-1, keepdims=True)
        return np.nan_to_num(np.einsum("iw,jw->ij", q, d))


# %% wrong: one row a document
# hint: Every query is to be compared with every document
def cosine_similarities(queries, documents):
    q = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    d = documents / np.maximum(np.linalg.norm(documents, axis=1, keepdims=True), 1e-12)
    return d @ q.T


# %% wrong: pair by pair
# hint: Every query is to be compared with every document
def cosine_similarities(queries, documents):
    return torch.cosine_similarity(torch.as_tensor(queries), torch.as_tensor(documents), dim=1).numpy()


# %% wrong: lengths along the wrong axis
# hint: How near a query is to a document depends on what else
def cosine_similarities(queries, documents):
    q = queries / np.maximum(np.linalg.norm(queries, axis=0), 1e-12)
    d = documents / np.maximum(np.linalg.norm(documents, axis=0), 1e-12)
    return q @ d.T


# %% wrong: one length for the whole matrix
# hint: How near a query is to a document depends on what else
def cosine_similarities(queries, documents):
    return queries @ documents.T / (np.linalg.norm(queries) * np.linalg.norm(documents))


# %% wrong: the inner product
# hint: A document repeated twelve times
def cosine_similarities(queries, documents):
    return queries @ documents.T


# %% wrong: from the Euclidean distance
# hint: A document repeated twelve times
def cosine_similarities(queries, documents):
    return 1 / (1 + np.linalg.norm(queries[:, None] - documents, axis=2))


# %% wrong: only the document's length
# hint: A query that is written five times over
def cosine_similarities(queries, documents):
    length = np.linalg.norm(documents, axis=1)
    return queries @ documents.T / np.where(length == 0, 1, length)


# %% wrong: the cosine distance
# hint: A vector has 0 with itself
def cosine_similarities(queries, documents):
    q = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    d = documents / np.maximum(np.linalg.norm(documents, axis=1, keepdims=True), 1e-12)
    return 1 - q @ d.T


# %% wrong: the angle
# hint: A vector has 0 with itself
def cosine_similarities(queries, documents):
    q = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    d = documents / np.maximum(np.linalg.norm(documents, axis=1, keepdims=True), 1e-12)
    return np.arccos(np.clip(q @ d.T, -1, 1))


# %% wrong: a correlation
# hint: The lengths do not matter, and yet
def cosine_similarities(queries, documents):
    with np.errstate(all="ignore"):
        return np.nan_to_num(np.corrcoef(queries, documents)[: len(queries), len(queries) :])


# %% wrong: negative values cut off
# hint: The lengths do not matter, and yet
def cosine_similarities(queries, documents):
    q = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-12)
    d = documents / np.maximum(np.linalg.norm(documents, axis=1, keepdims=True), 1e-12)
    return np.clip(q @ d.T, 0, 1)


# %% wrong: the empty document divides by 0
# hint: A zero vector gives NaN
def cosine_similarities(queries, documents):
    q = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    d = documents / np.linalg.norm(documents, axis=1, keepdims=True)
    return q @ d.T


# %% wrong: an empty document is the worst of all
# hint: A zero vector shares no word
def cosine_similarities(queries, documents):
    with np.errstate(all="ignore"):
        q = queries / np.linalg.norm(queries, axis=1, keepdims=True)
        d = documents / np.linalg.norm(documents, axis=1, keepdims=True)
        return np.nan_to_num(q @ d.T, nan=-1.0)


# %% task: log-counts-lsa
# %% right: eigenvectors of the words' matrix
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = np.log(1 + train_counts), np.log(1 + query_counts)
    _, vectors = np.linalg.eigh(x.T @ x)
    axes = vectors[:, ::-1][:, :n_codes]
    return x @ axes, q @ axes


# %% right: torch, U times S for the texts
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = (torch.log1p(torch.as_tensor(counts, dtype=torch.float32)) for counts in (train_counts, query_counts))
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    return u[:, :n_codes] * s[:n_codes], q @ vh[:n_codes].mT


# %% wrong: codes of the words
# hint: Each text should get 3 numbers
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = np.log1p(train_counts), np.log1p(query_counts)
    u, s, _ = np.linalg.svd(x.T, full_matrices=False)
    return u[:, :n_codes] * s[:n_codes], q @ u[:, :n_codes]


# %% wrong: all of U's columns
# hint: Each text should get 3 numbers
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = np.log1p(train_counts), np.log1p(query_counts)
    _, _, vt = np.linalg.svd(x, full_matrices=False)
    return x @ vt.T, q @ vt.T


# %% wrong: U without the singular values
# hint: The training texts' codes have lost the singular values
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = np.log1p(train_counts), np.log1p(query_counts)
    u, _, vt = np.linalg.svd(x, full_matrices=False)
    return u[:, :n_codes], q @ vt[:n_codes].T


# %% wrong: raw counts
# hint: These are the codes of the raw counts
def lsa_codes(train_counts, query_counts, n_codes):
    _, _, vt = np.linalg.svd(train_counts.astype(float), full_matrices=False)
    return train_counts @ vt[:n_codes].T, query_counts @ vt[:n_codes].T


# %% wrong: PCA
# hint: A mean was subtracted
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = np.log1p(train_counts), np.log1p(query_counts)
    mean = x.mean(axis=0)
    _, _, vt = np.linalg.svd(x - mean, full_matrices=False)
    return (x - mean) @ vt[:n_codes].T, (q - mean) @ vt[:n_codes].T


# %% wrong: texts and queries decomposed together
# hint: With other queries, the training texts have other codes
def lsa_codes(train_counts, query_counts, n_codes):
    both = np.log1p(np.concatenate([train_counts, query_counts]))
    u, s, _ = np.linalg.svd(both, full_matrices=False)
    codes = u[:, :n_codes] * s[:n_codes]
    return codes[: len(train_counts)], codes[len(train_counts) :]


# %% wrong: the queries have a map of their own
# hint: A query with the very words of a training text
def lsa_codes(train_counts, query_counts, n_codes):
    def codes(counts):
        u, s, _ = np.linalg.svd(np.log1p(counts), full_matrices=False)
        return u[:, :n_codes] * s[:n_codes]

    return codes(train_counts), codes(query_counts)


# %% wrong: no logarithm for the queries
# hint: A query with the very words of a training text
def lsa_codes(train_counts, query_counts, n_codes):
    x = np.log1p(train_counts)
    _, _, vt = np.linalg.svd(x, full_matrices=False)
    return x @ vt[:n_codes].T, query_counts @ vt[:n_codes].T


# %% wrong: eigenvalues come in ascending order
# hint: The codes are not the coordinates
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = np.log1p(train_counts), np.log1p(query_counts)
    _, vectors = np.linalg.eigh(x.T @ x)
    return x @ vectors[:, :n_codes], q @ vectors[:, :n_codes]


# %% wrong: the logarithm to base 2
# hint: The codes are not the coordinates
def lsa_codes(train_counts, query_counts, n_codes):
    x, q = np.log2(1 + train_counts), np.log2(1 + query_counts)
    _, _, vt = np.linalg.svd(x, full_matrices=False)
    return x @ vt[:n_codes].T, q @ vt[:n_codes].T
