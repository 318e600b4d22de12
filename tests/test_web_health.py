import os
import shutil
from dataclasses import replace

import pytest
from fastapi import FastAPI

from rag.answer import Engine
from rag.index import domain_index_folder
from tests.test_answer import ground  # noqa: F401  (a fixture)
from tests.web_server import served
from web.health import router
from web.stopping import Flow


@pytest.fixture
def place(ground, tmp_path):  # noqa: F811
    """Settings with a copy of the index of its own."""
    shutil.copytree(ground.var, tmp_path / "var")
    return replace(ground, var=tmp_path / "var")


@pytest.fixture
def engine(place):
    opened = Engine(place)
    yield opened
    opened.close()


def create(engine: Engine) -> FastAPI:
    app = FastAPI()
    app.include_router(router(engine, Flow(1)))
    return app


def reasons(client) -> list[dict[str, str]]:
    response = client.get("/readyz")
    assert response.status_code == (200 if response.json()["status"] == "ready" else 503)
    return response.json().get("reasons", [])


def test_it_is_ready_once_the_embedder_is_open(engine) -> None:
    with served(create(engine)) as client:
        assert [reason["check"] for reason in reasons(client)] == ["embedder"]
        assert client.get("/healthz").json() == {"status": "ok"}
        engine.warm_up()
        assert reasons(client) == []


def test_a_domain_without_an_index_is_named(engine, place) -> None:
    engine.warm_up()
    with served(create(engine)) as client:
        (domain_index_folder(place, "guide") / "CURRENT").unlink()
        assert reasons(client) == [{"check": "index", "domain": "guide", "reason": "there is none yet"}]


def test_a_private_domain_is_not_named(place, tmp_path) -> None:
    shutil.copytree(place.corpora, tmp_path / "corpora")
    described = tmp_path / "corpora" / "guide" / "domain.toml"
    described.write_text(f"private = true\n{described.read_text('utf-8')}", encoding="utf-8")
    (domain_index_folder(place, "guide") / "CURRENT").unlink()
    engine = Engine(replace(place, corpora=tmp_path / "corpora"))
    engine.warm_up()
    with served(create(engine)) as client:
        assert reasons(client) == [{"check": "index", "reason": "there is none yet"}]
    engine.close()


@pytest.mark.parametrize("part", ["manifest.json", "table"])
def test_an_index_that_cannot_be_opened_is_named_without_its_folder(engine, place, part) -> None:
    folder = domain_index_folder(place, "guide")
    shutil.copytree(folder / "1", folder / "2")
    path = folder / "2" / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "CURRENT").write_text("2\n")
    engine.warm_up()
    with served(create(engine)) as client:
        response = client.get("/readyz")
        assert response.json()["reasons"] == [{"check": "index", "domain": "guide", "reason": "it can't be opened"}]
        assert str(place.var) not in response.text
        assert client.get("/healthz").status_code == 200
        (folder / "CURRENT").write_text("1\n")
        assert reasons(client) == []
        # What is open goes on serving.
        (folder / "CURRENT").write_text("2\n")
        assert reasons(client) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(engine, place) -> None:
    engine.warm_up()
    with served(create(engine)) as client:
        place.var.chmod(0o500)
        assert [reason["check"] for reason in reasons(client)] == ["var"]
        place.var.chmod(0o700)


def test_a_folder_that_is_gone_is_named(engine, place) -> None:
    engine.warm_up()
    with served(create(engine)) as client:
        place.var.rename(place.var.with_name("elsewhere"))
        assert {"check": "var", "reason": "its folder can't be used"} in reasons(client)


def test_too_little_space_is_named(engine, monkeypatch) -> None:
    engine.warm_up()
    monkeypatch.setattr("web.health.LEAST_DISK_BYTES", 1 << 62)
    with served(create(engine)) as client:
        assert [reason["check"] for reason in reasons(client)] == ["disk"]
