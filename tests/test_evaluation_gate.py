import copy
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rag.weights
from evaluation.__main__ import main
from evaluation.baseline import Baseline
from evaluation.commands.packages import require
from evaluation.gate import LEAST, LEVEL, Verdict, drops, judge
from evaluation.outcome import Run
from evaluation.run import ask_domain
from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.errors import ConfigurationError
from rag.settings import Settings, domain_names
from tests.test_changes import outcome, question, run

RECALL = "retrieval/page/shown/recall@5"


def judged(before: Run, after: Run) -> Verdict:
    return judge([(Baseline.of(before), Baseline.of(after))])


def fallen(verdict: Verdict) -> set[str]:
    return {item.figure for item in verdict.held if item.fails}


def test_few_drops_are_tested_exactly() -> None:
    fell = np.array([[-1.0], [-1.0], [-1.0], [0.0], [0.0]])
    assert drops(fell) == [1 / 8]
    # Only drops count.
    assert drops(-fell) == [1.0]
    assert drops(np.zeros((5, 2))).tolist() == [1.0, 1.0]


def test_p_values_are_those_of_the_step_down_worked_out_one_by_one() -> None:
    differences = np.array([[-1, 0, 0.5], [-1, -0.5, 0], [0, -0.25, -0.5], [-1, 0.25, 0], [1, -1, 0.25], [-1, 0, 0]])
    scaled = differences / np.sqrt((differences**2).sum(0))
    seen = -scaled.sum(0)
    order = sorted(range(3), key=lambda figure: -seen[figure])
    expected, least = {}, 0.0
    for place, figure in enumerate(order):
        far = [
            max(-np.dot(signs, scaled[:, other]) for other in order[place:]) >= seen[figure] - 1e-9
            for signs in itertools.product((1, -1), repeat=6)
        ]
        least = max(least, float(np.mean(far)))
        expected[figure] = least
    assert drops(differences).tolist() == [expected[figure] for figure in range(3)]


def test_figures_that_fall_together_cost_nothing_and_others_are_corrected_for() -> None:
    chance = np.random.default_rng(5)
    fell = np.zeros((200, 1))
    fell[:7] = -1
    assert drops(np.repeat(fell, 6, axis=1)).tolist() == [1 / 128] * 6
    noise = chance.choice([-1.0, 0.0, 1.0], (200, 8), p=[0.05, 0.9, 0.05])
    alone, among = drops(fell)[0], drops(np.hstack([fell, noise]))[0]
    assert alone < among


def test_many_drops_are_tested_about_as_exactly() -> None:
    # Of 20 that changed 15 fell: the one-sided sign test gives 0.0207.
    fell = np.array([-1.0] * 15 + [1.0] * 5).reshape(-1, 1)
    assert drops(fell)[0] == pytest.approx(0.0207, abs=0.004)
    assert drops(fell)[0] == drops(fell)[0]


def test_chance_alone_rarely_fails() -> None:
    """Outcomes of a tenth of the questions become those of others, all figures of a question at once."""
    chance = np.random.default_rng(17)
    alarms = 0
    for _ in range(300):
        before = chance.random((200, 1)) < np.linspace(0.5, 0.95, 10)
        after = before.copy()
        changed = chance.choice(200, 20, replace=False)
        after[changed] = before[chance.choice(200, 20)]
        alarms += bool((drops(after.astype(float) - before) <= LEVEL).any())
    # 5 percent of 300 is 15, of which chance makes at most 23 in 97 of 100 cases.
    assert alarms <= 23


def test_a_drop_fails_and_noise_of_the_same_size_passes() -> None:
    asked = [question(number) for number in range(200)]
    before = run(*(outcome(one) for one in asked))
    worse = run(*(outcome(one, place=0 if number < 8 else 1) for number, one in enumerate(asked)))
    verdict = judged(before, worse)
    assert not verdict.passes and RECALL in fallen(verdict)
    assert f"{RECALL} 100.0 to 96.0 (p 0.0039)" in verdict.sentence()
    # As many rise as fall.
    half = run(*(outcome(one, place=0 if number < 4 else 1) for number, one in enumerate(asked)))
    other = run(*(outcome(one, place=0 if 4 <= number < 8 else 1) for number, one in enumerate(asked)))
    assert judged(half, other).passes
    assert judged(worse, before).passes
    assert judged(before, before).passes


