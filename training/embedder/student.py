"""The student: one row a piece, a text is the sum of its rows. Trained on what texts say and on which words match.

Two views of the same rows are trained together. The *sum* of a text's rows is its vector; it follows the teacher's
vector of the English twin and tells twins from other texts. The *alignment* of two texts looks for the best partner of
each piece of one among the pieces of the other, weighted by the length of its row; it tells twins from others as well
(late interaction, Khattab and Zaharia 2020, on rows without context).
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from training.embedder.data import LANGUAGES, Texts

_RARITY = 0.001


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that shapes a run; `seed` included, so the same data gives the same weights on one machine."""

    dimension: int = 256
    steps: int = 3600
    section_steps: int = 1600
    batch: int = 1024
    aligned: int = 96
    section_batch: int = 384
    section_aligned: int = 48
    rate: float = 3e-3
    dropout: float = 0.2
    temperature: float = 0.05
    distillation: float = 1.0
    alignment: float = 1.0
    words: int = 20
    """Pieces of a text that the alignment looks at while training on pairs, and four times as many of a section."""
    seed: int = 1


class Corpus:
    """Every text as pieces, in one flat array; texts are known by number."""

    def __init__(self, texts: Texts, tokenizer: Tokenizer, teacher: dict[str, int]) -> None:
        """`teacher` gives the row of the teacher's vectors for an English text."""
        self._number: dict[str, int] = {}
        self.pairs = self._pairs(texts, teacher)
        self.english = np.array([(self._of(text), teacher[text]) for text in texts.english if text in teacher])
        self.sections = self._sections(texts, teacher)
        encodings = tokenizer.encode_batch_fast(list(self._number), add_special_tokens=False)
        # The unknown piece has number 0 and says nothing.
        self.pieces = [np.array([piece for piece in item.ids if piece], np.int64) for item in encodings]

    def _of(self, text: str) -> int:
        return self._number.setdefault(text[:700], len(self._number))

    def _pairs(self, texts: Texts, teacher: dict[str, int]) -> np.ndarray:
        """(n, 4): two texts, the teacher's row of their English twin or -1, the kind of pair."""
        found = []
        for row in texts.pairs:
            place = teacher.get(row.get("en", ""), -1)
            for kind, (one, other) in enumerate((("en", "ko"), ("en", "hu"), ("ko", "hu"))):
                if one in row and other in row:
                    found.append((self._of(row[one]), self._of(row[other]), place, kind))
        return np.array(found)

    def _sections(self, texts: Texts, teacher: dict[str, int]) -> np.ndarray:
        """(n, 4): a heading, the text under it (in its own or another language), their teacher's rows or -1."""
        found = []
        for row in texts.sections:
            english = row.get("en", ("", ""))
            rows = teacher.get(english[0], -1), teacher.get(english[1], -1)
            for asked in row:
                for answered in row:
                    found.append((self._of(row[asked][0]), self._of(row[answered][1]), *rows))
        return np.array(found)


def _initial(corpus: Corpus, rows: np.ndarray, size: int) -> np.ndarray:
    """Each piece starts as the mean teacher vector of the texts it occurs in, scaled by how rare it is."""
    total = np.zeros((size, rows.shape[1]), np.float32)
    count = np.zeros(size, np.int64)
    known = corpus.pairs[corpus.pairs[:, 2] >= 0]
    texts = np.concatenate([known[:, [0, 2]], known[:, [1, 2]], corpus.english])
    for text, row in np.unique(texts, axis=0):
        pieces = corpus.pieces[text]
        np.add.at(total, pieces, rows[row])
        np.add.at(count, pieces, 1)
    share = count / max(1, count.sum())
    mean = total / np.maximum(count, 1)[:, None]
    unseen = np.random.default_rng(1).normal(0, 0.02, total.shape).astype(np.float32)
    return np.where(count[:, None] > 0, mean * (_RARITY / (_RARITY + share))[:, None], unseen)


