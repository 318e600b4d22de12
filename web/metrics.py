"""What is counted, as Prometheus reads it at `/metrics`. Labels are names of the settings: no text of a visitor's.

Names and units are those of https://prometheus.io/docs/practices/naming/.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from ingest.report import load_report
from rag.errors import IndexUnavailable
from rag.index import Manifest, current_version, domain_index_folder
from rag.models import public_name
from rag.settings import LANGUAGES, Settings
from rag.types import Answer
from web import siblings

OUTCOMES = ("answered", "refused", "courtesy", "failed", "left")
"""`left`: whoever asked went away before the end."""
OTHER = "other"
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_POSITIONS = (1, 2, 4, 8, 16, 32, 64)
_INGEST_COUNTS = ("added", "updated", "unchanged", "removed", "failed")
# When each series began to exist is of no use and would double their number.
disable_created_metrics()
# More names than the code has stages, reasons and codes can only be a fault.
_MOST_NAMES = 64


class Metrics:
    """The counters of one application. Thread-safe."""

    def __init__(self, settings: Settings, domains: Collection[str]) -> None:
        self.registry = CollectorRegistry()
        together = siblings.folder()
        # What several processes count is read from their files, not from the counters of this one.
        counted = CollectorRegistry() if together else self.registry
        self._domains = frozenset(domains)
        self._models = frozenset(public_name(name) for name in (*settings.models, "extractive"))
        self._names: set[str] = set()
        self._caching = settings.cached_answers > 0

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"lacerta_{name}", text, labels, registry=counted)

        def histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
            return Histogram(f"lacerta_{name}", text, labels, registry=counted, buckets=buckets)

        self._requests = counter("requests", "Requests that ended.", "route", "method", "status")
        self._questions = counter("questions", "Questions that ended.", "domain", "language", "outcome")
        self._failures = counter("question_failures", "Questions that failed, by code.", "domain", "code")
        self._searches = counter("searches", "Searches without an answer.", "domain", "outcome")
        self._answers = counter("answers", "Answers by what wrote them.", "model")
        self._cache = counter("cache", "Answers by whether one of before was given again.", "result")
        self._model_failures = counter("model_failures", "Models that did not answer.", "model", "reason")
        self._tokens = counter("tokens", "Tokens of prompts and completions.", "model", "kind")
        self._unsupported = counter("unsupported_sentences", "Sentences that no passage bears out.", "domain")
        self._stages = histogram("stage_seconds", "Seconds by stage of a question.", "stage")
        self._answer_seconds = histogram("answer_seconds", "Seconds of a whole answer.", "domain")
        self._first_token = histogram("first_token_seconds", "Seconds until the first word of an answer.", "domain")
        self._positions = histogram(
            "queue_position", "Generations before a question's own when it began to wait.", buckets=_POSITIONS
        )
        self.active = Gauge(
            "lacerta_answers_in_progress", "Answers being written.", registry=counted, multiprocess_mode="livesum"
        )
        self._refusals = counter("refusals", "Requests for which there was no place or no budget.", "reason")
        self._places = Gauge(
            "lacerta_places_in_use", "Requests that are worked on.", ["kind"], registry=counted,
            multiprocess_mode="livesum",
        )  # fmt: skip
        limits = Gauge(
            "lacerta_places", "Requests that can be worked on at once.", ["kind"], registry=counted,
            multiprocess_mode="livesum",
        )  # fmt: skip
        for kind, most in (("answer", settings.concurrent_answers), ("search", settings.concurrent_searches)):
            limits.labels(kind).set(most)
            self._places.labels(kind).set(0)
        self.registry.register(_Indexes(settings, domains))
        if together:
            MultiProcessCollector(self.registry, str(together))
            self.registry.register(_Processes(together))
        else:
            ProcessCollector(registry=self.registry)

    def request(self, route: str, method: str, status: int) -> None:
        """A request that ended; `route` is a pattern, never an address as it was asked for."""
        known = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else OTHER
        self._requests.labels(route, known, str(status)).inc()

    def question(self, domain: str, language: str, outcome: str) -> None:
        self._questions.labels(self.domain(domain), language if language in LANGUAGES else OTHER, outcome).inc()

    def failure(self, domain: str, code: str) -> None:
        self._failures.labels(self.domain(domain), self._bounded(code)).inc()

    def search(self, domain: str, outcome: str, seconds: Mapping[str, float]) -> None:
        self._searches.labels(self.domain(domain), outcome).inc()
        self._time(seconds)

    def refused(self, code: str) -> None:
        self._refusals.labels(self._bounded(code)).inc()

    def places(self, kind: str, by: int) -> None:
        """So many requests more, or fewer, are worked on."""
        self._places.labels(kind).inc(by)

    def waiting(self, position: int) -> None:
        self._positions.observe(position)

    def cache(self, result: str) -> None:
        """An answer: `hit` where it was given before, `miss`, or `fresh` where a new one was asked for."""
        if self._caching:
            self._cache.labels(result).inc()

    def answer(self, domain: str, answer: Answer) -> None:
        """What a finished answer tells of itself."""
        domain = self.domain(domain)
        seconds = dict(answer.timings)
        total, first = seconds.pop("total", None), seconds.pop("first_token", None)
        if total is not None:
            self._answer_seconds.labels(domain).observe(total)
        if first is not None:
            self._first_token.labels(domain).observe(first)
        self._time(seconds)
        model = self.model(answer.model) if answer.model else ""
        if model:
            self._answers.labels(model).inc()
        for name, reason in answer.failures:
            self._model_failures.labels(self.model(name), self._bounded(reason)).inc()
        kinds = {
            "prompt": answer.usage.prompt_tokens,
            "evaluated": answer.usage.evaluated_tokens,
            "completion": answer.usage.completion_tokens,
        }
        for kind, count in kinds.items():
            if count:
                self._tokens.labels(model or OTHER, kind).inc(count)
        if answer.unsupported:
            self._unsupported.labels(domain).inc(answer.unsupported)

    def domain(self, name: str) -> str:
        return name if name in self._domains else OTHER

    def model(self, name: str) -> str:
        return name if name in self._models else OTHER

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All of it in the form that `accept` asks for, and that form's content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _time(self, seconds: Mapping[str, float]) -> None:
        for stage, value in seconds.items():
            self._stages.labels(self._bounded(stage)).observe(value)

    def _bounded(self, name: str) -> str:
        """A name that the program made, as long as there are few of them."""
        if name not in self._names and len(self._names) >= _MOST_NAMES:
            return OTHER
        self._names.add(name)
        return name


class _Processes:
    """What the system tells of each of several processes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for number, identity in siblings.processes(self._folder).items():
            for metric in ProcessCollector(pid=partial(str, identity), registry=None).collect():
                samples = [sample._replace(labels={"process": str(number)}) for sample in metric.samples]
                if metric.name in found:
                    found[metric.name].samples += samples
                else:
                    found[metric.name] = metric
                    metric.samples = samples
        yield from found.values()

    def describe(self) -> Iterator[Metric]:
        """Nothing, as below."""
        return iter(())


