"""Run by each kernel of the browser tests as it starts: nets are trained on ten batches, whatever a notebook asks for.

What these tests look at, that widgets answer and show what the notebook computed, holds for any net, so they need no
trained one; nbval executes every notebook as learners do, and `make browser` does that in the browser, too. A notebook
whose nets have learnt nothing breaks claims, which are not judged here.
"""


def _shorten() -> None:
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
            train, validation = first(train, 10 * self.batch_size), first(validation, 100)
            others = {name: first(data, 100) for name, data in others.items()}
            n_epochs = min(n_epochs, 30)  # hundreds, where an epoch is one step
        return fit(self, train, validation, n_epochs=n_epochs, **others)

    Trainer.fit = fit_a_little
    table.differing_data = lambda: {"nets that were hardly trained"}


_shorten()
del _shorten
