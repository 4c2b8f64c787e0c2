"""The page /docs: Swagger UI from files of this package. FastAPI's own page would load it from elsewhere."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import FileResponse, HTMLResponse

VENDOR = Path(__file__).parent / "vendor"
FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css", "docs.js": "text/javascript"}
PATHS = ("/docs", "/openapi.json", *(f"/docs/{name}" for name in FILES))
"""All paths of the page. They say nothing about the classifier."""
PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Skysort</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="data:,">
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/docs.js"></script>
</html>
"""


def add_docs(app: FastAPI, *, has_token: bool) -> None:
    """Add the page and its files, and say in OpenAPI whether requests need a token."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            if has_token:
                schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"token": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(PAGE)

    for name, media_type in FILES.items():
        folder = Path(__file__).parent if name == "docs.js" else VENDOR
        app.get(f"/docs/{name}", include_in_schema=False)(_answer_with(folder / name, media_type))


def _answer_with(path: Path, media_type: str) -> Callable[[], Awaitable[FileResponse]]:
    """Return a function without parameters: FastAPI would let requests set them."""

    async def file() -> FileResponse:
        return FileResponse(path, media_type=media_type)

    return file