class _Indexes:
    """The indexes that serve and the ingests that made them, looked up when they are asked for."""

    def __init__(self, settings: Settings, domains: Collection[str]) -> None:
        self._settings = settings
        self._domains = tuple(domains)
        # A version never changes.
        self._read = lru_cache(maxsize=4 * max(len(self._domains), 1))(self._version)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        info = GaugeMetricFamily("lacerta_index_info", "1 for the version that serves.", labels=["domain", "version"])
        ready = GaugeMetricFamily("lacerta_index_ready", "Whether there is an index.", labels=["domain"])
        documents = GaugeMetricFamily("lacerta_index_documents", "Documents of the index.", labels=["domain"])
        chunks = GaugeMetricFamily("lacerta_index_chunks", "Chunks of the index.", labels=["domain"])
        created = GaugeMetricFamily(
            "lacerta_index_created_timestamp_seconds", "When the index was made, in Unix time.", labels=["domain"]
        )
        counts = GaugeMetricFamily(
            "lacerta_ingest_documents", "Documents of the ingest that made the index.", labels=["domain", "result"]
        )
        for domain in self._domains:
            version = current_version(self._settings, domain)
            found = self._read(domain, version) if version else None
            ready.add_metric([domain], float(found is not None))
            if found is None or version is None:
                continue
            info.add_metric([domain, version], 1.0)
            documents.add_metric([domain], found[0])
            chunks.add_metric([domain], found[1])
            created.add_metric([domain], found[2])
            for result in _INGEST_COUNTS:
                if isinstance(found[3].get(result), int):
                    counts.add_metric([domain, result], found[3][result])
        yield from (info, ready, documents, chunks, created, counts)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing: otherwise all of it would be collected once when it is registered."""
        return iter(())

    def _version(self, domain: str, version: str) -> tuple[int, int, float, Mapping[str, Any]] | None:
        """Documents, chunks, Unix time and the report of a version; None where it can't be read."""
        folder = domain_index_folder(self._settings, domain) / version
        try:
            manifest = Manifest.load(folder)
            made = datetime.fromisoformat(manifest.created)
        except (IndexUnavailable, ValueError):
            return None
        moment = made if made.tzinfo else made.replace(tzinfo=UTC)
        return len(manifest.documents), manifest.chunks, moment.timestamp(), load_report(folder)
