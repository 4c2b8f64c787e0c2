"""The counts of a watcher as a text file for Prometheus' node exporter. Needs the extra `watch`."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from skysort.work.status_file import Counts


def metrics_text(counts: Counts) -> bytes:
    """Return counts in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Counts(counts))
    return generate_latest(registry)


class _Counts(Collector):
    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        counts = self.counts
        pictures = CounterMetricFamily("skysort_pictures", "Pictures sorted, by action.", labels=["action"])
        for action in ("keep", "set-aside", "review"):
            pictures.add_metric([action], counts.actions[action])
        yield pictures
        yield CounterMetricFamily("skysort_unreadable", "Unreadable pictures among them.", counts.unreadable)
        yield CounterMetricFamily("skysort_failures", "Tries that failed.", counts.failures)
        gauges = {
            "waiting": ("Files that are incomplete or will be tried again.", counts.waiting),
            "stuck": ("Unfinished uploads that stopped growing.", counts.stuck),
            "failing": ("Pictures whose last try failed.", counts.failing),
            "closed": ("Folders that cannot be read.", counts.closed),
            "passed_over": ("Links, and files that are no pictures.", counts.passed_over),
            "stale": (
                "1 while an alarm says that the decision breaks its promise.",
                counts.stale_since is not None,
            ),
            "in_trouble": ("1 while an error stops all work; status.json has the reason.", bool(counts.trouble)),
            "start_time_seconds": ("When the watcher started.", counts.started),
            "last_picture_time_seconds": ("When the last picture was sorted.", counts.last),
        }
        for name, (meaning, value) in gauges.items():
            if value is not None:
                yield GaugeMetricFamily(f"skysort_{name}", meaning, value)
