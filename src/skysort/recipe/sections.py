"""The sections of a recipe except `network`: one model per section, with a doc under every field."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from skysort.core.models import FrozenModel
from skysort.recipe.networks import Share

Protocol = Literal["four-way", "tutorial", "folds"]

AUTO_EPOCHS, AUTO_STEPS = 10, 400
"""`training.epochs = "auto"` trains for at least this many epochs and steps."""
SMALLEST_SHARE_OF_A_BATCH = 4
"""The last batch of an epoch has at least a fourth of the batch size."""


class Normalisation(FrozenModel):
    """Mean and standard deviation of each channel, of pixels scaled to 0 … 1."""

    mean: tuple[float, ...]
    """Mean of each channel, subtracted first, such as `[0.49, 0.48, 0.45]`."""
    std: tuple[Annotated[float, Field(gt=0)], ...]
    """Standard deviation of each channel, which pixels are then divided by, such as `[0.25, 0.24, 0.26]`."""

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.mean) != len(self.std):
            raise ValueError(
                "pictures.normalise takes one mean and one standard deviation per channel;"
                f" found {len(self.mean)} means and {len(self.std)} standard deviations"
            )
        return self


class Pictures(FrozenModel):
    """How Skysort reads pictures, labels them and cuts them into splits."""

    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Side of the square that the network sees, in pixels. Unset: that of the built-in data set, else 32."""
    channels: Literal[1, 3] | None = None
    """Channels per picture: 3 for RGB, 1 for grey. Unset: those of the built-in data set, else 3."""
    resize: Literal["stretch", "crop", "pad"] = "stretch"
    """Way to make a picture square: `stretch` changes its proportions, `crop` cuts out the middle square, `pad`
    adds black on two sides."""
    normalise: Literal["data", "half", "none"] | Normalisation = "data"
    """Mean and standard deviation that pixels are normalised by: `data` takes those of each channel over the
    training pictures, `half` takes 0.5 and 0.5, `none` takes 0 and 1. Or give your own, one number per channel,
    such as `{mean = [0.5], std = [0.2]}`."""
    protocol: Protocol | None = None
    """Way to cut pictures into splits: `four-way` makes train, validation, calibration and test; `tutorial` trains
    on all of the data's training split; `folds`, for few pictures and the network `backbone`, judges each picture
    by a head that has not seen it. Unset: `tutorial` for a tutorial's recipe on its data, `folds` for a backbone
    and few pictures, else `four-way`."""
    shares: str | None = None
    """Percentages of the pictures for train, validation, calibration and test, such as `50/10/30/10`. A split that
    the data brings stays as it is. Unset: 70/10/10/10, or 80/10/10 if the data has its own test split."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the cut into splits. It is apart from training.seed, so that runs with different seeds share their
    splits."""
    near_duplicates: Literal["together", "apart"] = "together"
    """Place of near-duplicates (one picture saved again, resized or brightened): `together` keeps them in one
    split, `apart` lets them fall into different splits."""
    group_by: str | None = None
    """Regular expression to group pictures by, such as `cam([0-9]+)_([0-9]{8})`. Pictures whose paths match with
    the same text stay in one split. If the expression has brackets, only the text in them counts. A picture whose
    path does not match is a group of its own."""
    label_by: str | None = None
    """Regular expression that finds the label in a picture's path, such as `(cat|dog)_` for `photos/cat_17.jpg`.
    The label is the text in the first brackets that match, or the whole match if there are no brackets. Unset: the
    name of the class folder is the label."""
    burst_seconds: Annotated[float, Field(ge=0)] = 0.0
    """Longest pause within a burst, in seconds, such as 5. Pictures of one folder and camera that follow each
    other faster, by their EXIF times, stay in one split. 0: do not look for bursts."""

    @property
    def percentages(self) -> tuple[int, ...] | None:
        """The shares as numbers; None if they are unset."""
        return None if self.shares is None else tuple(map(int, self.shares.split("/")))

    @model_validator(mode="after")
    def _shares_make_a_whole(self) -> Self:
        if self.shares is None:
            return self
        is_whole = re.fullmatch(r"[0-9]{1,2}(/[0-9]{1,2}){3}", self.shares) is not None
        if not is_whole or min(self.percentages or ()) < 1 or sum(self.percentages or ()) != 100:
            raise ValueError(
                "pictures.shares: expected four percentages of at least 1 that add up to 100 (train, validation,"
                f" calibration and test), such as 70/10/10/10; found '{self.shares}'"
            )
        if self.protocol == "tutorial":
            raise ValueError(
                "pictures.shares works only with pictures.protocol = 'four-way'; 'tutorial' uses the data's splits"
            )
        if self.protocol == "folds":
            raise ValueError(
                "pictures.shares works only with pictures.protocol = 'four-way'; 'folds' has no splits"
            )
        return self

    @model_validator(mode="after")
    def _are_expressions(self) -> Self:
        for name, pattern in {"group_by": self.group_by, "label_by": self.label_by}.items():
            try:
                re.compile(pattern or "")
            except re.error as error:
                raise ValueError(
                    f"pictures.{name}: expected a regular expression, found {pattern!r} ({error})"
                ) from None
        return self


