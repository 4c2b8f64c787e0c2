"""Counts of the service for Prometheus."""

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from skysort.classifier.predictions import Prediction
from skysort.web.batching import Batches
from skysort.web.bounds import Room
from skysort.web.live import LiveClassifier


class ServiceMetrics:
    """Counts of pictures, requests and errors.

    Args:
        room: pictures and bytes that wait.
        batches: calls of the network.
        live: switches of the classifier.
    """

    def __init__(self, room: Room, batches: Batches, live: LiveClassifier) -> None:
        self._registry = CollectorRegistry()
        self._pictures = Counter(
            "skysort_serve_pictures", "Pictures answered.", ["status"], registry=self._registry
        )
        self._errors = Counter(
            "skysort_serve_errors", "Requests that ended with an error.", ["code"], registry=self._registry
        )
        self.seconds = Histogram(
            "skysort_serve_seconds", "Time from the headers to the answer.", registry=self._registry
        )
        self._registry.register(_State(room, batches, live))

    def count(self, predictions: Iterable[Prediction]) -> None:
        """Count pictures by status."""
        for prediction in predictions:
            self._pictures.labels(prediction.status).inc()

    def count_error(self, code: str) -> None:
        """Count a request that ended with an error."""
        self._errors.labels(code).inc()

    def text(self) -> bytes:
        """Return all counts in Prometheus' text format."""
        return generate_latest(self._registry)


class _State(Collector):
    def __init__(self, room: Room, batches: Batches, live: LiveClassifier) -> None:
        self.room, self.batches, self.live = room, batches, live

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics that others count."""
        yield GaugeMetricFamily("skysort_serve_waiting", "Pictures that wait.", self.room.pictures)
        yield GaugeMetricFamily("skysort_serve_waiting_bytes", "Bytes of waiting requests.", self.room.bytes)
        counters = {
            "calls": ("Calls of the network.", self.batches.num_calls),
            "switches": ("Times that a changed classifier took over.", self.live.num_switched),
            "failed_switches": ("Times that a changed classifier could not be loaded.", self.live.num_failed),
        }
        for name, (meaning, value) in counters.items():
            yield CounterMetricFamily(f"skysort_serve_{name}", meaning, value)
