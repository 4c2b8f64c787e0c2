"""The service keeps to the OpenAPI that it publishes, whatever requests are made from it."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from tests.web.serving import serving

FEW = settings(
    max_examples=12, deadline=None, derandomize=True, database=None,
    phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_every_operation_answers_as_it_says(decided: Path) -> None:
    import schemathesis  # which takes seconds

    paths = set()
    with serving(decided) as (_, port):
        schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
        for found in schema.get_all_operations():
            operation = found.ok()
            paths.add(operation.path)

            @FEW
            @given(case=operation.as_strategy())
            def check(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate()

            check()
    assert paths == {"/v1/predict", "/v1/classifier", "/healthz", "/readyz", "/metrics"}
