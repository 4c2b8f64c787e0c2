"""skysort describe: tables of recipes and of a person's own networks, and every way in which it is refused."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ended

Command = Callable[..., Ended]

OWN = """
import torch
import torch.nn.functional as F
from dataclasses import dataclass
from torch import nn

from neighbour import WIDTH

print("running")

@dataclass
class Options:
    width: int = WIDTH

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, Options().width, 3, padding=1)
        self.blocks = [nn.Conv2d(16, 16, 3, padding=1)]
        self.fc = nn.Linear(16 * 16 * 16, 2)

    def forward(self, x):
        print(x.shape)
        x = F.max_pool2d(torch.tanh(self.blocks[0](self.conv1(x))), 2)
        return self.fc(torch.flatten(x, 1))

class NeedsWidth(nn.Module):
    def __init__(self, width, *more, depth=2):
        super().__init__()

class Breaks(nn.Module):
    def __init__(self):
        raise ValueError("no such thing")
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "neighbour.py").write_text("WIDTH = 16\n")
    (tmp_path / "net.py").write_text(OWN)
    return tmp_path / "net.py"


def rows(ended: Ended) -> dict[str, list[str]]:
    """Return the table's rows by the first two words of each."""
    assert ended.code == 0, ended.err
    table = ended.out.split("\n\n")[0].splitlines()[1:]
    return {" ".join(line.split()[:2]): line.split()[2:] for line in table}


def test_a_recipe(skysort_command: Command) -> None:
    table = rows(skysort_command("describe", "convnet"))
    assert table["3 Conv2d"] == ["8x16x16", "1,160", "294,912", "8", "8.2", "kB"]
    assert table["7 Linear"] == ["32", "16,416", "16,384", "all", "128", "B"]
    assert table["all layers"] == ["18,090", "753,728", "110.9", "kB"]


def test_a_layer_of_a_kind_of_its_own_is_one_layer(skysort_command: Command) -> None:
    table = rows(skysort_command("describe", "swift"))
    assert table["0 Whitening"] == ["24x31x31", "312", "276,768", "2", "92.3", "kB"]
    assert table["2.first Conv2d"][:2] == ["32x31x31", "6,912"]


def test_size_channels_and_classes(skysort_command: Command) -> None:
    ended = skysort_command("describe", "mnist-cnn", "--size", 28, "--channels", 1, "--classes", 10)
    assert rows(ended)["all layers"][0] == "421,642"


def test_a_recipe_of_a_text_is_described_on_its_pictures(skysort_command: Command) -> None:
    assert rows(skysort_command("describe", "mnist-cnn"))["all layers"][0] == "421,642"
    assert rows(skysort_command("describe", "lenet"))["all layers"][0] == "62,006"
    assert rows(skysort_command("describe", "mlp-bce"))["all layers"][0] == "1,573,889"


def test_what_no_computer_could_hold(skysort_command: Command) -> None:
    ended = skysort_command("describe", "mlp-deep", "--size", 1024)
    assert rows(ended)["all layers"][0] == "3,221,817,218"
    assert "12.9 GB" in ended.out and "25.8 GB" in ended.out


def test_what_is_not_learned_is_said(skysort_command: Command) -> None:
    ended = skysort_command("describe", "swift", "--size", 8)
    num, frozen = (
        int(text.replace(",", "")) for text in re.findall(r"trained\D* (\d[\d,]*)\D* (\d[\d,]*)", ended.out)[0]
    )
    assert rows(ended)["all layers"][0] == f"{num + frozen:,}"
    assert "learned" not in skysort_command("describe", "convnet").out


