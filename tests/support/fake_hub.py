# A Hugging Face Hub on the loopback interface, with faults that can be switched on; the standard library only.
"""Two servers, as the hub has: one answers questions and gives small files, the other stores large ones.

    with FakeHub() as hub:
        hub.add("org/name", {"config.json": b"{}", "model.safetensors": weights})
        hub.fault("model.safetensors", "drop", after=1000)
        run(env={"HF_ENDPOINT": hub.url})
        hub.requests        # what was asked, in order

Run as a program it serves a folder: python fake_hub.py org/name FOLDER
"""

import contextlib
import dataclasses
import hashlib
import http.server
import json
import pathlib
import re
import sys
import threading
import time
import urllib.parse

from fake_hub_files import LARGE, POINTER, Content
from fake_hub_uploads import Uploads


@dataclasses.dataclass
class Fault:
    target: str  # a file's name, or "list"
    kind: str
    times: int  # how often it still happens; -1: always
    options: dict
    met: threading.Event = dataclasses.field(default_factory=threading.Event)  # it happened
    go: threading.Event = dataclasses.field(default_factory=threading.Event)  # ends a stall


@dataclasses.dataclass
class Request:
    server: str  # "hub" or "store"
    method: str
    path: str
    headers: dict

    @property
    def range(self):
        return self.headers.get("range")


class Repository:
    def __init__(self):
        self.commits = {}  # sha -> {file name: Content}
        self.revisions = {}
        self.gated = False


