"""The sections of a recipe but `network`: a table each, with a doc under every field."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from skysort.core.models import FrozenModel
from skysort.recipe.networks import Share

Protocol = Literal["four-way", "tutorial"]

AUTO_EPOCHS, AUTO_STEPS = 10, 400
"""Of `training.epochs = "auto"`, at least."""
SMALLEST_SHARE_OF_A_BATCH = 4
"""What is left at an epoch's end makes a batch of its own from a fourth of a batch on."""


class Normalisation(FrozenModel):
    """Mean and standard deviation a channel, of pixels scaled to 0 … 1."""

    mean: tuple[float, ...]
    """One figure a channel, subtracted first."""
    std: tuple[Annotated[float, Field(gt=0)], ...]
    """One figure a channel, divided by."""

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(f"{len(self.mean)} means, but {len(self.std)} standard deviations")
        return self


class Pictures(FrozenModel):
    """How pictures come in."""

    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Side of the square the network sees, in pixels. Unset: the named data's own, else 32."""
    channels: Literal[1, 3] | None = None
    """3 for RGB, 1 for grey. Unset: the named data's own, else 3."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """How a picture that is not square becomes square: `stretch` keeps all of it, `crop` cuts out the middle
    square, `pad` adds black on two sides."""
    normalise: Literal["data", "half", "none"] | Normalisation = "data"
    """`data`: mean and standard deviation a channel over the training pictures; `half`: 0.5 and 0.5."""
    protocol: Protocol | None = None
    """How pictures are cut into splits. Unset: `tutorial` for a tutorial's recipe on its data, else `four-way`."""
    shares: str | None = None
    """Percent of the pictures for train, validation, calibration and test, as `50/10/30/10`, where they are cut
    here. Unset: 70/10/10/10, or 80/10/10 where the data has a test split of its own."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the cut into splits; apart from training.seed, so that runs of several seeds share their parts."""
    near_duplicates: Literal["together", "apart"] = "together"
    """Whether pictures that are one picture, saved again, resized or brightened, are kept in one split."""
    group_by: str | None = None
    """A regular expression: pictures of the same match in their paths are kept in one split, or, where it has
    brackets, those of the same text in these, as `cam([0-9]+)_([0-9]{8})`. A path without a match is on its
    own."""
    label_by: str | None = None
    """A regular expression: the label of a picture is what it matches in the path or, where it has brackets, what
    the first of them matches, as `(cat|dog)_` in `photos/cat_17.jpg`. Unset: the class folder is the label."""
    burst_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Pictures of one folder and camera taken less than so many seconds one after another, by the time in their
    EXIF data, are kept in one split; 0 for no such groups."""

    @property
    def percentages(self) -> tuple[int, ...] | None:
        """The shares as numbers; None where they are unset."""
        return None if self.shares is None else tuple(map(int, self.shares.split("/")))

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> Self:
        if self.shares is None:
            return self
        is_whole = re.fullmatch(r"[0-9]{1,2}(/[0-9]{1,2}){3}", self.shares) is not None
        if not is_whole or min(self.percentages or ()) < 1 or sum(self.percentages or ()) != 100:
            raise ValueError(
                "pictures.shares: expected four percentages from 1 on that add up to 100, as 70/10/10/10, for"
                f" train, validation, calibration and test; found '{self.shares}'"
            )
        if self.protocol == "tutorial":
            raise ValueError(
                "pictures.shares is for pictures.protocol = 'four-way'; 'tutorial' takes the data's own splits"
            )
        return self

    @model_validator(mode="after")
    def _are_expressions(self) -> Self:
        for name, pattern in {"group_by": self.group_by, "label_by": self.label_by}.items():
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise ValueError(f"pictures.{name}: no regular expression, {error}: {pattern!r}") from None
        return self


class Loss(FrozenModel):
    """What training makes small."""

    name: Literal[
        "cross-entropy", "negative-log-likelihood", "mean-squared-error", "regression", "binary-cross-entropy"
    ] = "cross-entropy"
    """`cross-entropy` is on logits, `negative-log-likelihood` on their log-softmax, `mean-squared-error` between
    their softmax and 1 for the true class, 0 for others. The last two take a network of one output, and two
    classes: `regression` is its squared error against 0 and 1, `binary-cross-entropy` takes it for a logit."""
    label_smoothing: Share = 0.0
    """Share of the true class's probability that training spreads evenly over all classes (Szegedy et al., 2015);
    for cross-entropy. The losses of history.csv have it in, those of the finished classifier do not."""
    class_weights: Literal["none", "balanced"] = "none"
    """How much a picture counts: `balanced`, the more the rarer its class (pictures / classes / pictures of the
    class), in a weighted mean over the batch, a mixed picture by its share of each class; for cross-entropy and
    negative-log-likelihood. The losses of history.csv are weighted, too, and probabilities come out as if all
    classes were equally frequent."""
    l1: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the sum of the parameters' absolute values, added to what a step makes smaller; losses that are
    reported leave penalties out."""
    l2: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the sum of the parameters' squares, likewise; twice this is weight_decay of plain SGD."""

    @model_validator(mode="after")
    def _smoothing_fits_name(self) -> Self:
        if self.label_smoothing and self.name != "cross-entropy":
            raise ValueError(f"loss.label_smoothing is for cross-entropy, not for {self.name}")
        return self

    @model_validator(mode="after")
    def _weights_fit_name(self) -> Self:
        if self.class_weights != "none" and self.name not in ("cross-entropy", "negative-log-likelihood"):
            raise ValueError(
                f"loss.class_weights is for cross-entropy and negative-log-likelihood, not for {self.name};"
                " training.sampling = 'balanced' is for all"
            )
        return self

    @property
    def has_one_output(self) -> bool:
        """Whether the network has one output for two classes, not one a class."""
        return self.name in ("regression", "binary-cross-entropy")

    def num_outputs(self, num_classes: int) -> int:
        """Return how many outputs a network has for it."""
        return 1 if self.has_one_output else num_classes


