"""What figures are called and how they are written in a report."""

import math

from evaluation.statistics import LEVEL, Estimate

FIGURES = {
    "recall@1": ("Recall@1", "Share of questions with a labelled source in the first passage."),
    "recall@5": ("Recall@5", "Share of questions with a labelled source among the first five passages."),
    "recall@10": ("Recall@10", "Share of questions with a labelled source among the first ten passages."),
    "mrr@10": ("MRR@10", "Mean of one divided by the place of the first labelled source, 0 beyond the tenth."),
    "ndcg@10": (
        "nDCG@10",
        "How near the ten first passages come to the best order of all labelled sources, by their grades.",
    ),
    "inside": (
        "Gold answer inside",
        "Share of answers that hold a gold answer without regard to case, punctuation and articles.",
    ),
    "inside_exact": ("Gold answer inside, exact", "The same letter by letter."),
    "token_f1": (
        "Token F1",
        "Words (Korean: syllables) shared with the nearest gold answer: harmonic mean of precision and recall.",
    ),
    "rouge_1": ("ROUGE-1", "F1 of single tokens against the nearest gold answer; every Hangul syllable is a token."),
    "rouge_2": ("ROUGE-2", "F1 of pairs of neighbouring tokens."),
    "rouge_l": ("ROUGE-L", "F1 of the longest common subsequence of tokens."),
    "cited": ("Cited document", "Share of questions whose answer cites a labelled document."),
    "cited_page": ("Cited page", "Share of questions whose answer cites a labelled page."),
    "citation_precision": ("Citation precision", "Part of the cited documents that are labelled."),
    "citation_precision_page": ("Citation precision, page", "Part of the cited pages that are labelled."),
    "citation_recall": (
        "Citation recall",
        "Part of the labelled documents that are cited; each of them answers alone.",
    ),
    "citation_recall_page": ("Citation recall, page", "Part of the labelled pages that are cited."),
    "language": ("Language recognised", "Share of questions whose language was recognised."),
    "faithful": ("Answer in one language", "Share of answers that are wholly in the question's language."),
    "unsupported": ("Unsupported sentences", "Share of sentences that no cited passage bears out; lower is better."),
    "answered": ("Answerable answered", "Share of answerable questions that were answered and not refused."),
    "refused": ("Unanswerable refused", "Share of unanswerable questions that were refused and not answered."),
    "auroc": (
        "AUROC of the confidence",
        "How often an answerable question has a higher confidence than an unanswerable one; 50 percent is chance.",
    ),
}
"""By the key of a figure: its title, and what it means."""
NOTHING = "–"


def title(figure: str) -> str:
    """The title of a figure, with where it stands before it: `retrieval/page/fused/recall@5`, `answers/inside`."""
    *where, name = figure.split("/")
    found = FIGURES[name][0] if name in FIGURES else name.replace("_", " ")
    places = [part for part in where if part not in ("retrieval", "answers", "refusals")]
    return f"{found} ({', '.join(places)})" if places else found


def percent(value: float) -> str:
    """A figure in [0, 1] as percent with one digit behind the point."""
    return NOTHING if math.isnan(value) else "100" if value == 1 else f"{100 * value:.1f}"


def points(value: float) -> str:
    """A difference of two such figures in percentage points, with its sign."""
    return NOTHING if math.isnan(value) else f"{100 * value:+.1f}".replace("-", "−")


def interval(estimate: Estimate) -> str:
    return NOTHING if math.isnan(estimate.low) else f"{percent(estimate.low)}–{percent(estimate.high)}"


def seconds(value: float) -> str:
    """A time in milliseconds or seconds, with its unit."""
    if math.isnan(value):
        return NOTHING
    return f"{1000 * value:.1f} ms" if value < 0.1 else f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"


def probability(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


LEVEL_PERCENT = f"{100 * LEVEL:.0f}"
