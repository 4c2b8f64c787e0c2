"""Ultralytics, as its page on classification trains: the nano network, for 100 epochs or the time.

Three things differ. The page recommends weights that it downloads; for random ones, as here, it builds the network
from its .yaml. Pictures stay as large as they are. And those held out are left for the end (`val=False`), where it
would look at them after each epoch.
"""

from clock import asked

clock = asked()

from ultralytics import YOLO  # noqa: E402

SIZE = 32  # the page has imgsz=64 for MNIST, whose pictures are 28 pixels wide
model = YOLO("yolo26n-cls.yaml")
found = model.train(
    data=str(clock.folder),
    epochs=100,
    imgsz=SIZE,
    val=False,
    time=clock.seconds_left / 3600,
    project=str(clock.folder.parent / "ultralytics"),
)
# The weights of the last epoch.
last = YOLO(model.trainer.last)
top1 = last.val(data=str(clock.folder), split="test", imgsz=SIZE, project=model.trainer.args.project).top1
clock.tell(float(top1), network="yolo26n-cls", epochs=model.trainer.epoch + 1)