def test_unsupported_sentences_fail_by_rising() -> None:
    asked = [question(number) for number in range(50)]
    before = run(*(outcome(one) for one in asked))
    worse = run(*(outcome(one, supported=number > 9) for number, one in enumerate(asked)))
    assert fallen(judged(before, worse)) == {"answers/unsupported"}
    assert judged(worse, before).passes


def test_a_sure_drop_that_is_too_small_to_matter_passes() -> None:
    asked = [question(number) for number in range(400)]
    before = run(*(outcome(one) for one in asked))
    worse = run(*(outcome(one, place=2 if number < 7 else 1) for number, one in enumerate(asked)))
    held = {item.figure: item for item in judged(before, worse).held}
    first = held["retrieval/page/shown/mrr@10"]
    assert first.p_value <= LEVEL and 0 < first.before - first.after < LEAST
    assert not first.fails


def test_sets_too_small_to_tell_alone_are_pooled() -> None:
    sets = [[replace(question(number), set=name) for number in range(60)] for name in ("birds", "fish")]
    before = [run(*(outcome(one) for one in asked)) for asked in sets]
    worse = [run(*(outcome(one, place=int(number > 3)) for number, one in enumerate(asked))) for asked in sets]
    assert all(judged(*pair).passes for pair in zip(before, worse, strict=True))
    pairs = [(Baseline.of(one), Baseline.of(other)) for one, other in zip(before, worse, strict=True)]
    assert RECALL in fallen(judge(pairs))


def test_what_is_not_compared_is_told() -> None:
    before = run(outcome(question(1)), outcome(question(2)))
    after = replace(run(outcome(question(1)), outcome(question(3), place=0)), settings={"refuse_below": 0.5})
    verdict = judged(before, after)
    assert {item.questions for item in verdict.held} == {1} and verdict.passes
    assert "1 only in the first, 1 only in the second" in verdict.told[0]
    assert "refuse_below 0.2 before, 0.5 now" in verdict.told[1]
    with pytest.raises(ConfigurationError, match="python -m evaluation baseline birds"):
        judged(run(outcome(question(1))), run(outcome(question(2))))


def test_the_verdict_is_a_part_of_the_report() -> None:
    asked = [question(number) for number in range(100)]
    part = judged(
        run(*(outcome(one) for one in asked)), run(*(outcome(one, place=int(one.id > "q2")) for one in asked))
    ).section()
    rows = {row[0]: row for row in part.rows}
    assert all(len(row) == len(part.titles) for row in part.rows)
    assert rows[RECALL][-1] == "fails" and rows["refusals/answered"][-1] == "holds"


def test_a_baseline_is_kept_as_it_is(tmp_path: Path) -> None:
    unanswerable = question(2, answerable=False)
    baseline = Baseline.of(run(outcome(question(1), place=3), outcome(unanswerable, text="")))
    path = baseline.save(tmp_path)
    assert path == tmp_path / "birds.json"
    assert Baseline.load("birds", tmp_path) == baseline
    assert baseline.figures["retrieval/page/shown/mrr@10"] == {"birds/q1": 0.3333}
    written = path.read_text(encoding="utf-8")
    assert json.loads(written)["means"]["refusals/refused"] == 1.0
    assert "nests" not in written and "heron" not in written
    assert judge([(Baseline.load("birds", tmp_path), baseline)]).passes