def test_size_and_channels_of_a_recipe_of_ones_own(skysort_command: Command, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[pictures]\nsize = 8\nchannels = 1\n[network]\nname = "mlp"\nhidden = [4]\n')
    assert rows(skysort_command("describe", recipe))["all layers"][0] == str((64 + 1) * 4 + (4 + 1) * 2)


def test_a_network_of_ones_own(skysort_command: Command, own: Path) -> None:
    path = list(sys.path)
    ended = skysort_command("describe", f"{own}:Net")
    table = rows(ended)
    assert table["blocks[0] Conv2d"][:2] == ["16x32x32", "2,320"]
    assert table["all layers"][0] == "8,642"
    assert "warning: self.blocks " in ended.out
    assert "running\ntorch.Size([2, 3, 32, 32])\n" in ended.err  # what it prints is no part of the table
    assert sorted(file.name for file in own.parent.iterdir()) == ["neighbour.py", "net.py"]  # no __pycache__
    assert sys.path == path
    assert "neighbour" not in sys.modules


def test_a_recipe_with_a_network_of_ones_own_is_described_like_the_network(
    skysort_command: Command, own: Path
) -> None:
    recipe = own.parent / "mine.toml"
    recipe.write_text(f'[network]\nname = "own"\nfile = "{own.name}"\nclass_name = "Net"\n')
    network = skysort_command("describe", f"{own}:Net")
    assert skysort_command("describe", recipe).out == network.out


def test_two_files_of_one_name(skysort_command: Command, own: Path) -> None:
    other = own.parent / "other"
    other.mkdir()
    (other / "neighbour.py").write_text("WIDTH = 32\n")
    (other / "net.py").write_text(OWN.replace("nn.Conv2d(16, 16", "nn.Conv2d(32, 16"))
    assert rows(skysort_command("describe", f"{own}:Net"))["conv1 Conv2d"][0] == "16x32x32"
    assert rows(skysort_command("describe", f"{other / 'net.py'}:Net"))["conv1 Conv2d"][0] == "32x32x32"


@pytest.mark.parametrize(
    ("target", "options", "code", "error", "facts"),
    [
        ("convet", [], 2, "unknown-recipe", ["'convet'", "did you mean 'convnet'?"]),
        ("photos", [], 2, "wrong-value", ["'photos'", "skysort backbones"]),
        ("convnet", ["--channels", 2], 2, "wrong-value", ["--channels 1 or 3", "found 2"]),
        ("convnet", ["--size", 0], 2, "wrong-value", ["'--size'"]),
        ("convnet", ["--size", 10**9], 2, "wrong-value", ["'--size'"]),
        ("convnet", ["--size", 3], 1, "pictures-too-small", ["3x3", "--set pictures.size=4)"]),
        ("{folder}/none.py:Net", [], 2, "path-not-found", ["none.py"]),
        ("{own}", [], 2, "wrong-value", ["FILE.py:Class", "net.py'"]),
        ("{own}:", [], 2, "wrong-value", ["FILE.py:Class", "net.py:'"]),
        ("{own}:Nte", [], 2, "unknown-network", ["net.py", "'Nte'", "did you mean 'Net'?"]),
        ("{own}:Options", [], 2, "unknown-network", ["net.py:Options", "nn.Module", "class Options"]),
        ("{own}:WIDTH", [], 2, "unknown-network", ["net.py:WIDTH", "nn.Module", "type int"]),
        ("{own}:NeedsWidth", [], 1, "network-failed", ["net.py:NeedsWidth", "__init__", " width"]),
        ("{own}:Breaks", [], 1, "network-failed", ["net.py:Breaks", "ValueError: no such thing"]),
        ("{own}:Net", ["--classes", 2], 2, "options-conflict", ["--classes", "net.py:Net"]),
        ("{own}:Net", ["--size", 30], 1, "network-failed", ["4096 features", "nn.Linear(3600, 2)"]),
        ("{own}:Net", ["--channels", 1], 1, "network-failed", ["self.conv1 (Conv2d)", "(2, 1, 32, 32)"]),
        ("{folder}/neighbour.py:Net", [], 2, "unknown-network", ["neighbour.py", "'Net'", "nn.Module"]),
        ("{folder}/wrong.py:Net", [], 1, "network-failed", ["wrong.py", "SyntaxError"]),
        ("{folder}/exits.py:Net", [], 1, "network-failed", ["exits.py", "SystemExit: 3"]),
    ],
)
def test_refused(
    target: str,
    options: list[object],
    code: int,
    error: str,
    facts: list[str],
    skysort_command: Command,
    own: Path,
) -> None:
    (own.parent / "wrong.py").write_text("class Net(:\n")
    (own.parent / "exits.py").write_text("raise SystemExit(3)\n")
    ended = skysort_command("describe", target.format(own=own, folder=own.parent), *options)
    ended.check_refused(code, error, *facts)


def test_the_place_of_a_failure_is_the_persons_own_line(skysort_command: Command, own: Path) -> None:
    assert (
        "net.py, line 25: return self.fc(torch.flatten(x, 1))"
        in skysort_command("describe", f"{own}:Net", "--size", 30).err
    )
