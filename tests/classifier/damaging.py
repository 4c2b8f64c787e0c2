"""Ways to damage a classifier folder, so that it no longer gives the right answers."""

import io
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from skysort.classifier.format import read_table
from skysort.classifier.proof import read_proof
from skysort.core.files import sha256

Damage = Callable[[Path], object]

FLATTENED = (
    helper.make_node("Cast", ["pictures"], ["numbers"], to=TensorProto.FLOAT),
    helper.make_node("Reshape", ["numbers", "rows"], ["flat"]),
    helper.make_node("MatMul", ["flat", "weights"], ["x"]),
)
"""From pictures to (N, 2) zeros."""


def sign(folder: Path, *names: str) -> None:
    """Write the digests of changed files into classifier.json, as an attacker would."""
    path = folder / "classifier.json"
    table = json.loads(path.read_text("utf-8"))
    table["files"].update({name: sha256(folder / name) for name in names})
    path.write_text(json.dumps(table), "utf-8")


def table(**changes: object) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "classifier.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")

    return damage


def content(name: str, change: Callable[[bytes], bytes]) -> Damage:
    """Return a function that changes the bytes of a file, and updates its digest."""

    def damage(folder: Path) -> None:
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        if name != "classifier.json":
            sign(folder, name)

    return damage


def proof(compressed: bool = False, **arrays: NDArray[Any] | bytes | None) -> Damage:
    """Return a function that writes other arrays or bytes into the proof, or leaves some out."""

    def damage(folder: Path) -> None:
        pictures, logits, meaning = read_proof(folder / "proof.npz")
        members = {"pictures": pictures, "logits": logits, "meaning": np.array(meaning), **arrays}
        method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with zipfile.ZipFile(folder / "proof.npz", "w", method) as file:
            for name, array in members.items():
                if array is not None:
                    file.writestr(f"{name}.npy", array if isinstance(array, bytes) else npy(array))
        sign(folder, "proof.npz")

    return damage


def npy(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=True)
    return file.getvalue()


def header(text: str, version: int = 1) -> bytes:
    """Return the file of an array with any header and few bytes after it."""
    line = text.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(line).to_bytes(2, "little") + line + bytes(64)


def shaped(shape: str) -> bytes:
    return header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}")