class Loss(FrozenModel):
    """The loss, which training minimises."""

    name: Literal[
        "cross-entropy", "negative-log-likelihood", "mean-squared-error", "regression", "binary-cross-entropy"
    ] = "cross-entropy"
    """Loss function. `cross-entropy` takes logits, and `negative-log-likelihood` their log-softmax.
    `mean-squared-error` compares their softmax with 1 for the true class and 0 for the others. The last two are
    for two classes and give the network one output: `regression` is its squared error against 0 and 1, and
    `binary-cross-entropy` reads it as a logit."""
    label_smoothing: Share = 0.0
    """Share of the true class's probability that training spreads evenly over all classes (Szegedy et al., 2015),
    for cross-entropy. It is in the losses of history.csv, but not in those of the finished classifier."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weight of each class in the loss, for cross-entropy and negative-log-likelihood. `balanced` weights a class
    by pictures / (classes x pictures of the class), so that rare classes count more; a mixed picture counts by its
    share of each class. The losses of history.csv are weighted too. Probabilities come out as if all classes were
    equally frequent."""
    l1: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the L1 penalty, the sum of the parameters' absolute values. Each step adds it to the loss;
    reported losses leave penalties out."""
    l2: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the L2 penalty, the sum of the parameters' squares. With plain SGD, weight_decay of twice this
    value does the same."""

    @model_validator(mode="after")
    def _smoothing_fits_name(self) -> Self:
        if self.label_smoothing and self.name != "cross-entropy":
            raise ValueError(f"loss.label_smoothing works only with cross-entropy, found {self.name}")
        return self

    @model_validator(mode="after")
    def _weights_fit_name(self) -> Self:
        if self.class_weights != "none" and self.name not in ("cross-entropy", "negative-log-likelihood"):
            raise ValueError(
                "loss.class_weights works only with cross-entropy and negative-log-likelihood, found"
                f" {self.name}; training.sampling = 'balanced' works with every loss"
            )
        return self

    @property
    def has_one_output(self) -> bool:
        """Whether the network has one output for two classes, not one output per class."""
        return self.name in ("regression", "binary-cross-entropy")

    def num_outputs(self, num_classes: int) -> int:
        """Return how many outputs the network needs."""
        return 1 if self.has_one_output else num_classes


