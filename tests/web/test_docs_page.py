"""The page /docs in a browser: it works under the service's own policy and asks no other computer."""

from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Request

from tests.conftest import picture_bytes
from tests.web.serving import serving


def test_a_person_can_post_a_picture_from_the_page(browser: Browser, decided: Path, tmp_path: Path) -> None:
    picture = tmp_path / "bird.png"
    picture.write_bytes(picture_bytes(1))
    with serving(decided) as (_, port):
        page = browser.new_page()
        told: list[str] = []
        here = f"http://127.0.0.1:{port}/"

        def on_message(message: ConsoleMessage) -> None:
            if message.type == "error":
                told.append(message.text)

        def on_request(request: Request) -> None:
            if not request.url.startswith((here, "data:")):
                told.append(request.url)

        page.on("console", on_message)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", on_request)
        page.goto(f"{here}docs")
        page.locator("#operations-default-predict_v1_predict_post").click()
        page.get_by_role("button", name="Try it out").click()
        page.locator("input[type=file]").first.set_input_files(picture)
        page.get_by_role("button", name="Execute").click()
        page.get_by_text("bird.png").last.wait_for()
        assert "actions" in page.locator(".live-responses-table").inner_text()
        page.close()
    assert told == []
