"""skysort serve: a classifier as an HTTP service for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from skysort.cli.options import ClassifierFolder
from skysort.core.log import log_to_stderr

EXAMPLES = """\
skysort serve runs/birds-swift
skysort serve runs/birds-swift --host 0.0.0.0 --token-file token.txt
"""


def serve(
    classifier: ClassifierFolder,
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, metavar="NUMBER", help="Port to listen at, e.g. 8001; 0 takes a free one."),
    ] = 8000,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen at, e.g. 0.0.0.0 for every network of this computer. It needs --token-file.",
            show_default="this computer only",
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with a secret, e.g. token.txt. Requests must send it as Authorization: Bearer SECRET.",
        ),
    ] = None,
) -> None:
    """Classify pictures that other programs send over HTTP. The page /docs describes the requests.

    A changed classifier folder takes over within seconds. On SIGTERM or Ctrl-C, the service answers the requests
    that it has, and exits.
    """
    from skysort.web.serve_folder import serve_folder

    log_to_stderr("text")
    serve_folder(classifier, host, port, token_file)
