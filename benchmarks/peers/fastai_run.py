"""fastai, as its quick start trains on a folder, but from scratch, and for as many epochs as the time allows."""

from clock import asked

clock = asked()

from fastai.vision.all import ImageDataLoaders, accuracy, resnet34, vision_learner  # noqa: E402

loaders = ImageDataLoaders.from_folder(clock.folder, train="train", valid="test")
learner = vision_learner(loaders, resnet34, metrics=accuracy, pretrained=False)
batches = iter(loaders.train)


def step() -> None:
    """Forward and backward, to see how long it takes; the weights stay as they are."""
    pictures, labels = next(batches)
    learner.loss_func(learner.model(pictures), labels).backward()
    learner.model.zero_grad()


steps = clock.steps_left(step)
epochs = max(1, steps // len(loaders.train))
with learner.no_bar(), learner.no_logging():
    # Held-out pictures are looked at once, at the end, not after each epoch.
    del learner.recorder
    learner.fit_one_cycle(epochs)
    _, top1 = learner.validate()
clock.tell(float(top1), network="resnet34", epochs=epochs)