class Optimizer(FrozenModel):
    """How a gradient becomes a step; what is not here is as PyTorch has it."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "muon"] = "sgd"
    """`muon` makes the steps of convolutions' filters orthogonal (Jordan, 2024), and leaves the rest to sgd."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Step length at the start."""
    momentum: Share = 0.0
    """Share of the last step that is kept; for sgd, rmsprop and muon."""
    linear_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Step length of linear layers' weights at the start, for muon. Unset: as learning_rate."""
    bias_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Step length of biases, and of what normalisation learns, at the start, for muon. Unset: as learning_rate."""
    sgd_momentum: Share | None = None
    """Share of the last step that is kept of linear layers and biases, for muon. Unset: as momentum."""
    nesterov: bool = False
    """Take the gradient where the momentum leads; for sgd."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Pull of the weights towards zero, added to the gradient (by adamw taken off the weights themselves)."""

    @model_validator(mode="after")
    def _momentum_fits_name(self) -> Self:
        if self.momentum and self.name not in ("sgd", "rmsprop", "muon"):
            raise ValueError(f"optimizer.momentum is for sgd, rmsprop and muon; {self.name} has its own")
        if self.name == "muon" and self.weight_decay:
            raise ValueError("optimizer.weight_decay is not for muon, which keeps the norm of filters itself")
        of_muon = {self.linear_learning_rate, self.bias_learning_rate, self.sgd_momentum}
        if self.name != "muon" and of_muon != {None}:
            raise ValueError("learning rates or momentum of linear layers and biases take optimizer.name = 'muon'")
        if self.nesterov and (self.name != "sgd" or not self.momentum):
            raise ValueError("optimizer.nesterov takes optimizer.name = 'sgd' and optimizer.momentum above 0")
        return self


class Schedule(FrozenModel):
    """How the learning rate changes over the run."""

    name: Literal["constant", "linear", "cosine"] = "constant"
    """`linear` and `cosine` fall from the learning rate to zero at the last step."""


