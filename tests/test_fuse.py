"""What each feature of fusion and confidence does, by the weights that are shipped."""

import numpy as np
import pytest

from rag.confidence import confidence
from rag.fuse import fused, leads
from rag.types import Chunk, Hit
from rag.weights import OTHER, SAME, weights

FEATURES = (
    "coverage",
    "glossary",
    "coverage lead",
    "titles",
    "phrases",
    "cosine",
    "cosine lead",
    "alignment",
    "alignment lead",
)
BASE = {name: np.full(1, 0.3) for name in FEATURES}


def test_leads_are_taken_from_the_mean_of_the_ten_best() -> None:
    values = np.arange(1, 13) / 10
    assert leads(values)[-1] == pytest.approx(1.2 - 0.75)
    assert leads(np.array([0.9])) == [0]
    assert leads(np.array([0.9, 0.1]))[0] == pytest.approx(0.4 / 9)
    assert np.sort(leads(values))[-10:].sum() == pytest.approx(0)
    assert leads(np.empty(0)).shape == (0,)


def test_a_language_with_higher_cosines_gains_nothing_by_its_lead() -> None:
    np.testing.assert_allclose(leads(np.array([0.2, 0.1])), leads(np.array([0.7, 0.6])))


@pytest.mark.parametrize("same_language", [True, False])
@pytest.mark.parametrize("name", FEATURES)
def test_no_evidence_speaks_against_a_passage(name: str, same_language: bool) -> None:
    more = {**BASE, name: BASE[name] + 0.1}
    difference = float(fused(more, same_language)[0] - fused(BASE, same_language)[0])
    weight = weights("fusion")[SAME if same_language else OTHER][name]
    assert difference == pytest.approx(0.1 * weight) and weight >= 0


def test_each_kind_of_evidence_counts_where_it_can_be_had() -> None:
    for head in (SAME, OTHER):
        shares = weights("fusion")[head]
        assert shares["alignment"] + shares["alignment lead"] > 0
        assert shares["cosine"] + shares["cosine lead"] > 0
        assert shares["coverage"] + shares["coverage lead"] > 0


def test_meaning_counts_more_in_another_language() -> None:
    """There words say little; what stands out by its meaning has to make up for it."""
    same, other = (weights("fusion")[head] for head in (SAME, OTHER))
    assert other["cosine lead"] > same["cosine lead"] and other["alignment lead"] > same["alignment lead"]


def test_nothing_found() -> None:
    assert fused({name: np.empty(0) for name in FEATURES}, True).shape == (0,)
    assert confidence([], "en") == 0.0


def hits(passages: str, language: str, strength: float) -> list[Hit]:
    """The best hit with as much of each kind of evidence, and one behind it with next to none."""
    found: list[Hit] = []
    for part in (strength, 0.1):
        features = {name: part * (0.3 if name.endswith("lead") else 1.0) for name in FEATURES}
        features |= {"glossary": 0.0, "titles": 0.0}
        score = fused({name: np.array([value]) for name, value in features.items()}, passages == language)[0]
        chunk = Chunk(str(part), "d", "", "s", passages, 1, 1, 0, 1, (), "t")
        found.append(Hit(chunk, float(score), {"lexical": 1, "dense": 1} if not found else {}, features))
    return found


@pytest.mark.parametrize("language", ["en", "hu", "ko"])
@pytest.mark.parametrize("passages", ["en", "hu", "ko"])
def test_confidence_grows_with_the_evidence(passages: str, language: str) -> None:
    weak, middling, strong = (confidence(hits(passages, language, strength), language) for strength in (0.15, 0.4, 0.8))
    assert 0 <= weak < middling < strong <= 1
    assert weak < 0.2 and strong > 0.8
