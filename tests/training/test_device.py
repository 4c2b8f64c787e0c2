import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch

from skysort.training.device import (
    FEWEST_STEPS_COMPILED,
    MOST_THREADS,
    check_memory,
    compiled,
    computing_threads,
    flushes_denormals,
    mixed_precision,
    resolve_device,
    resolve_threads,
    sent,
)
from tests.conftest import refused


def test_auto_is_a_device_that_is_here() -> None:
    assert torch.zeros(1, device=resolve_device("auto")).numel() == 1


def test_an_unknown_device_is_named_with_a_suggestion() -> None:
    with refused("unknown-device", "'cdua'", "did you mean 'cuda'?", exit_code=2):
        resolve_device("cdua")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this computer has the device")
def test_a_device_that_is_not_here_is_refused() -> None:
    with refused("device-not-here", "'cuda:1'"):
        resolve_device("cuda:1")


def test_threads_without_number_are_refused() -> None:
    with computing_threads(resolve_threads(MOST_THREADS)):
        torch.ones(2000, 2000).exp().sum()
    with refused("wrong-value", "training.threads", "100,000,000", "1,024"):
        resolve_threads(100_000_000)


def test_a_network_beyond_all_memory_is_refused_with_what_it_would_take() -> None:
    check_memory(10**6)
    with refused("out-of-memory", "1,000,000,000,000 parameters", "7,450.6 GiB"):
        check_memory(10**12)


def test_threads_are_as_asked_and_restored() -> None:
    before = torch.get_num_threads()
    with computing_threads(resolve_threads(before + 1)):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    assert resolve_threads(0) >= 1


def test_denormals_are_flushed_while_computing_and_not_after() -> None:
    torch.set_flush_denormal(False)  # other libraries may have set it for the whole process
    with computing_threads(2):
        assert flushes_denormals()
    assert not flushes_denormals()


def test_denormals_are_flushed_on_every_thread_that_starts_while_computing() -> None:
    program = """
import torch
from skysort.training.device import computing_threads
with computing_threads(2):
    print(int((torch.full((1_000_000,), 2e-38) / 2).count_nonzero()))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["0"]


CUDA = torch.device("cuda")


def test_a_transfer_to_a_graphics_card_is_from_pinned_memory_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = torch.arange(3)
    assert sent(numbers, torch.device("cpu")) is numbers
    found: list[object] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: (found.append("pinned"), tensor)[1])
    monkeypatch.setattr(torch.Tensor, "to", lambda _, device, **how: found.extend((device, how)))
    sent(numbers, CUDA)
    assert found == ["pinned", CUDA, {"non_blocking": True}]


@pytest.mark.parametrize(("by_itself", "emulated"), [(True, True), (False, True), (False, False)])
def test_bfloat16_is_for_graphics_cards_that_do_not_emulate_it(
    by_itself: bool, emulated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_supported(including_emulation: bool = True) -> bool:
        return emulated if including_emulation else by_itself

    monkeypatch.setattr("torch.cuda.is_bf16_supported", is_supported)
    monkeypatch.setattr("torch.autocast", lambda *arguments: nullcontext(arguments))
    with mixed_precision(CUDA) as found:
        assert found == (("cuda", torch.bfloat16) if by_itself else None)
    with mixed_precision(torch.device("cpu")) as found:
        assert found is None


def test_a_network_is_compiled_where_steps_on_a_graphics_card_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    network, quicker = torch.nn.Identity(), torch.nn.Identity()
    monkeypatch.setattr("torch.compile", lambda of: quicker if of is network else None)
    assert compiled(network, CUDA, FEWEST_STEPS_COMPILED) is quicker
    assert compiled(network, CUDA, FEWEST_STEPS_COMPILED - 1) is network
    assert compiled(network, torch.device("cpu"), 10 * FEWEST_STEPS_COMPILED) is network