class FakeHub:
    def __init__(self, port=0, tls=None):
        """:param tls: an ssl.SSLContext; the addresses then begin with https://"""
        self.scheme = self.store_scheme = "https" if tls else "http"
        self.repositories = {}
        self.contents = {}  # by SHA-256
        self.requests = []
        self.faults = []
        self.tokens = set()  # that open gated repositories
        self.writers = set()  # tokens that may write
        self.uploads = {}
        self.large = LARGE
        self.lock = threading.Lock()
        self.servers = [Server(("127.0.0.1", port), self, "hub"), Server(("127.0.0.1", 0), self, "store")]
        for server in self.servers if tls else ():
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        self.threads = [threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
                        for server in self.servers]

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.servers[0].server_port}"

    @property
    def store_url(self):
        return f"{self.store_scheme}://127.0.0.1:{self.servers[1].server_port}"

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for fault in self.faults:
            fault.go.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def add(self, name, files, revision="main"):
        """A commit of these files (bytes, or a Path to read from); the revision then points to it. Returns its sha."""
        repository = self.repositories.setdefault(name, Repository())
        contents = {path: Content(source) for path, source in files.items()}
        text = json.dumps([len(repository.commits), [(path, one.hash) for path, one in sorted(contents.items())]])
        sha = hashlib.sha1((name + text).encode()).hexdigest()
        repository.commits[sha] = contents
        repository.revisions[revision] = sha
        self.contents.update({one.sha256: one for one in contents.values()})
        return sha

    def add_folder(self, name, folder, revision="main"):
        return self.add(name, {path.relative_to(folder).as_posix(): path.read_bytes()
                               for path in sorted(folder.rglob("*")) if path.is_file()}, revision)

    def fault(self, target, kind, times=1, **options):
        fault = Fault(target, kind, times, options)
        self.faults.append(fault)
        return fault

    def take_fault(self, target, *kinds):
        with self.lock:
            for fault in self.faults:
                if fault.target == target and fault.kind in kinds and fault.times != 0:
                    fault.times -= 1
                    fault.met.set()
                    return fault
        return None

    def commit_of(self, repository, revision):
        sha = repository.revisions.get(revision, revision)
        return sha if sha in repository.commits else None

    def gets(self, server=None):
        """Paths that were fetched, without their queries."""
        return [one.path.split("?")[0] for one in self.requests
                if one.method == "GET" and (server is None or one.server == server)]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address, hub, role):
        self.hub = hub
        self.role = role
        super().__init__(address, Handler)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(Uploads, http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle_one(self):
        hub = self.server.hub
        headers = {key.lower(): value for key, value in self.headers.items()}
        with hub.lock:
            hub.requests.append(Request(self.server.role, self.command, self.path, headers))
        path = urllib.parse.unquote(self.path.split("?")[0])
        if self.server.role == "store":
            self.store(path)
            return
        for pattern, answer in ROUTES:
            if match := re.fullmatch(pattern, path):
                answer(self, *match.groups())
                return
        self.refuse(404, "RepoNotFound", "no such page")

    do_GET = do_HEAD = do_POST = do_PUT = handle_one

    # Answers.

    def send(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_json(self, value, status=200):
        self.send(status, json.dumps(value).encode(), Content_Type="application/json")

    def refuse(self, status, code, message):
        self.send(status, json.dumps({"error": message}).encode(), X_Error_Code=code, X_Error_Message=message)

    def refused_by_fault(self, target):
        fault = self.server.hub.take_fault(target, "status")
        if fault is None:
            return False
        headers = {"Retry_After": str(fault.options["retry_after"])} if "retry_after" in fault.options else {}
        self.send(fault.options["code"], b"later", **headers)
        return True

    # The hub.

    def find(self, name, revision, file=None):
        """The commit and the file, or None after the refusal was sent."""
        hub = self.server.hub
        repository = hub.repositories.get(name)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in hub.tokens:
            self.send(401, b"{}", X_Error_Message="Invalid credentials in Authorization header")
            return None
        if repository is None:
            if token:
                self.refuse(404, "RepoNotFound", "Repository not found")
            else:
                self.send(401, b"{}", X_Error_Message="Invalid username or password.")
            return None
        sha = hub.commit_of(repository, revision)
        if sha is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        if file is None:
            return sha, None
        if repository.gated and not token:
            self.refuse(401, "GatedRepo", "Access to this model is restricted")
            return None
        content = repository.commits[sha].get(file)
        if content is None or hub.take_fault(file, "missing"):
            self.send(404, b"Entry not found", X_Error_Code="EntryNotFound", X_Error_Message="Entry not found",
                      X_Repo_Commit=sha)
            return None
        return sha, content

    def answer_list(self, name, revision):
        if self.refused_by_fault("list"):
            return
        if not (found := self.find(name, revision)):
            return
        repository = self.server.hub.repositories[name]
        siblings = []
        for path, content in sorted(repository.commits[found[0]].items()):
            entry = {"rfilename": path}
            if "blobs=true" in self.path and not self.server.hub.take_fault("list", "no_blobs"):
                size = content.size
                if fault := self.server.hub.take_fault(path, "claimed_size"):
                    size = fault.options["size"]
                entry |= {"blobId": content.blob_id, "size": size}
                if content.lfs:
                    entry["lfs"] = {"sha256": content.sha256, "size": size, "pointerSize": 134}
            siblings.append(entry)
        self.send_json({"id": name, "modelId": name, "sha": found[0], "private": False, "gated": repository.gated,
                        "siblings": siblings, "tags": [], "downloads": 0})

    def answer_tree(self, name, revision):
        if found := self.find(name, revision):
            self.send_json([
                {"type": "file", "path": path, "oid": content.blob_id, "size": content.size,
                 **({"lfs": {"oid": content.sha256, "size": content.size, "pointerSize": 134}} if content.lfs else {})}
                for path, content in sorted(self.server.hub.repositories[name].commits[found[0]].items())])

    def answer_file(self, name, revision, file):
        if self.refused_by_fault(file):
            return
        if not (found := self.find(name, revision, file)):
            return
        sha, content = found
        if self.server.hub.take_fault(file, "other_commit"):
            sha = "f" * 40
        told = {"X_Repo_Commit": sha}
        if not content.lfs:
            self.send_content(file, content, f'"{content.hash}"', told)
            return
        query = urllib.parse.urlencode({"file": file, "signature": "s3cret"})
        self.send(302, b"", Location=f"{self.server.hub.store_url}/{content.sha256}?{query}",
                  X_Linked_Etag=f'"{content.sha256}"', X_Linked_Size=str(content.size), **told)

    # The store.

    def store(self, path):
        if self.command == "POST":
            self.body()
            self.send(200)
            return
        if self.command == "PUT":
            content = self.body()
            if self.refused_by_fault("put"):
                return
            if "authorization" in {name.lower() for name in self.headers} or self.headers.get("x-kept") != "yes":
                self.send(400, b"a signed address takes no token, and wants its headers")
                return
            self.server.hub.uploads[path.strip("/")] = content
            self.send(200, b"", ETag='"part"')
            return
        content = self.server.hub.contents.get(path.strip("/"))
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if content is None:
            self.send(404, b"")
        elif "authorization" in {name.lower() for name in self.headers}:
            self.send(400, b"a signed address takes no token")
        elif self.server.hub.take_fault(query["file"][0], "expired"):
            self.send(403, b"the signature has expired")
        else:
            # Stores name what they hold as they like: not by the hub's hash.
            self.send_content(query["file"][0], content, f'"{hashlib.md5(content.sha256.encode()).hexdigest()}"', {})

    def send_content(self, file, content, etag, told):
        hub = self.server.hub
        if self.server.role == "store" and self.refused_by_fault("store"):
            return
        if fault := hub.take_fault(file, "pointer"):
            content, fault = Content(POINTER % (content.sha256.encode(), content.size)), None
        begin, end, status = 0, content.size, 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if match and self.headers.get("If-Range") in (None, etag) and not hub.take_fault(file, "no_range"):
            begin = int(match[1])
            end = min(int(match[2]) + 1 if match[2] else content.size, content.size)
            status = 206
            if begin >= content.size or hub.take_fault(file, "refuse_range"):
                self.send(416, b"", Content_Range=f"bytes */{content.size}")
                return
        self.send_response(status)
        for name, value in told.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("ETag", etag)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - begin))
        if status == 206:
            shift = 1 if hub.take_fault(file, "bad_range") else 0
            self.send_header("Content-Range", f"bytes {begin + shift}-{end - 1}/{content.size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        if hub.take_fault(file, "wrong_bytes"):
            self.wfile.write(bytes([255 - byte for part in content.parts(begin, end) for byte in part]))
            return
        fault = hub.take_fault(file, "drop", "stall")
        stop = min(end, begin + fault.options["after"]) if fault else end
        self.send_parts(content, begin, stop)
        if fault and fault.kind == "stall":
            fault.go.wait(60)
            self.send_parts(content, stop, end)
        elif fault:
            self.wfile.flush()
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(2)

    def send_parts(self, content, begin, end):
        if content.path is not None:
            self.wfile.flush()
            with content.path.open("rb") as file:
                self.connection.sendfile(file, begin, end - begin)
            return
        for part in content.parts(begin, end):
            self.wfile.write(part)


NAME = r"([\w.-]+(?:/[\w.-]+)?)"
ROUTES = [
    (rf"/api/models/{NAME}/revision/(.+)", Handler.answer_list),
    (rf"/api/models/{NAME}/tree/(.+)", Handler.answer_tree),
    (r"/api/repos/create", Handler.answer_create),
    (rf"/api/models/{NAME}/preupload/(.+)", Handler.answer_preupload),
    (rf"/api/models/{NAME}/commit/(.+)", Handler.answer_commit),
    (rf"/{NAME}\.git/info/lfs/objects/batch", Handler.answer_batch),
    (rf"/{NAME}\.git/info/lfs/objects/verify", Handler.answer_verify),
    (rf"/{NAME}/resolve/([^/]+|refs/pr/\d+)/(.+)", Handler.answer_file),
]


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    with FakeHub() as hub:
        hub.add(name, {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()})
        print(hub.url, hub.store_url, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
