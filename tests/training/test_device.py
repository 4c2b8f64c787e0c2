import pytest
import torch

from skysort.errors import NotUnderstoodError, SkysortError
from skysort.training.device import (
    MOST_THREADS,
    check_memory,
    computing_threads,
    resolve_device,
    resolve_threads,
)


def test_auto_is_a_device_that_is_here() -> None:
    assert torch.zeros(1, device=resolve_device("auto")).numel() == 1


def test_an_unknown_device_is_named_with_a_suggestion() -> None:
    with pytest.raises(NotUnderstoodError, match=r"no device 'cdua'; did you mean 'cuda'\?"):
        resolve_device("cdua")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this computer has the device")
def test_a_device_that_is_not_here_is_refused() -> None:
    with pytest.raises(SkysortError, match="has no device 'cuda:1'"):
        resolve_device("cuda:1")


def test_threads_without_number_are_refused() -> None:
    with computing_threads(resolve_threads(MOST_THREADS)):
        torch.ones(2000, 2000).exp().sum()
    with pytest.raises(SkysortError, match=r"training\.threads = 100,000,000 is more than 1,024"):
        resolve_threads(100_000_000)


def test_a_network_beyond_all_memory_is_refused_with_what_it_would_take() -> None:
    check_memory(10**6)
    with pytest.raises(
        SkysortError, match=r"takes about 7,450\.6 GiB for them alone, and this computer has [\d.,]+ GiB"
    ):
        check_memory(10**12)


def test_threads_are_as_asked_and_restored() -> None:
    before = torch.get_num_threads()
    with computing_threads(resolve_threads(before + 1)):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
    assert resolve_threads(0) >= 1