class Optimizer(FrozenModel):
    """How a gradient becomes a step. Settings that are not here have PyTorch's defaults."""

    name: Literal["sgd", "adam", "adamw", "rmsprop", "muon"] = "sgd"
    """Optimizer. `muon` makes the steps of the convolutions' filters orthogonal (Jordan, 2024) and updates all
    other parameters by sgd."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Learning rate at the start."""
    momentum: Share = 0.0
    """Momentum: share of the last step that the next one keeps, for sgd, rmsprop and muon."""
    linear_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Learning rate of the linear layers' weights at the start, for muon. Unset: learning_rate."""
    bias_learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Learning rate of biases and of normalisation layers at the start, for muon. Unset: learning_rate."""
    sgd_momentum: Share | None = None
    """Momentum of linear layers and biases, for muon. Unset: momentum."""
    nesterov: bool = False
    """Use Nesterov momentum, for sgd."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay: this times each weight is added to its gradient. adamw shrinks the weights directly
    instead."""

    @model_validator(mode="after")
    def _momentum_fits_name(self) -> Self:
        if self.momentum and self.name not in ("sgd", "rmsprop", "muon"):
            raise ValueError(f"optimizer.momentum works only with sgd, rmsprop and muon, found {self.name}")
        if self.name == "muon" and self.weight_decay:
            raise ValueError("optimizer.weight_decay does not work with muon, which fixes the norm of the filters")
        muon_fields = {self.linear_learning_rate, self.bias_learning_rate, self.sgd_momentum}
        if self.name != "muon" and muon_fields != {None}:
            raise ValueError(
                "optimizer.linear_learning_rate, bias_learning_rate and sgd_momentum need optimizer.name = 'muon',"
                f" found '{self.name}'"
            )
        if self.nesterov and (self.name != "sgd" or not self.momentum):
            raise ValueError("optimizer.nesterov needs optimizer.name = 'sgd' and optimizer.momentum above 0")
        return self


class Schedule(FrozenModel):
    """How the learning rate changes over the run."""

    name: Literal["constant", "linear", "cosine"] = "constant"
    """Learning-rate schedule. `linear` and `cosine` decay to zero at the last step."""


class Augment(FrozenModel):
    """Random changes to training pictures, drawn anew in every epoch and applied in this order. Only the last
    field changes pictures in use."""

    flip: Literal["none", "random", "alternating", "auto"] = "none"
    """Mirror pictures left to right. `random` mirrors each with a probability of one half. `alternating` mirrors
    about half of the pictures in odd epochs and the others in even epochs (Jordan, 94% on CIFAR-10 in 3.29 seconds
    on a single GPU, 2024). `auto` is `alternating`, or `none` for data whose mirror images mean something else."""
    shift: Annotated[int, Field(ge=0)] = 0
    """Shift pictures by up to this many pixels in each direction, as a random crop of a padded picture does."""
    border: Literal["black", "reflect"] = "black"
    """Fill the gaps that a shift or a rotation leaves with black, or with the picture reflected at its edge."""
    resized_crop: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Smallest share of the area that a random crop keeps, such as 0.35; 1: do not crop. The crop is 3/4 to 4/3 as
    wide as it is high, and is resized bilinearly to the whole picture (Szegedy et al., Going deeper with
    convolutions, 2014)."""
    rotation: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Rotate pictures about their middle by up to this many degrees in each direction, bilinearly, before the
    crop."""
    colour: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Multiply brightness, contrast and saturation each by a factor from 1 - colour to 1 + colour. Grey pictures
    have no saturation."""
    cutout: Annotated[int, Field(ge=0)] = 0
    """Side, in pixels, of a square anywhere in the picture that is covered with the picture's mean colour; 0: none
    (DeVries, Taylor, Improved regularization of convolutional neural networks with cutout, 2017)."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Mix two pictures and their labels. Each batch draws the share of the first from Beta(mixup, mixup); 0: never
    (Zhang et al., mixup: Beyond empirical risk minimization, 2017)."""
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """Paste a box of one picture into another and mix their labels by area. Each batch draws the share of the area
    from Beta(cutmix, cutmix); 0: never (Yun et al., CutMix, 2019). If mixup is on too, a fair coin decides for
    each batch."""
    test_time_flip: bool | Literal["auto"] = False
    """Answer, in use, with the mean of the logits of a picture and of its mirror image. `auto` does so unless
    mirror images mean something else."""

    @property
    def changes_pictures(self) -> bool:
        """Whether augmentation changes training pictures at all."""
        moves_pictures = self.flip != "none" or self.shift or self.resized_crop < 1 or self.rotation
        return bool(moves_pictures or self.colour or self.cutout or self.mixes_pictures)

    @property
    def mixes_pictures(self) -> bool:
        """Whether pictures are mixed, so that they have shares of several classes."""
        return self.mixup > 0 or self.cutmix > 0