class Student(torch.nn.Module):
    def __init__(self, rows: np.ndarray) -> None:
        super().__init__()
        self.rows = torch.nn.Parameter(torch.tensor(rows, dtype=torch.float32))

    def sums(self, texts: Sequence[np.ndarray], dropout: float, chance: np.random.Generator) -> torch.Tensor:
        """(n, d) unit rows."""
        flat = np.concatenate(texts)
        offsets = np.cumsum([0, *(len(text) for text in texts[:-1])])
        kept = torch.from_numpy((chance.random(len(flat)) >= dropout).astype(np.float32))
        summed = F.embedding_bag(
            torch.from_numpy(flat), self.rows, torch.from_numpy(offsets), mode="sum", sparse=True,
            per_sample_weights=kept,
        )  # fmt: skip
        return F.normalize(summed, dim=1)

    def alignments(self, one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """(n, n) each: how well the pieces of `one[i]` find partners in `other[j]`, and the other way round."""
        a, b = _padded(one), _padded(other)
        left, right = (F.embedding(ids, self.rows, sparse=True) for ids in (a, b))
        cosines = F.normalize(left, dim=2).flatten(0, 1) @ F.normalize(right, dim=2).flatten(0, 1).T
        cosines = cosines.view(*a.shape, *b.shape)  # (n, p, n, q)
        weights = [rows.norm(dim=2) * (ids > 0) for rows, ids in ((left, a), (right, b))]
        # Padding has a cosine of 0 with everything, which never beats a real partner by much.
        forth = cosines.max(3).values  # (n, p, n)
        back = cosines.max(1).values  # (n, n, q)
        shares = [weight / weight.sum(1, keepdim=True).clamp_min(1e-6) for weight in weights]
        return torch.einsum("ipj,ip->ij", forth, shares[0]), torch.einsum("ijq,jq->ij", back, shares[1])


def _padded(texts: Sequence[np.ndarray]) -> torch.Tensor:
    longest = max(map(len, texts))
    padded = np.zeros((len(texts), longest), np.int64)
    for row, text in enumerate(texts):
        padded[row, : len(text)] = text
    return torch.from_numpy(padded)


def _contrast(scores: torch.Tensor, temperature: float) -> torch.Tensor:
    """The twin of row i is column i: cross entropy both ways."""
    right = torch.arange(len(scores))
    return (F.cross_entropy(scores / temperature, right) + F.cross_entropy(scores.T / temperature, right)) / 2


def train(corpus: Corpus, teacher: np.ndarray, vocabulary: int, recipe: Recipe) -> np.ndarray:
    """(vocabulary, dimension) float32 rows. `teacher` are the projected unit rows of the English texts."""
    torch.manual_seed(recipe.seed)
    chance = np.random.default_rng(recipe.seed)
    student = Student(_initial(corpus, teacher, vocabulary))
    optimiser = torch.optim.SparseAdam([student.rows], lr=recipe.rate)
    total = recipe.steps + recipe.section_steps
    pairs, sections = _batches(corpus, recipe, chance), _section_batches(corpus, recipe, chance)
    started = time.time()
    for step in range(total):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * (0.02 + 0.98 * (1 + math.cos(math.pi * step / total)) / 2)
        # Sections come last, every other step, so that the pairs are not forgotten.
        late = step >= total - 2 * recipe.section_steps and (total - step) % 2 == 0
        batch = next(sections if late else pairs)
        loss, parts = (_section_loss if late else _pair_loss)(student, corpus, teacher, batch, recipe, chance)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0 or step == total - 1:
            shown = " ".join(f"{name} {value:.3f}" for name, value in parts.items())
            print(f"step {step} of {total}, {time.time() - started:.0f} s: {shown}", flush=True)
    return student.rows.detach().numpy()


Parts = dict[str, float]


def _pair_loss(
    student: Student,
    corpus: Corpus,
    teacher: np.ndarray,
    batch: np.ndarray,
    recipe: Recipe,
    chance: np.random.Generator,
) -> tuple[torch.Tensor, Parts]:
    sides = [[corpus.pieces[text] for text in batch[:, side]] for side in (0, 1)]
    one, other = (student.sums(side, recipe.dropout, chance) for side in sides)
    contrast = _contrast(one @ other.T, recipe.temperature)
    known = torch.from_numpy(np.flatnonzero(batch[:, 2] >= 0))
    target = torch.from_numpy(teacher[batch[known.numpy(), 2]])
    cosine = 2 - (one[known] * target).sum(1).mean() - (other[known] * target).sum(1).mean()
    matrix = F.mse_loss(other[known] @ one[known].T, target @ target.T)
    few = [[_some(text, recipe.words, chance) for text in side[: recipe.aligned]] for side in sides]
    forth, back = student.alignments(*few)
    aligned = (_contrast(forth, recipe.temperature) + _contrast(back, recipe.temperature)) / 2
    loss = contrast + recipe.distillation * (cosine + 10 * matrix) + recipe.alignment * aligned
    return loss, {"contrast": contrast.item(), "cosine": cosine.item(), "aligned": aligned.item()}


def _section_loss(
    student: Student,
    corpus: Corpus,
    teacher: np.ndarray,
    batch: np.ndarray,
    recipe: Recipe,
    chance: np.random.Generator,
) -> tuple[torch.Tensor, Parts]:
    headings = [corpus.pieces[text] for text in batch[:, 0]]
    texts = [corpus.pieces[text] for text in batch[:, 1]]
    for row in range(1, len(headings), 2):
        # Inverse cloze: a stretch of the text stands for a question, and is mostly taken out of it.
        headings[row], texts[row] = _cloze(texts[row], chance)
    one, other = student.sums(headings, recipe.dropout, chance), student.sums(texts, recipe.dropout, chance)
    contrast = _contrast(one @ other.T, recipe.temperature)
    known = torch.from_numpy(np.flatnonzero((batch[:, 2:] >= 0).all(1) & (np.arange(len(batch)) % 2 == 0)))
    loss = contrast
    parts = {"section contrast": contrast.item()}
    if len(known) > 8:
        asked, answered = (torch.from_numpy(teacher[batch[known.numpy(), column]]) for column in (2, 3))
        soft = F.softmax(asked @ answered.T / recipe.temperature, 1)
        likeness = F.kl_div(
            F.log_softmax(one[known] @ other[known].T / recipe.temperature, 1), soft, reduction="batchmean"
        )
        cosine = 1 - (other[known] * answered).sum(1).mean()
        loss = loss + 0.5 * likeness + recipe.distillation * cosine
        parts["likeness"] = likeness.item()
    few = slice(0, recipe.section_aligned)
    forth, _ = student.alignments(
        [_some(text, recipe.words, chance) for text in headings[few]],
        [_some(text, 4 * recipe.words, chance) for text in texts[few]],
    )
    aligned = _contrast(forth, recipe.temperature)
    parts["section aligned"] = aligned.item()
    return loss + recipe.alignment * aligned, parts


def _some(pieces: np.ndarray, most: int, chance: np.random.Generator) -> np.ndarray:
    """At most so many distinct pieces of a text."""
    distinct = np.unique(pieces)
    return distinct if len(distinct) <= most else chance.choice(distinct, most, replace=False)


def _cloze(pieces: np.ndarray, chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    length = int(chance.integers(6, 21))
    if len(pieces) < 3 * length:
        length = max(2, len(pieces) // 4)
    start = int(chance.integers(0, max(1, len(pieces) - length)))
    stretch = pieces[start : start + length]
    rest = np.concatenate([pieces[:start], pieces[start + length :]])
    # One in five keeps the stretch, so that exact words are worth finding.
    return stretch, (pieces if chance.random() < 0.2 or not len(rest) else rest)


def _batches(corpus: Corpus, recipe: Recipe, chance: np.random.Generator) -> Iterator[np.ndarray]:
    """Shuffled pairs of all kinds, the same number of each kind in a batch; English lines pair with themselves."""
    usable = np.array(
        [len(corpus.pieces[one]) > 0 and len(corpus.pieces[other]) > 0 for one, other, *_ in corpus.pairs]
    )
    pairs = corpus.pairs[usable]
    english = corpus.english[[len(corpus.pieces[text]) > 0 for text in corpus.english[:, 0]]]
    lines = np.stack([english[:, 0], english[:, 0], english[:, 1], np.full(len(english), len(LANGUAGES))], 1)
    kinds = [pairs[pairs[:, 3] == kind] for kind in range(len(LANGUAGES))] + [lines]
    shares = (0.36, 0.36, 0.16, 0.12)
    streams = [_endless(rows, int(recipe.batch * share), chance) for rows, share in zip(kinds, shares, strict=True)]
    while True:
        batch = np.concatenate([next(stream) for stream in streams])
        batch = batch[np.unique(batch[:, 0], return_index=True)[1]]
        batch = batch[np.unique(batch[:, 1], return_index=True)[1]]
        chance.shuffle(batch)
        yield batch


def _section_batches(corpus: Corpus, recipe: Recipe, chance: np.random.Generator) -> Iterator[np.ndarray]:
    usable = np.array(
        [len(corpus.pieces[one]) > 0 and len(corpus.pieces[other]) > 8 for one, other, *_ in corpus.sections]
    )
    for batch in _endless(corpus.sections[usable], recipe.section_batch, chance):
        batch = batch[np.unique(batch[:, 0], return_index=True)[1]]
        batch = batch[np.unique(batch[:, 1], return_index=True)[1]]
        chance.shuffle(batch)
        yield batch


def _endless(rows: np.ndarray, size: int, chance: np.random.Generator) -> Iterator[np.ndarray]:
    while True:
        order = chance.permutation(len(rows))
        for start in range(0, len(rows) - size + 1, size):
            yield rows[order[start : start + size]]
