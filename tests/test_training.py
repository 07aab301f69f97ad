"""The loop of training says so when there is nothing to learn, or when training goes wrong."""

import pytest
import torch
from torch import nn
from tqdm.notebook import tqdm_notebook

from recsys_utils import training
from recsys_utils.training import train

NAN = float("nan")


class OneNumber(nn.Module):
    """A model of one number; its loss is the square of it."""

    def __init__(self):
        super().__init__()
        self.number = nn.Parameter(torch.zeros(()))

    def reset_parameters(self, seed):
        nn.init.constant_(self.number, 1.0)


def run(model, *, loss=None, validate=lambda: 0.0, epochs=3, learning_rate=0.1):
    def square(batch):
        return model.number.square()

    return train(
        model, lambda generator: [torch.tensor([0, 1]), torch.tensor([2])], loss or square,
        validate, seed=0, epochs=epochs, learning_rate=learning_rate, weight_decay=0.0,
        patience=epochs, progress=False,
    )  # fmt: skip


def test_each_epoch_is_a_row_with_the_mean_loss_of_its_batches():
    history = run(OneNumber(), learning_rate=1e-9)
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["loss"].tolist() == pytest.approx([1, 1, 1])


def test_a_loss_that_is_no_number_names_epoch_batch_and_learning_rate():
    model = OneNumber()
    losses = iter([1.0, 1.0, 1.0, NAN])

    def loss(batch):
        return model.number * next(losses)

    with pytest.raises(ArithmeticError, match=r"epoch 2, batch 2: the loss is nan\. .*than 0\.1;"):
        run(model, loss=loss)


def test_a_learning_rate_that_makes_training_run_away_is_named():
    model = OneNumber()
    with pytest.raises(ArithmeticError, match=r"loss is (nan|inf).*learning_rate than 1e\+30"):
        run(model, learning_rate=1e30)


def test_a_batch_without_ratings_is_named():
    """The mean over no ratings is NaN, as torch has it."""
    with pytest.raises(ArithmeticError, match=r"epoch 1, batch 1: .* no\s+ratings to learn from"):
        run(OneNumber(), loss=lambda batch: torch.zeros(0).mean())


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_validation_that_is_no_number_says_that_there_may_be_no_pairs(value):
    with pytest.raises(ArithmeticError, match=r"epoch 1: the validation is .*no validation pairs"):
        run(OneNumber(), validate=lambda: value)


@pytest.mark.parametrize("epochs", [0, -1])
def test_at_least_one_epoch_is_trained(epochs):
    with pytest.raises(ValueError, match=f"epochs must be at least 1, got {epochs}"):
        run(OneNumber(), epochs=epochs)


def test_of_the_progress_bar_an_empty_text_is_left(monkeypatch):
    """Not its widget, also if training is stopped: JupyterLab would look for it after a reload."""
    shown, left = [], []

    class View:
        def update(self, data, *, raw):
            assert raw
            left.append(data)

    def display(container, *, display_id):
        assert display_id
        shown.append(type(container).__name__)
        return View()

    monkeypatch.setattr(training, "display", display)
    monkeypatch.setattr(training, "tqdm", tqdm_notebook)
    with training.progress_bar(2, True) as bar:
        assert not left
        bar.update(2)
    with pytest.raises(KeyboardInterrupt), training.progress_bar(2, True):
        raise KeyboardInterrupt
    assert shown == ["TqdmHBox"] * 2 and left == [{"text/plain": ""}] * 2
    with training.progress_bar(2, False):
        pass
    assert len(shown) == 2, "nothing at all with progress=False"
