"""Predictions for the paths of a command line, written to a file or to standard output."""

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import chain
from pathlib import Path

from skysort.classifier.classifier import Classifier
from skysort.classifier.decision import Decision
from skysort.classifier.predictions import Prediction
from skysort.core.errors import SkysortError
from skysort.core.files import whole_file
from skysort.core.text import counted, printable
from skysort.data.listing import is_image_name
from skysort.data.sources.base import SkippedFiles
from skysort.work.evidence_maps import maps_into
from skysort.work.predict import Format, write_predictions

MOST_NAMED = 10


def print_predictions(
    classifier: Classifier,
    paths: list[Path],
    output: Path | None,
    form: Format,
    decision: Decision | None,
    explain: Path | None,
    *,
    raw: bool,
) -> None:
    """Label pictures and write one row per file.

    Args:
        classifier: labels the pictures.
        paths: image files, folders and archives.
        output: file to write, or None for standard output.
        form: format of the rows.
        decision: decision to apply, or None.
        explain: folder for maps of evidence, or None.
        raw: whether CSV cells stay unchanged where a spreadsheet would take them for formulas.

    Raises:
        NotUnderstoodError: when the classifier has no evidence to explain.
        SkysortError: when there are no pictures, some are unreadable, the output would replace a picture, or the
            folder for maps cannot be used.
    """
    if output:
        _check_replaces_nothing(output, paths, classifier.folder)
    skipped = SkippedFiles()
    with maps_into(explain, classifier, paths) if explain else nullcontext() as maps:
        stream = classifier.stream(paths, skipped, maps.write if maps else None)
        predictions = _not_empty(stream, paths, skipped)
        if output:
            with whole_file(output.resolve(), newline="") as file:
                num, num_unreadable = write_predictions(
                    predictions, classifier.classes, file, form, decision, raw=raw
                )
        else:
            sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")  # type: ignore[union-attr]
            num, num_unreadable = write_predictions(
                predictions, classifier.classes, sys.stdout, form, decision, raw=raw
            )
            sys.stdout.flush()
    _print_skipped(skipped)
    if maps:
        print(*map(printable, maps.remarks()), sep="\n", file=sys.stderr)
    if num_unreadable:
        reasons = "its row has the reason" if num_unreadable == 1 else "their rows have the reasons"
        raise SkysortError(
            "unreadable-pictures", f"{num_unreadable:,} of {counted(num, 'picture')} could not be read; {reasons}"
        )


def _not_empty(
    predictions: Iterator[Prediction], paths: list[Path], skipped: SkippedFiles
) -> Iterator[Prediction]:
    """Return the predictions, of which there is at least one, so that no output is begun without a picture.

    Raises:
        SkysortError: when there is none.
    """
    first = next(predictions, None)
    if first is None:
        _print_skipped(skipped)
        more = f" and {len(paths) - MOST_NAMED:,} more" if len(paths) > MOST_NAMED else ""
        raise SkysortError("no-pictures", f"no pictures under {', '.join(map(str, paths[:MOST_NAMED]))}{more}")
    return chain([first], predictions)


def _print_skipped(skipped: SkippedFiles) -> None:
    for remark in skipped.remarks():
        print(printable(remark), file=sys.stderr)


def _check_replaces_nothing(output: Path, paths: list[Path], classifier: Path) -> None:
    """Make sure that the output replaces no picture and nothing of the classifier."""
    target = output.resolve()
    if target.is_relative_to(classifier.resolve()):
        raise SkysortError("output-taken", f"{output} is inside the classifier folder; choose another --output")
    if target.exists() and (is_image_name(target.name) or target in [path.resolve() for path in paths]):
        raise SkysortError("output-taken", f"{output} is a picture, which would be lost; choose another --output")
