import pytest

from skysort.core.progress import LineProgress, SilentProgress
from tests.conftest import Clock


def test_nothing_is_said_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    progress = SilentProgress()
    progress.say("hello")
    with progress.step("Decoding", 10) as tell:
        tell(10, "note")
    assert capsys.readouterr() == ("", "")


def test_a_line_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    LineProgress().say("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_a_log_gets_one_line_at_the_end(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress().step("Decoding", 2000) as tell:
        clock.now = 2.0
        tell(2000, "")
    assert capsys.readouterr() == ("", "Decoding: 2,000 of 2,000 pictures (100 %), 1,000 pictures/s\n")


def test_a_log_gets_a_line_every_few_seconds_with_the_time_left(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with LineProgress().step("Training", 100, unit="steps") as tell:
        for second in range(1, 11):
            clock.now = float(second)
            tell(5, f"loss {second}")
        lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "Training: 25 of 100 steps (25 %), loss 5, 5 steps/s, 15 s left",
        "Training: 50 of 100 steps (50 %), loss 10, 5 steps/s, 10 s left",
    ]


def test_what_was_done_before_counts_as_done_but_not_as_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with LineProgress().step("Training", 100, done=80, unit="steps") as tell:
        clock.now = 5.0
        tell(10, "")
        assert capsys.readouterr().err == "Training: 90 of 100 steps (90 %), 2 steps/s, 5 s left\n"


def test_a_step_of_nothing_ends_without_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress().step("Decoding", 0):
        pass
    assert capsys.readouterr().err.startswith("Decoding: 0 of 0 pictures")


def test_a_step_that_fails_does_not_say_that_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="mine"), LineProgress().step("Decoding", 10):
        raise ValueError("mine")
    assert capsys.readouterr() == ("", "")


def test_bytes_come_with_a_speed_in_megabytes(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with LineProgress().step("Downloading", 5_000_000, done=1_000_000, unit="bytes") as tell:
        clock.now = 2.0
        tell(4_000_000, "")
    assert capsys.readouterr().err == "Downloading: 5,000,000 of 5,000,000 bytes (100 %), 2.0 MB/s\n"