def model(
    *nodes: onnx.NodeProto,
    constants: dict[str, object] | None = None,
    taken: Sequence[object] = ("N", 3, 32, 32),
    taken_type: int = TensorProto.UINT8,
    given: Sequence[object] | None = ("N", 2),
    given_type: int = TensorProto.FLOAT,
    inputs: Sequence[str] = ("pictures",),
    outputs: Sequence[str] = ("logits",),
) -> onnx.ModelProto:
    """Return a model with some nodes after FLATTENED, from `x` to `logits`."""
    numbers = {"rows": np.array([0, -1]), "weights": np.zeros((3072, 2), np.float32), **(constants or {})}
    graph = helper.make_graph(
        [*FLATTENED, *nodes],
        "damaged",
        [helper.make_tensor_value_info(name, taken_type, taken) for name in inputs],
        [helper.make_tensor_value_info(name, given_type, given) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def replaced(made: onnx.ModelProto) -> Damage:
    """Return a function that replaces the classifier's model, with a proof of zeros."""

    def damage(folder: Path) -> None:
        (folder / "model.onnx").write_bytes(made.SerializeToString())
        _, logits, _ = read_proof(folder / "proof.npz")
        proof(logits=np.zeros_like(logits))(folder)
        sign(folder, "model.onnx")

    return damage


def node(kind: str, inputs: str, outputs: str = "logits", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def endless(inputs: str = "x") -> onnx.NodeProto:
    """Return a loop that never ends."""
    body = helper.make_graph(
        [node("Identity", "go_on", "still"), node("Identity", "value", "same")],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same", TensorProto.FLOAT, None),
        ],
    )
    return helper.make_node("Loop", ["", "true", inputs], ["logits"], body=body)


ENDLESS = replaced(model(endless(), constants={"true": True}))
NOTHING = model(node("Identity", "x"))


def outside(location: str, *, made: bool = False) -> Damage:
    """Return a function that makes the model read its weights from another file."""
    changed = onnx.ModelProto()
    changed.CopyFrom(NOTHING)
    (weights,) = (tensor for tensor in changed.graph.initializer if tensor.name == "weights")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)

    def damage(folder: Path) -> None:
        replaced(changed)(folder)
        if made:
            (folder / location).write_bytes(bytes(3072 * 2 * 4))

    return damage


def linked(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).rename(folder.parent / f"elsewhere-{name}")
        (folder / name).symlink_to(folder.parent / f"elsewhere-{name}")

    return damage


def as_folder(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return damage


def as_pipe(folder: Path) -> None:
    (folder / "proof.npz").unlink()
    os.mkfifo(folder / "proof.npz")


def grown(name: str) -> Damage:
    """Return a function that makes a file 100 GB large and sparse."""

    def damage(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.truncate(10**11)

    return damage


def nested(depth: int) -> bytes:
    return b'{"network": ' + b"[" * depth + b"]" * depth + b"}"


def deep_network(folder: Path) -> None:
    deep: object = 1
    for _ in range(400):
        deep = [deep]
    table(network={"name": deep})(folder)


def without_digest(folder: Path) -> None:
    table(files={**read_table(folder).files, "model.onnx": None})(folder)


TABLE, MODEL, PROOF = "classifier.json", "model.onnx", "proof.npz"
LARGE = {"large": np.array([25_000_000_000])}

WAYS: dict[str, Damage] = {
    "table: empty": content(TABLE, lambda _: b""),
    "table: nested deep": content(TABLE, lambda _: nested(100_000)),
    "table: nested deep within": deep_network,
    "table: a list": content(TABLE, lambda _: b"[]"),
    "table: no UTF-8": content(TABLE, lambda good: good.replace(b"airplane", b"\xff\xfe")),
    "table: half a pair of surrogates": content(TABLE, lambda good: good.replace(b"airplane", b"\\ud800")),
    "table: a number of 10,000 digits": content(TABLE, lambda _: b'{"format": 1' + b"0" * 10_000 + b"}"),
    "table: zeros": content(TABLE, lambda good: bytes(len(good))),
    "table: 100 GB": grown(TABLE),
    "table: temperature NaN": table(temperature=float("nan")),
    "table: temperature 0": table(temperature=0),
    "table: temperature infinite": table(temperature=float("inf")),
    "table: size 0": table(pictures={"size": 0, "channels": 3, "resize": "stretch"}),
    "table: size without bound": table(pictures={"size": 10**30, "channels": 3, "resize": "stretch"}),
    "table: size of a text": table(pictures={"size": "wide", "channels": 3, "resize": "stretch"}),
    "table: no classes": table(classes=[]),
    "table: classes that are numbers": table(classes=[0, 1]),
    "table: a class too many": table(classes=["airplane", "bird", "cat"]),
    "table: threshold NaN": table(
        unknown={"threshold": float("nan"), "keep": 0.9, "calibration": {"pictures": 9, "kept": 9}}
    ),
    "table: files a text": table(files="all"),
    "table: a digest that is none": without_digest,
    "table: no digests": table(files={}),
    "table: a link": linked(TABLE),
    "model: empty": content(MODEL, lambda _: b""),
    "model: cut short": content(MODEL, lambda good: good[: len(good) // 2]),
    "model: zeros": content(MODEL, lambda good: bytes(len(good))),
    "model: noise": content(MODEL, lambda _: np.random.default_rng(0).bytes(10_000)),
    "model: a folder": as_folder(MODEL),
    "model: a link": linked(MODEL),
    "model: 100 GB": grown(MODEL),
    "model: missing": lambda folder: (folder / MODEL).unlink(),
    "model: an operator that is none": replaced(model(node("Fancy", "x"))),
    "model: an operator of another domain": replaced(model(node("Fancy", "x", domain="example.org"))),
    "model: fails at run time": replaced(
        model(node("Reshape", "x odd"), constants={"odd": np.array([7, -1])}, given=None)
    ),
    "model: one logit": replaced(
        model(node("ReduceMean", "x one"), constants={"one": np.array([1])}, given=("N", 1))
    ),
    "model: logits of rank 1": replaced(
        model(node("ReduceMean", "x one", keepdims=0), constants={"one": np.array([1])}, given=("N",))
    ),
    "model: a single row": replaced(
        model(node("ReduceMean", "x zero"), constants={"zero": np.array([0])}, given=("M", 2))
    ),
    "model: rows twice": replaced(model(node("Concat", "x x", axis=0), given=("M", 2))),
    "model: logits in float64": replaced(
        model(node("Cast", "x", to=TensorProto.DOUBLE), given_type=TensorProto.DOUBLE)
    ),
    "model: logits that are texts": replaced(
        model(node("Cast", "x", to=TensorProto.STRING), given_type=TensorProto.STRING)
    ),
    "model: logits NaN": replaced(model(node("Div", "x x"))),
    "model: logits infinite": replaced(model(node("Log", "x"))),
    "model: takes float32": replaced(model(node("Identity", "x"), taken_type=TensorProto.FLOAT)),
    "model: takes another size": replaced(model(node("Identity", "x"), taken=("N", 3, 16, 64))),
    "model: takes so many pictures": replaced(model(node("Identity", "x"), taken=(32, 3, 32, 32))),
    "model: takes two inputs": replaced(model(node("Identity", "x"), inputs=("pictures", "more"))),
    "model: gives two outputs": replaced(
        model(node("Identity", "x"), node("Identity", "x", "more"), outputs=("logits", "more"))
    ),
    "model: gives a sequence": content(MODEL, lambda _: sequence().SerializeToString()),
    "model: 100 GB of memory": replaced(
        model(
            node("ConstantOfShape", "large", "zeros"),
            node("ReduceSum", "zeros", "sum", keepdims=0),
            node("Add", "x sum"),
            constants=LARGE,
        )
    ),
    "model: weights beside it": outside("weights.bin", made=True),
    "model: weights in a folder above": outside("../weights.bin"),
    "model: weights anywhere": outside("/etc/hostname"),
    "proof: empty": content(PROOF, lambda _: b""),
    "proof: no zip": content(PROOF, lambda good: good[:-30]),
    "proof: cut within": content(PROOF, lambda good: good[:100] + good[5_000:]),
    "proof: a byte changed": content(PROOF, lambda good: good[:5_000] + bytes([good[5_000] ^ 1]) + good[5_001:]),
    "proof: a pipe": as_pipe,
    "proof: a link": linked(PROOF),
    "proof: 100 GB": grown(PROOF),
    "proof: no pictures": proof(pictures=np.zeros((0, 3, 32, 32), np.uint8), logits=np.zeros((0, 2), np.float32)),
    "proof: an array is missing": proof(logits=None),
    "proof: a pickle": proof(logits=np.array([[print]], object)),
    "proof: a compressed bomb": proof(compressed=True, pictures=np.zeros((20_000, 3, 32, 32), np.uint8)),
    "proof: pictures in float32": proof(pictures=np.zeros((32, 3, 32, 32), np.float32)),
    "proof: logits in float64": proof(logits=np.zeros((32, 2))),
    "proof: logits NaN": proof(logits=np.full((32, 2), np.nan, np.float32)),
    "proof: of another size": proof(pictures=np.zeros((32, 3, 8, 8), np.uint8)),
    "proof: more pictures than logits": proof(logits=np.zeros((31, 2), np.float32)),
    "proof: logits of another width": proof(logits=np.zeros((32, 3), np.float32)),
    "proof: rank 1": proof(pictures=np.zeros(32, np.uint8)),
    "proof: 20,000 pictures": proof(
        pictures=np.zeros((20_000, 3, 32, 32), np.uint8), logits=np.zeros((20_000, 2), np.float32)
    ),
    "proof: a negative shape": proof(pictures=shaped("(-1, 3, 32, 32)")),
    "proof: a shape of 100 GB": proof(pictures=shaped("(32500000, 3, 32, 32)")),
    "proof: a shape beyond 64 bits": proof(pictures=shaped("(1000000000000000000000, 3)")),
    "proof: a shape that is no tuple": proof(pictures=shaped("7")),
    "proof: a header nested deep": proof(pictures=header("(" * 9_000 + ")" * 9_000)),
    "proof: a header with a warning": proof(pictures=header("{'descr': '\\d', 'shape': (1,)}")),
    "proof: a header that lies about its length": proof(pictures=b"\x93NUMPY\x01\x00\xff\xff{}"),
    "proof: a format of the future": proof(pictures=header("{}", version=9)),
    "proof: a meaning that is a number": proof(meaning=np.array(7)),
}  # fmt: skip


def sequence() -> onnx.ModelProto:
    """Return a model that gives a list of tensors."""
    made = model(node("SplitToSequence", "x"), given=None)
    made.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("logits", TensorProto.FLOAT, ["N", 2]))
    return made


LATER: dict[str, Damage] = {
    "NaN for one picture": replaced(
        model(
            node("Shape", "x", "shape", end=1),
            node("Sub", "shape one", "less"),
            node("Cast", "less", "float", to=TensorProto.FLOAT),
            node("Div", "x float"),
            constants={"one": np.array([1])},
        )
    ),
    "no row for one picture": replaced(
        model(
            node("Shape", "x", "shape", end=1),
            node("Mul", "shape shape", "squared"),
            node("Div", "squared many", "end"),
            node("Slice", "x start end axis"),
            constants={"many": np.array([32]), "start": np.array([0]), "axis": np.array([0])},
            given=("M", 2),
        )
    ),
    "an error for one picture": replaced(
        model(node("Reshape", "x same"), constants={"same": np.array([32, 2])}, given=("M", 2))
    ),
    "no end for one picture": replaced(
        model(
            node("Shape", "x", "shape", end=1),
            node("Equal", "shape many", "is_proof"),
            node("Not", "is_proof", "is_other"),
            node("Squeeze", "is_other", "true"),
            endless(),
            constants={"many": np.array([32])},
        )
    ),
}
"""Models that meet their proof of 32 pictures and fail on one."""