@pytest.mark.parametrize("content", ["", "{}", '{"format": 7}', "[]", '{"format": 1, "questions": {"a": []}}'])
def test_a_broken_or_missing_baseline_says_what_to_do(tmp_path: Path, content: str) -> None:
    if content:
        (tmp_path / "birds.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="birds"):
        Baseline.load("birds", tmp_path)


def test_what_visitors_see_is_what_the_reranker_put_first() -> None:
    one = outcome(question(1), place=2)
    reranked = replace(one, rankings={**one.rankings, "reranked": one.rankings["fused"][1:]})
    assert Baseline.of(run(reranked)).figures["retrieval/page/shown/mrr@10"] == {"birds/q1": 1.0}
    assert Baseline.of(run(one)).figures["retrieval/page/shown/mrr@10"] == {"birds/q1": 0.5}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The bundled domains, through the real pipeline."""
    settings = replace(Settings(), var=tmp_path_factory.mktemp("var"), threads=1)
    for name in domain_names(settings):
        assert not bring_up_to_date(settings, name).failures
    engine = Engine(settings)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def now(engine: Engine) -> list[Baseline]:
    return asked_passages(engine)


def asked_passages(engine: Engine) -> list[Baseline]:
    return [Baseline.of(ask_domain(engine, name, answers=False)) for name in engine.domains]


def test_the_bundled_domains_hold_their_baselines(now: list[Baseline]) -> None:
    verdict = judge([(Baseline.load(one.set), one) for one in now])
    assert verdict.passes, "\n".join((verdict.sentence(), *verdict.told))


def test_a_seeded_regression_of_three_points_fails_and_an_untouched_second_run_passes(
    engine: Engine, now: list[Baseline], monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = judge([*zip(now, asked_passages(engine), strict=True)])
    assert untouched.passes and {item.p_value for item in untouched.held} == {1.0}

    # On purpose: the words of a question count nothing in passages of its own language.
    broken = copy.deepcopy(rag.weights.weights("fusion"))
    broken["same"]["coverage"] = 0.0
    monkeypatch.setattr("rag.fuse.weights", lambda name: broken)
    seeded = judge([*zip(now, asked_passages(engine), strict=True)])
    held = {item.figure: item for item in seeded.held}
    for level in ("document", "page"):
        recall = held[f"retrieval/{level}/shown/recall@5"]
        assert 0.02 < recall.before - recall.after < 0.05
        assert recall.p_value <= LEVEL and recall.fails
    assert not seeded.passes
    print(f"untouched: {untouched.sentence()}\nseeded: {seeded.sentence()}")


def test_the_command_exits_with_1_where_a_figure_dropped(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*arguments: str) -> int:
        return main(["domain", "space", "--limit", "12", "--baselines", str(tmp_path / "baselines"), *arguments])

    monkeypatch.setenv("LACERTA_VAR", str(engine.settings.var))
    assert ask("--gate", "--no-report") == 2
    assert "python -m evaluation baseline space" in capsys.readouterr().err
    assert ask("--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["sets"]
    assert Path(found["report"]).is_file() and found["questions"] == 12
    assert found["retrieval"]["page"]["all"]["fused"]["recall@5"]["count"] == 12
    assert main(["baseline", "space", "--baselines", str(tmp_path / "baselines")]) == 0
    assert ask("--gate", "--no-report") == 0
    shown = capsys.readouterr().out
    assert "no figures differ" in shown and "The gate passes" in shown
    # Tables fit a terminal; sentences may go on in the next line.
    rows = [line for line in shown.splitlines() if "  " in line]
    assert len(rows) > 20 and max(map(len, rows)) < 120

    monkeypatch.setattr("evaluation.run.ASKED", 0)
    assert ask("--gate", "--no-report") == 1
    assert "FAILS" in capsys.readouterr().out


def test_a_set_that_was_never_asked_has_no_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LACERTA_VAR", str(tmp_path))
    assert main(["baseline", "space"]) == 2
    assert "python -m evaluation domain space" in capsys.readouterr().err


def test_what_is_not_installed_is_told_before_anybody_waits() -> None:
    with pytest.raises(ConfigurationError, match="no_such_package of requirements/evaluation.txt is not installed"):
        require("json", "no_such_package")