class Augment(FrozenModel):
    """What is done to training pictures, anew in every epoch and in this order; those in use are left as they are,
    but for the last field."""

    flip: Literal["none", "random", "alternating", "auto"] = "none"
    """Mirror left and right: `random`, every second picture on average; `alternating`, in odd epochs about half of
    the pictures, in even ones the others (Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, 2024). `auto`:
    `alternating`, but `none` for data whose mirror images mean something else."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Move by up to so many pixels each way; this is what a random crop of a padded picture does."""
    border: Literal["black", "reflect"] = "black"
    """What moves in when pictures are shifted or rotated: black, or their mirror images but for the edge."""
    resized_crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Cut out a box and stretch it to the whole, bilinearly: the smallest share of the area it may have; 1: never.
    Its width is 3/4 to 4/3 of its height (Szegedy et al., Going deeper with convolutions, 2014)."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Rotate about the middle by up to so many degrees each way, bilinearly; before the crop."""
    colour: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Multiply brightness, contrast and saturation each by 1 - colour … 1 + colour; grey has no saturation."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Cover a square of so many pixels a side, its middle anywhere, with the picture's mean colour; 0 for none
    (DeVries, Taylor, Improved regularization of convolutional neural networks with cutout, 2017)."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Mix two pictures, and what a network is to say of them, by a share that a batch draws from Beta(mixup,
    mixup); 0 for never (Zhang et al., mixup: Beyond empirical risk minimization, 2017)."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """Paste a box of one picture into another, its area's share drawn likewise (Yun et al., CutMix, 2019). With
    mixup too, a fair coin decides for each batch."""
    test_time_flip: bool | Literal["auto"] = False
    """In use, answer with the mean of the logits of a picture and of its mirror image. `auto`: unless those mean
    something else."""

    @property
    def changes_pictures(self) -> bool:
        """Whether training pictures are changed at all."""
        moved = self.flip != "none" or self.shift or self.resized_crop < 1 or self.rotation
        return bool(moved or self.colour or self.cutout or self.mixes_pictures)

    @property
    def mixes_pictures(self) -> bool:
        """Whether pictures have shares of several classes."""
        return self.mixup > 0 or self.cutmix > 0


class Training(FrozenModel):
    """How long and in what portions."""

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = 10
    """Passes over the training pictures; `auto`: ten, or, of few pictures, as many as make 400 steps."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["all"] = 64
    """Pictures a step; `all`: one step an epoch. What is left of an epoch is a step of its own from a fourth of
    this on, else it joins the step before."""
    sampling: Literal["each-once", "balanced"] = "each-once"
    """Which pictures an epoch has: each once, or as many draws shared equally among the classes, so that those of
    rare classes come several times, and those of frequent ones not always. Figures of training in history.csv are
    of what was drawn, and probabilities come out as if all classes were equally frequent."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the initial weights, the order of pictures and the augmentation."""
    log_every: Annotated[int, Field(ge=0)] = 0
    """A row in history.csv every so many steps, besides the row an epoch; 0 for none."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` (or `cuda:1`), or `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads to compute with; 0 for one a core. Other numbers of threads round otherwise."""

    def epochs_for(self, num_pictures: int) -> int:
        """Return the number of epochs for so many training pictures."""
        if self.epochs != "auto":
            return self.epochs
        steps_per_epoch = num_steps(num_pictures, self.pictures_per_step(num_pictures))
        return max(AUTO_EPOCHS, -(-AUTO_STEPS // steps_per_epoch))

    def pictures_per_step(self, num_pictures: int) -> int:
        """Return the batch size for so many training pictures."""
        return num_pictures if self.batch_size == "all" else self.batch_size


def num_steps(num_pictures: int, batch_size: int) -> int:
    """Return how many steps an epoch has.

    The last batch may be smaller than the others, down to a fourth; what would be less goes into the one before,
    which is larger for it. For a step counts as much as any other, however few its pictures: steps of Muon have
    one length, and batch normalisation goes by the batches it saw last. On 48,001 digits, where the last of 193
    batches had a single picture, an epoch 95 % right in training left a network 22 % right on validation.
    """
    fewest = -(-batch_size // SMALLEST_SHARE_OF_A_BATCH)
    return min(num_pictures, max(1, (num_pictures + batch_size - fewest) // batch_size))


class Trust(FrozenModel):
    """How far what comes out is to be trusted."""

    keep_known: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Call a picture `unknown` that is like none of the classes, by a threshold that keeps this share of pictures
    like those of the calibration split. Unset: never, but 0.95 with out-of-distribution pictures."""


class Figure(FrozenModel):
    """One published figure, or one curve of them."""

    what: Literal["accuracy", "mean-loss", "last-batch-loss"]
    """`last-batch-loss` is that of one batch, and as noisy."""
    split: Literal["train", "test"]
    """`test` is what the texts hold out."""
    mode: Literal["training", "evaluation"] = "evaluation"
    """Whether the network was in training mode when it was measured."""
    epochs: tuple[int, ...] = ()
    """After which epochs; empty for the end."""
    values: Annotated[tuple[float, ...], Field(min_length=1)]
    """Shares (0 … 1) or nats; for the end, one a source."""


class Published(FrozenModel):
    """What a text says of the system that a recipe repeats."""

    source: str
    """The source, in words."""
    data: str
    """The named data that it speaks of."""
    figures: tuple[Figure, ...] = ()
    """What it measured; empty for a system that it only describes."""
