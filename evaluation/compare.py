"""Several configurations asked the same questions, each against the first by a paired test."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from evaluation import beir
from evaluation.answers import figures
from evaluation.baseline import HELD, Baseline
from evaluation.configuration import CHUNK_TOKENS, Configuration
from evaluation.outcome import Run
from evaluation.questions import from_beir
from evaluation.report.section import Section
from evaluation.run import ask_domain, scratch_domain
from evaluation.statistics import Comparison
from evaluation.statistics import compare as tested
from evaluation.summary import probability
from evaluation.tables import table
from evaluation.target import is_folder, questions, set_name, tells_answers
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.errors import ConfigurationError
from rag.settings import RetrievalSettings, Settings

# What lies below var/ and is large, or was fetched.
_SHARED = ("models", "fetched")


@dataclass(frozen=True, slots=True)
class Compared:
    """A configuration and its run."""

    configuration: Configuration
    run: Run


@dataclass(frozen=True, slots=True)
class Figure:
    """The mean of a figure in a configuration, over all questions that it applies to.

    `comparison` is that with the first configuration, over the questions that both have a value for; None for the
    first itself and where there is no such question.
    """

    value: float
    comparison: Comparison | None = None


def compare(
    settings: Settings, name: str, configurations: Sequence[Configuration], limit: int | None = None
) -> tuple[Compared, ...]:
    """Asks a domain, or a folder in BEIR layout, at most `limit` of its questions in each configuration.

    Configurations of one embedder and one chunk size share an index. That of the settings in force must be there for a
    domain; another is made in a scratch place by the real ingest, without a vector server, of what was fetched before.
    Raises ConfigurationError for a configuration that can't be, LacertaError where an index could not be made.
    """
    found = []
    here = settings.embedder, Configuration({}).chunk_tokens
    with ExitStack() as places:
        made: dict[tuple[str, int], tuple[Settings, str]] = {}
        for configuration in tqdm(configurations, desc="configurations", unit="run", disable=None):
            with configuration.in_force():
                wanted = configuration.settings(settings)
                needs = wanted.embedder, configuration.chunk_tokens
                if needs not in made:
                    made[needs] = places.enter_context(_place(wanted, name, configuration, needs == here))
                place, domain = made[needs]
                found.append(Compared(configuration, _run(configuration, place, domain, name, limit)))
    return tuple(found)


def against_first(compared: Sequence[Compared]) -> dict[str, tuple[Figure, ...]]:
    """By figure what each configuration reaches."""
    kept = [Baseline.of(item.run) for item in compared]
    return {
        name: tuple(_figure(name, kept[0], one, first=one is kept[0]) for one in kept)
        for name in HELD
        if all(name in one.figures for one in kept)
    }


def section(compared: Sequence[Compared]) -> Section:
    """The table of what a maintainer chooses by, a configuration a column."""
    rows = [(name, *map(_cell, row)) for name, row in against_first(compared).items()]
    rows.append(("seconds a question, median", *(_seconds(item.run) for item in compared)))
    rows.append(("chunks", *(str(item.run.settings["chunks"]) for item in compared)))
    paragraphs = (
        "Means in percent. In brackets the change from the first configuration, over the questions that both have a"
        " value for, and the p-value of a two-sided paired randomisation test. Each p-value is of one figure alone: of"
        " twenty that only chance moved, about one is below 0.05.",
    )
    titles = ("figure", *(item.configuration.label for item in compared))
    return Section("Configurations compared", paragraphs, titles, tuple(rows), first=True)


def plotted(compared: Sequence[Compared]) -> Section:
    """The same with a plot of the differences and their intervals. Needs matplotlib."""
    from evaluation.report.plots import forest

    rows = against_first(compared)
    series = {
        item.configuration.label: [
            one.comparison.difference if (one := row[place]).comparison else None for row in rows.values()
        ]
        for place, item in enumerate(compared)
        if place
    }
    drawn = forest([*rows], series, "points more than the first configuration", difference=True)
    return replace(section(compared), figure=drawn, alternative="The differences of the table, with their intervals.")


def markdown(compared: Sequence[Compared]) -> str:
    """The same for a pull request."""
    part = section(compared)
    return "\n".join([f"## {part.title}", "", *part.paragraphs, "", *table(part.titles, part.rows), ""])


@contextmanager
def _place(wanted: Settings, name: str, configuration: Configuration, as_set: bool) -> Iterator[tuple[Settings, str]]:
    """The settings of a place that has the index which a configuration needs, and what the domain is called there."""
    if is_folder(name):
        if CHUNK_TOKENS in configuration.values:
            raise ConfigurationError(f"A document of {name} is one chunk: {CHUNK_TOKENS} is for domains.")
        folder = Path(name)
        with scratch_domain(beir.load(folder), wanted, RetrievalSettings(), set_name(name)) as engine:
            yield engine.settings, next(iter(engine.domains))
        return
    if as_set:
        yield wanted, name
        return
    with TemporaryDirectory(prefix="lacerta-compare-") as scratch:
        place = replace(wanted, var=Path(scratch), chroma="")
        for shared in _SHARED:
            if (wanted.var / shared).is_dir():
                (place.var / shared).symlink_to((wanted.var / shared).resolve())
        with tqdm(desc=f"index for {configuration.label}", unit="", leave=False, disable=None) as bar:

            def progress(stage: str, done: int, total: int) -> None:
                bar.set_postfix_str(stage, refresh=False)
                bar.total, bar.n = total, done
                bar.refresh()

            bring_up_to_date(place, name, offline=True, force=True, progress=progress)
        yield place, name


def _run(configuration: Configuration, place: Settings, domain: str, name: str, limit: int | None) -> Run:
    engine = Engine(configuration.settings(place))
    try:
        if is_folder(name):
            asked = from_beir(Path(name).resolve(), limit)
        else:
            asked = questions(engine, domain, limit)
        theirs = engine.domains[domain]
        engine.domains[domain] = replace(theirs, retrieval=configuration.retrieval(theirs.retrieval))
        # Folders of runs are looked up by set: these are not runs of the set as the settings are.
        label = f"{set_name(name)} {configuration.label}"
        run = ask_domain(engine, domain, asked, tells_answers(asked), label)
        return replace(run, settings={**run.settings, **configuration.told()})
    finally:
        engine.close()


def _figure(name: str, base: Baseline, one: Baseline, first: bool) -> Figure:
    ours, theirs = base.figures[name], one.figures[name]
    shared = [] if first else [question for question in theirs if question in ours]
    value = sum(theirs.values()) / len(theirs)
    if not shared:
        return Figure(value)
    return Figure(value, tested([ours[question] for question in shared], [theirs[question] for question in shared]))


def _cell(figure: Figure) -> str:
    value = f"{100 * figure.value:.1f}"
    if figure.comparison is None:
        return value
    return f"{value} ({100 * figure.comparison.difference.value:+.1f}, {probability(figure.comparison.p_value)})"


def _seconds(run: Run) -> str:
    total = figures(run.outcomes, run.threshold).seconds.get("total")
    return f"{total.p50:.3f}" if total else "-"
