"""The page over poisoned documents, with a model that does what they say.

`python tests/browser/obedient.py PORT FOLDER ATTACKER`, with the project on PYTHONPATH; `ATTACKER` is a host and port.
"""

import sys
from dataclasses import replace
from pathlib import Path

import uvicorn

from ingest.pipeline import bring_up_to_date
from rag.answer import Engine
from rag.models import ChatModel, estimate_tokens
from rag.settings import Settings
from tests.doubles import ObedientChat
from tests.poison import poison
from web.server import create


def main(port: int, folder: Path, attacker: str) -> None:
    poison(folder / "corpora", attacker)
    settings = replace(Settings(), corpora=folder / "corpora", var=folder / "var", models=("openai:obedient",))
    bring_up_to_date(settings, "trap")
    engine = Engine(settings)
    chat = ObedientChat(replies=[], calls=[], breaches=[])
    engine._models._models["openai:obedient"] = ChatModel("openai:obedient", chat, 6000, estimate_tokens)
    app = create(engine)

    @app.get("/breaches")
    def breaches() -> dict[str, list[str] | int]:
        return {"found": chat.breaches, "asked": len(chat.calls)}

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
