"""Run by each kernel of the browser tests as it starts: nets are trained on a few batches.

What these tests look at, that widgets answer and show what the notebook computed, holds for any net, so they need no
trained one, and no precision over a thousand queries; nbval executes every notebook as learners do, and `make browser`
does that in the browser, too. A notebook whose nets have learnt nothing breaks claims, which are not judged here.
"""


def _shorten() -> None:
    import course_utils.retrieval as retrieval
    from course_utils import text_search
    from course_utils.claims import table
    from course_utils.models import LinearAutoencoder
    from course_utils.training import Trainer

    fit = Trainer.fit

    def first(data: object, n: int) -> object:
        if isinstance(data, tuple):
            return tuple(first(part, n) for part in data)
        return data[:n] if hasattr(data, "shape") else data

    def fit_a_little(
        self: Trainer, train: object, validation: object = None, *, n_epochs: int, **others: object
    ) -> object:
        if not isinstance(self.model, LinearAutoencoder):  # notebook 1 compares it with a loop written out by hand
            n_epochs = min(n_epochs, 30)  # hundreds, where an epoch is one step
            train = first(train, max(1, 2 // n_epochs) * self.batch_size)
            validation, others = first(validation, 100), {name: first(data, 100) for name, data in others.items()}
        return fit(self, train, validation, n_epochs=n_epochs, **others)

    precisions = retrieval.search_precisions

    def of_some_queries(search: object, queries: object, *, query_labels: object, **others: object) -> object:
        return precisions(search, first(queries, 50), query_labels=query_labels[:50], **others)

    Trainer.fit = fit_a_little
    retrieval.search_precisions = text_search.search_precisions = of_some_queries
    table.differing_data = lambda: {"nets that were hardly trained"}


_shorten()
del _shorten
