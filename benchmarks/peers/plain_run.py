"""The tutorials' plain loop and convnet, for as many epochs as the time allows."""

from clock import asked

clock = asked()

import torch  # noqa: E402
from PIL import Image  # noqa: E402
from plain_loop import TEXTS, Example, accuracy, as_tensor, train  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

classes = sorted(folder.name for folder in (clock.folder / "train").iterdir())


def examples(split: str) -> list[Example]:
    """Return a part's pictures, scaled to 0 … 1, with their labels."""
    return [
        (as_tensor(Image.open(path)), label)
        for label, name in enumerate(classes)
        for path in sorted((clock.folder / split / name).iterdir())
    ]


kept, held_out = examples("train"), examples("test")
std, mean = torch.std_mean(torch.stack([picture for picture, _ in kept]).transpose(0, 1).reshape(3, -1), dim=1)
kept, held_out = (
    [((picture - mean.view(3, 1, 1)) / std.view(3, 1, 1), label) for picture, label in split]
    for split in (kept, held_out)
)
text = TEXTS["convnet"]
network = text.make()
loader = DataLoader(kept, batch_size=text.batch_size, shuffle=True)
epochs = 0
seconds = 0.0
while not epochs or clock.seconds_left > seconds:
    seconds = train(network, text, loader, 1)[1]
    epochs += 1
network.eval()
clock.tell(
    accuracy(network, DataLoader(held_out, batch_size=64), text.threshold), network="convnet", epochs=epochs
)
