"""Nothing that is given on a command line is passed over: every verb and every option of the program."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from skysort.cli import app
from tests.commands.conftest import Ended

Command = Callable[..., Ended]
VERBS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
OPTIONS = [
    (verb, option)
    for verb, command in VERBS.items()
    for option in command.params
    if option.param_type_name == "option"
]


def words(option: Any) -> list[str]:
    name = max(option.opts, key=len)
    return [name] if option.is_flag else [name, "4"]


def positional(command: Any) -> list[str]:
    return ["nowhere" for one in command.params if one.param_type_name == "argument"]


@pytest.mark.parametrize(("verb", "option"), OPTIONS, ids=[f"{verb} {option.name}" for verb, option in OPTIONS])
def test_an_option_given_twice_repeats_or_is_refused(verb: str, option: Any, skysort_command: Command) -> None:
    name = max(option.opts, key=len)
    command = VERBS[verb]
    refused = f"skysort: {name} is given twice; give it once [given-twice]\n"
    if option.multiple:
        parsed = command.make_context(verb, [*words(option), *words(option)], resilient_parsing=True)
        assert len(parsed.params[option.name]) == 2
    else:
        ended = skysort_command(verb, *positional(command), *words(option), *words(option))
        assert (ended.code, ended.out, ended.err) == (2, "", refused)


def test_the_short_and_the_long_name_are_one_option(skysort_command: Command) -> None:
    assert "--quiet is given twice" in skysort_command("train", "skies", "-q", "--quiet").err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, skysort_command: Command) -> None:
    short, long = skysort_command(verb, "-h"), skysort_command(verb, "--help")
    assert short == long
    assert short.code == 0 and VERBS[verb].help.split("\n")[0][:40] in short.out
    assert all(option.help for option in VERBS[verb].params if option.name != "help")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["--epochs", "5"], "no option --epochs; did you mean --set training.epochs=5?"),
        (["--size=64"], "no option --size; did you mean --set pictures.size=64?"),
        (["--batch-size", "32"], "no option --batch-size; did you mean --set training.batch_size=32?"),
        (
            ["--learning-rate", "1e-3"],
            "no option --learning-rate; did you mean --set optimizer.learning_rate=1e-3?",
        ),
        (["--epochs", "--quiet"], "no option --epochs; did you mean --set training.epochs=VALUE?"),
        (["--seed", "3"], "did you mean --set pictures.seed=3 or --set training.seed=3?"),
    ],
)
def test_a_field_given_as_an_option_says_the_setting(
    given: list[str],
    meant: str,
    skysort_command: Command,
) -> None:
    ended = skysort_command("train", "skies", *given)
    assert ended.code == 2 and meant in ended.err
    assert "[unknown-option]" in skysort_command("journal", "aside", *given).err


def test_a_run_in_the_place_of_pictures_is_seen(
    skysort_command: Command,
    finished_run: Path,
    tmp_path: Path,
) -> None:
    for verb, options in (
        ("predict", ()), ("evaluate", ()), ("watch", ("--aside", "a", "--keep", "bird")), ("sort", ("--to", "b")),
    ):  # fmt: skip
        for run in (finished_run, finished_run / "classifier"):
            ended = skysort_command(verb, tmp_path, run, *options)
            assert (ended.code, ended.out) == (2, "")
            assert f"did you mean skysort {verb} {run} {tmp_path}?" in ended.err
    assert list(tmp_path.iterdir()) == []
