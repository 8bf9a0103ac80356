"""Credentials of a storage URL: in no file, on no screen, in no record."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from foretune.testing.postgres import PASSWORD, create_database

WRONG = "an0ther and a w0rd"


@pytest.fixture
def url(postgres_url, request):
    return create_database(postgres_url, f"secrets{abs(hash(request.node.name))}")


def assert_secret(folder, *texts):
    """Nothing below ``folder`` and no text holds a password."""
    for secret in (PASSWORD, WRONG):
        for text in texts:
            assert secret not in text
        for file in Path(folder).rglob("*"):
            if file.is_file():
                assert secret.encode() not in file.read_bytes(), file


def stored(url):
    """Everything that a database holds, as text."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        rows = {name: connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in names}
    engine.dispose()
    return str(rows)


def test_a_search_with_the_password_on_its_command_line(foretune, tmp_path, url):
    words = ("executor=inline", "search.n_trials=1", f"storage.url='{url}'")
    code, out = foretune(*foretune.small, *words)
    assert code == 0, out
    assert "***@" in (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text()
    held = stored(url)
    assert "bert_tiny" in held
    assert_secret(tmp_path, out, held)


def test_a_sweep_and_a_wrong_password(foretune, tmp_path, url):
    words = ["job=history", "history.action=list", "history.rows=1,2"]
    code, out = foretune(*words, f"storage.url='{url.replace(PASSWORD, WRONG)}'", "-m")
    assert code == 0, out  # a history that cannot be read is a line of the list
    assert "password authentication failed" in out
    assert "***@" in (tmp_path / "run" / "multirun.yaml").read_text()
    assert_secret(tmp_path, out)


@pytest.mark.parametrize(
    "word", ["storage.url=postgresql:/me:{}@host/db", "storage.url=postgresql://me:{}@/d?x=[1"]
)
def test_words_that_are_no_setting(foretune, tmp_path, word):
    code, out = foretune("job=history", word.format(PASSWORD))
    assert code == 2
    assert_secret(tmp_path, out)


def test_the_environment_is_no_setting_either(foretune, tmp_path, url, monkeypatch):
    """A URL from the environment stays a reference in what Hydra writes."""
    monkeypatch.setenv("FORETUNE_STORAGE_URL", url)
    foretune.places = [place for place in foretune.places if "storage.url" not in place]
    code, out = foretune("job=history", "storage=postgres")
    assert code == 0, out
    assert (
        "oc.env:FORETUNE_STORAGE_URL" in (tmp_path / "run" / ".hydra" / "config.yaml").read_text()
    )
    assert_secret(tmp_path, out)
