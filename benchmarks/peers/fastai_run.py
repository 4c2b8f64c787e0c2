"""fastai, as its quick start trains: resnet34 and fastai's own settings, for as many epochs as the time allows.

Two things differ. The quick start fine-tunes weights that it downloads, with `fine_tune`; from random weights, as
here, it is `fit_one_cycle`. And it brings its photographs to 224 pixels; these stay as large as they are, 32.
"""

from clock import asked

clock = asked()

from fastai.vision.all import (  # noqa: E402
    Callback,
    CancelValidException,
    ImageDataLoaders,
    accuracy,
    resnet34,
    torch,
    vision_learner,
)

loaders = ImageDataLoaders.from_folder(clock.folder, train="train", valid="test")
learner = vision_learner(loaders, resnet34, metrics=accuracy, pretrained=False)
batches = iter(loaders.train)
pictures, _ = next(iter(loaders.valid))


class Unseen(Callback):
    """Leaves held-out pictures for the end, where fastai would look at them after each epoch, too."""

    def before_validate(self) -> None:
        """Skip it."""
        raise CancelValidException


def step() -> None:
    """Forward and backward, to see how long it takes; the weights stay as they are."""
    pictures, labels = next(batches)
    learner.loss_func(learner.model(pictures), labels).backward()
    learner.model.zero_grad()


def answer() -> None:
    """Forward alone."""
    with torch.no_grad():
        learner.model(pictures)


steps = clock.steps_left(step, answer, len(loaders.valid))
epochs = max(1, steps // len(loaders.train))
with learner.no_bar(), learner.no_logging():
    learner.fit_one_cycle(epochs, cbs=Unseen())
    top1 = accuracy(*learner.get_preds())
clock.tell(float(top1), network="resnet34", epochs=epochs)
