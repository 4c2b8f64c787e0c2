"""Ultralytics, as its page on classification trains from scratch: the nano network, pictures at their own size."""

from clock import asked

clock = asked()

from ultralytics import YOLO  # noqa: E402

SIZE = 32  # the page has imgsz=64 for MNIST, whose pictures are 28 pixels wide
model = YOLO("yolo26n-cls.yaml")
found = model.train(
    data=str(clock.folder),
    epochs=100,
    imgsz=SIZE,
    time=clock.seconds_left / 3600,
    project=str(clock.folder.parent / "ultralytics"),
)
# The weights of the last epoch: the best one was chosen by the held-out pictures.
last = YOLO(model.trainer.last)
top1 = last.val(data=str(clock.folder), split="test", imgsz=SIZE, project=model.trainer.args.project).top1
clock.tell(float(top1), network="yolo26n-cls", epochs=model.trainer.epoch + 1)
