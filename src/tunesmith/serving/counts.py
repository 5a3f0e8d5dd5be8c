"""What Prometheus reads at `/metrics`, each app's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from .registry import Registry

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Counts:
    """Counters and histograms that answers fill, and gauges that are read from the models when somebody looks."""

    def __init__(self, models: Registry) -> None:
        self._all = CollectorRegistry()
        self.requests = Counter("tunesmith_requests", "Requests that were answered", ["route", "status"],
                                registry=self._all)
        self.seconds = Histogram("tunesmith_request_seconds", "Seconds until a request was answered whole", ["route"],
                                 buckets=SECONDS, registry=self._all)
        self.first = Histogram("tunesmith_first_token_seconds", "Seconds until the first token of an answer", ["model"],
                               buckets=SECONDS, registry=self._all)
        self.tokens = Counter("tunesmith_tokens", "Tokens read and written", ["model", "direction"],
                              registry=self._all)
        self._all.register(_Rows(models))

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._all)


class _Rows:
    """How much each model does at this moment."""

    def __init__(self, models: Registry) -> None:
        self._models = models

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Called by Prometheus' client."""
        running = GaugeMetricFamily("tunesmith_running_rows", "Answers that are being written", labels=["model"])
        waiting = GaugeMetricFamily("tunesmith_queue_length", "Requests and answers that wait", labels=["model"])
        for name, served in self._models.items():
            running.add_metric([name], served.running)
            waiting.add_metric([name], served.waiting)
        return [running, waiting]
