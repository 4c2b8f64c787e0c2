"""A classifier folder as a service."""

import logging
from pathlib import Path

from skysort.core.errors import NotUnderstoodError, SkysortError, require
from skysort.core.log import tell

LOOPBACK = "127.0.0.1"
FEWEST_TOKEN_CHARACTERS = 16
"""Fewer could be guessed."""


def serve_folder(classifier: Path, host: str | None, port: int, token_file: Path | None) -> None:
    """Answer requests with a classifier until SIGTERM or Ctrl-C.

    Args:
        classifier: a run folder, its `classifier/` folder, or a copy of that.
        host: address to listen at; None for this computer alone. Any other needs a token.
        port: to listen at; 0 for any that is free.
        token_file: file with the token that requests must have.

    Raises:
        NotUnderstoodError: when a path does not exist, or a host is given with no token.
        SkysortError: when the classifier cannot be loaded, or the port is taken.
    """
    require("the service", "web", "fastapi", "uvicorn", "python_multipart", "prometheus_client")
    if host and not token_file:
        raise NotUnderstoodError(
            "missing-argument",
            "--host needs --token-file FILE, with a secret of your own; without --host, only this computer reaches"
            " the service",
        )
    token = _token(token_file) if token_file else None
    from skysort.web.live import LiveClassifier  # these load FastAPI and ONNX Runtime
    from skysort.web.server import listen, serve
    from skysort.web.service import service

    live = LiveClassifier(classifier)
    with listen(host or LOOPBACK, port) as listening:
        port = listening.getsockname()[1]
        name = f"[{host}]" if host and ":" in host else host or LOOPBACK
        url = f"http://{name}:{port}"
        app = service(live, port, token, is_local=host is None)
        serve(
            app,
            listening,
            lambda: tell(logging.INFO, "serving", url=url, docs=f"{url}/docs", model=live.now.digest),
        )
    tell(logging.INFO, "ended")


def _token(file: Path) -> str:
    try:
        token = file.read_text("utf-8").strip()
    except FileNotFoundError:
        raise NotUnderstoodError("path-not-found", f"{file}: no such file") from None
    except (OSError, ValueError) as error:
        raise SkysortError("system", f"could not read {file}: {error}") from None
    if len(token) < FEWEST_TOKEN_CHARACTERS or not token.isascii():
        raise NotUnderstoodError(
            "wrong-value",
            f"{file}: expected a token of at least {FEWEST_TOKEN_CHARACTERS} ASCII characters, found {len(token)};"
            " make one: openssl rand -hex 32",
        )
    return token
