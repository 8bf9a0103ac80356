"""A checkpoint fetched from a stand-in of the hub on the loopback interface, by the real client."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

REPO, COMMIT = "someone/tiny", "a" * 40
ASK = """
    from foretune.config.schema.model import ModelCard
    from foretune.core import ModelError
    from foretune.train.models.checkpoint import available
    from foretune.train.models.text_base import load_text_base

    card = ModelCard(name="tiny", family="bert", checkpoint="someone/tiny", depth=2, hidden=32)
    assert available(card)
    base = load_text_base(card, [])
    print("LOADED", base.config.num_hidden_layers, base.config.hidden_size, len(base.tokenizer))
    try:
        load_text_base(ModelCard(name="other", checkpoint="someone/other"), [])
    except ModelError as error:
        print("REFUSED", error)
"""


def _handler(files: dict[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            tree = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for n, c in files.items()
            ]
            siblings = [{"rfilename": name} for name in files]
            if path == "/":
                return self._send(200, b"", body=body)
            if path.startswith(f"/api/models/{REPO}/tree/"):
                return self._send(200, json.dumps(tree).encode(), body=body)
            if path.startswith(f"/api/models/{REPO}"):
                info = {"id": REPO, "sha": COMMIT, "siblings": siblings, "private": False}
                return self._send(200, json.dumps(info).encode(), body=body)
            if path.startswith(f"/{REPO}/resolve/") and path.rsplit("/", 1)[1] in files:
                return self._send(200, files[path.rsplit("/", 1)[1]], body=body)
            return self._send(404, b"", body=body, error="RepoNotFound")

        def _send(self, status: int, content: bytes, *, body: bool, error: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", COMMIT)
            if error:
                self.send_header("X-Error-Code", error)
            self.end_headers()
            if body:
                self.wfile.write(content)

    return Handler


@pytest.fixture
def hub(saved):
    """The address of a hub that holds one checkpoint, and a pickle that must stay there."""
    files = {file.name: file.read_bytes() for file in saved.iterdir()}
    files["pytorch_model.bin"] = b"not to be fetched"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(files))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_checkpoint_is_fetched_and_loaded(hub, saved, tmp_path):
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment |= {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1"}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ASK)],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    vocabulary = json.loads((saved / "config.json").read_text())["vocab_size"]
    assert f"LOADED 2 32 {vocabulary}" in done.stdout
    assert "REFUSED model other: expected to fetch 'someone/other'" in done.stdout
    fetched = {path.name for path in tmp_path.rglob("snapshots/*/*")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    assert "pytorch_model.bin" not in fetched
