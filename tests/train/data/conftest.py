"""A stand-in of the Hugging Face hub on the loopback interface, and small data sets to put there.

It answers what ``datasets`` and ``huggingface_hub`` ask of the hub for a data set repository:
repository information, file tree, paths' information and the files themselves.
"""

import hashlib
import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest


class Hub(ThreadingHTTPServer):
    """Data set repositories by id and revision: path -> content."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories = {}
        self.requests = []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, repo_id, files, revision="main"):
        """Put ``files`` (path -> bytes) up; their commit."""
        commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        for name in (revision, commit):
            self.repositories[repo_id, name] = (commit, files)
        return commit


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def do_POST(self):
        self._answer(body=True)

    def log_message(self, *args):
        pass

    def _answer(self, body):
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append((self.command, path))
        if path == "/":
            return self._send(200, b"", body)
        for (repo_id, revision), (commit, files) in self.server.repositories.items():
            api, resolve = f"/api/datasets/{repo_id}", f"/datasets/{repo_id}/resolve/{revision}/"
            if path.startswith(resolve):
                content = files.get(path.removeprefix(resolve))
                if content is None:
                    return self._missing("EntryNotFound", body)
                return self._send(200, content, body, commit=commit)
            if path in (api, f"{api}/revision/{revision}") and (path != api or revision == "main"):
                siblings = [{"rfilename": name} for name in files]
                info = {"id": repo_id, "sha": commit, "siblings": siblings, "tags": []}
                return self._json(info | {"private": False, "downloads": 0}, body)
            if path.startswith(f"{api}/tree/{revision}"):
                folder = path.removeprefix(f"{api}/tree/{revision}").strip("/")
                found = _entries(files, folder)
                if not found:
                    return self._missing("EntryNotFound", body)
                return self._json(found, body)
            if path == f"{api}/paths-info/{revision}":
                wanted = _wanted_paths(sent)
                return self._json([e for e in _entries(files, "") if e["path"] in wanted], body)
        return self._missing("RepoNotFound", body)

    def _json(self, value, body):
        self._send(200, json.dumps(value).encode(), body, kind="application/json")

    def _missing(self, code, body):
        self._send(404, b"", body, error=code)

    def _send(self, status, content, body, kind="application/octet-stream", commit="", error=""):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        if commit:
            self.send_header("X-Repo-Commit", commit)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if body:
            self.wfile.write(content)


def _wanted_paths(sent):
    if sent.startswith(b"{"):
        return json.loads(sent)["paths"]
    return [unquote(part.split("=", 1)[1]) for part in sent.decode().split("&") if "paths=" in part]


def _entries(files, folder):
    """Files and folders below ``folder``, as the tree endpoint lists them."""
    prefix = f"{folder}/" if folder else ""
    found = {}
    for path, content in files.items():
        if not path.startswith(prefix):
            continue
        parts = path.removeprefix(prefix).split("/")
        for depth in range(1, len(parts)):
            name = prefix + "/".join(parts[:depth])
            found[name] = {"type": "directory", "path": name, "size": 0, "oid": "0" * 40}
        oid = hashlib.sha1(content).hexdigest()
        found[path] = {"type": "file", "path": path, "size": len(content), "oid": oid}
    return list(found.values())


@pytest.fixture(scope="module")
def hub():
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def parquet():
    """A function from a ``Dataset`` to the bytes of a parquet file."""

    def write(rows):
        buffer = io.BytesIO()
        rows.to_parquet(buffer)
        return buffer.getvalue()

    return write
