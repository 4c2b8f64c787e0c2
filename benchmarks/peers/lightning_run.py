"""Lightning, as its CIFAR-10 tutorial has it: resnet18 with a small first filter, SGD, one cycle of the rate.

The tutorial trains from random weights, too. Its cycle is as long here as the time allows.
"""

from clock import asked

clock = asked()

import lightning  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402
from torchvision.models import resnet18  # noqa: E402
from torchvision.transforms import (  # noqa: E402
    Compose,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    ToTensor,
)

BATCH = 64  # the tutorial's without a GPU
NORMALISE = Normalize([x / 255 for x in (125.3, 123.0, 113.9)], [x / 255 for x in (63.0, 62.1, 66.7)])
TRAIN = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToTensor(), NORMALISE])


class LitResnet(lightning.LightningModule):
    """The tutorial's module."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.model = resnet18(weights=None, num_classes=num_classes)
        self.model.conv1 = torch.nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
        self.model.maxpool = torch.nn.Identity()
        self.num_steps = 1
        self.correct = self.total = 0

    def loss_of(self, batch: list[torch.Tensor]) -> torch.Tensor:
        """Return the mean loss of a batch."""
        return functional.nll_loss(functional.log_softmax(self.model(batch[0]), dim=1), batch[1])

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """Train a step."""
        return self.loss_of(batch)

    def test_step(self, batch: list[torch.Tensor], _: int) -> None:
        """Count what is labelled right."""
        self.correct += int((self.model(batch[0]).argmax(1) == batch[1]).sum())
        self.total += len(batch[1])

    def configure_optimizers(self) -> dict[str, object]:
        """Return the tutorial's, its cycle as long as the time allows."""
        optimizer = torch.optim.SGD(self.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=self.num_steps + 1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


train = ImageFolder(str(clock.folder / "train"), TRAIN)
test = ImageFolder(str(clock.folder / "test"), Compose([ToTensor(), NORMALISE]))
module = LitResnet(len(train.classes))
loader, held_out = DataLoader(train, BATCH, shuffle=True), DataLoader(test, BATCH)
batches = iter(loader)
pictures, _ = next(iter(held_out))


def step() -> None:
    """Forward and backward, to see how long it takes; the weights stay as they are."""
    module.loss_of(next(batches)).backward()
    module.zero_grad()


def answer() -> None:
    """Forward alone."""
    with torch.no_grad():
        module.model(pictures)


module.num_steps = clock.steps_left(step, answer, len(held_out), num_timed=3)
trainer = lightning.Trainer(
    max_epochs=-1,
    max_steps=module.num_steps,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
)
trainer.fit(module, loader)
trainer.test(module, held_out, verbose=False)
clock.tell(
    module.correct / module.total,
    network="resnet18",
    steps=trainer.global_step,
    epochs=trainer.global_step / len(loader),
)