class Training(FrozenModel):
    """How long to train, in which batches, with which seed and on which device."""

    epochs: Annotated[int, Field(ge=1)] | Literal["auto"] = 10
    """Passes over the training pictures. `auto` makes ten, or more if ten have fewer than 400 steps."""
    batch_size: Annotated[int, Field(ge=1)] | Literal["all"] = 64
    """Pictures per step; `all` takes one step per epoch. If the last batch of an epoch would have less than a
    fourth of this, the batch before it takes its pictures."""
    sampling: Literal["each-once", "balanced"] = "each-once"
    """Pictures of an epoch. `each-once` takes each picture once. `balanced` makes as many draws, the same number
    per class: pictures of rare classes come several times, and some of frequent classes are left out. The training
    figures in history.csv are then of the drawn pictures, and probabilities come out as if all classes were
    equally frequent."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the initial weights, the order of the pictures and the augmentation."""
    log_every: Annotated[int, Field(ge=0)] = 0
    """Steps between two further rows in history.csv, besides one row per epoch; 0: no further rows."""
    device: str = "auto"
    """Device to train on: `auto`, `cpu`, `cuda` (or `cuda:1` for the second), or `mps`."""
    threads: Annotated[int, Field(ge=0)] = 0
    """Threads to compute with; 0: one per core. The number of threads changes how sums are rounded."""

    def epochs_for(self, num_pictures: int) -> int:
        """Return the number of epochs for a number of training pictures."""
        if self.epochs != "auto":
            return self.epochs
        return max(AUTO_EPOCHS, -(-AUTO_STEPS // self.steps_per_epoch(num_pictures)))

    def steps_per_epoch(self, num_pictures: int) -> int:
        """Return the batches per epoch for a number of training pictures."""
        return num_steps(num_pictures, self.pictures_per_step(num_pictures))

    def pictures_per_step(self, num_pictures: int) -> int:
        """Return the batch size for a number of training pictures."""
        return num_pictures if self.batch_size == "all" else self.batch_size


def num_steps(num_pictures: int, batch_size: int) -> int:
    """Return how many steps an epoch has.

    The last batch has at least a fourth of the batch size. If fewer pictures are left, the batch before takes them
    and is larger. The reason: a step counts as much as any other, however few pictures it has. Steps of Muon have
    one length, and batch normalisation goes by the last batches it saw. On 48,001 digits, the last of 193 batches
    had one picture: an epoch with 95 % accuracy in training left a network with 22 % on validation.
    """
    fewest = -(-batch_size // SMALLEST_SHARE_OF_A_BATCH)
    return min(num_pictures, max(1, (num_pictures + batch_size - fewest) // batch_size))


class Transfer(FrozenModel):
    """How a backbone's features are made and a head is fitted to them; for the network `backbone`."""

    backbone: Annotated[str, Field(min_length=1)] = "efficientnet-lite0"
    """Name of the backbone, as `skysort backbones` lists them; `auto` tries each that is on this computer by
    cross-validation."""
    flip: bool = False
    """Take the mean of a picture's features and those of its mirror image. It takes twice as long."""
    penalty: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Strength of the penalty on the head's squared weights, such as 1.0. `auto` chooses it by cross-validation
    within the training pictures."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Folds of a cross-validation; fewer if a class has fewer pictures or groups."""
    learn_from_validation: bool = False
    """Once everything is chosen, fit the final head to the validation pictures, too. The choices are made by
    cross-validation within the training pictures and need no validation split. There are no validation figures
    then."""

    @property
    def learned_splits(self) -> tuple[str, ...]:
        """The splits that the classifier that is kept learns from, where the protocol has them."""
        return ("train", "validation") if self.learn_from_validation else ("train",)


class Trust(FrozenModel):
    """When the classifier answers `unknown`."""

    keep_known: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of known pictures to keep, such as 0.95. Skysort sets a threshold on the calibration split that keeps
    this share of its pictures, and calls pictures beyond it `unknown`. With `folds`, the training pictures set it,
    each by a head that has not seen it. Unset: no threshold, or 0.95 if there are out-of-distribution pictures."""
