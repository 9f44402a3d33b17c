# The part of the fake hub that takes uploads; the standard library only.
"""Repositories that are made, files that are announced, sent and committed."""

import base64
import hashlib
import json


class Uploads:
    """Mixed into the fake hub's request handler."""

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def may_write(self):
        """False after the refusal was sent; the body is read in any case."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token in self.server.hub.writers:
            return True
        if token in self.server.hub.tokens:
            self.send(403, b"{}", X_Error_Message="You don't have the rights to create a model under this namespace")
        else:
            self.send(401, b"{}", X_Error_Message="Invalid username or password.")
        return False

    def answer_create(self):
        wanted = json.loads(self.body())
        name = f"{wanted['organization']}/{wanted['name']}"
        if not self.may_write():
            return
        if name in self.server.hub.repositories:
            self.send_json({"error": "You already created this model repo"}, 409)
            return
        self.server.hub.add(name, {".gitattributes": b""})
        self.send_json({"url": f"{self.server.hub.url}/{name}", "private": wanted["private"]})

    def answer_preupload(self, name, revision):
        files = json.loads(self.body())["files"]
        if not self.may_write():
            return
        self.send_json({"files": [
            {"path": one["path"], "shouldIgnore": self.server.hub.take_fault(one["path"], "ignore") is not None,
             "uploadMode": "lfs" if one["size"] >= self.server.hub.large or b"\0" in base64.b64decode(one["sample"]) else "regular"}
            for one in files]})

    def answer_batch(self, name):
        wanted = json.loads(self.body())
        if not self.may_write():
            return
        hub = self.server.hub
        assert wanted["operation"] == "upload" and wanted["hash_algo"] == "sha256" and "basic" in wanted["transfers"]
        objects = []
        for one in wanted["objects"]:
            entry = dict(one)
            if hub.take_fault("batch", "refuse"):
                entry["error"] = {"code": 422, "message": "storage quota exceeded"}
            elif one["oid"] not in hub.contents:
                entry["actions"] = {
                    "upload": {"href": f"{hub.store_url}/{one['oid']}?signature=s3cret", "header": {"x-kept": "yes"}},
                    "verify": {"href": f"{hub.store_url}/verify" if hub.take_fault("verify", "elsewhere")
                               else f"{hub.url}/{name}.git/info/lfs/objects/verify"}}
            objects.append(entry)
        self.send_json({"transfer": "basic", "objects": objects})

    def answer_verify(self, name):
        wanted = json.loads(self.body())
        if self.may_write():
            content = self.server.hub.uploads.get(wanted["oid"])
            good = content is not None and hashlib.sha256(content).hexdigest() == wanted["oid"]
            self.send_json({}, 200 if good and len(content) == wanted["size"] else 404)

    def answer_commit(self, name, revision):
        lines = [json.loads(line) for line in self.body().splitlines()]
        if not self.may_write():
            return
        hub = self.server.hub
        repository = hub.repositories[name]
        files = dict(repository.commits[hub.commit_of(repository, revision)])
        sources = {path: content.path or content.bytes for path, content in files.items()}
        assert lines[0]["key"] == "header" and lines[0]["value"]["summary"]
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "lfsFile":
                stored = hub.contents.get(value["oid"])
                sources[value["path"]] = hub.uploads[value["oid"]] if stored is None else stored.path or stored.bytes
            else:
                sources[value["path"]] = base64.b64decode(value["content"])
        sha = hub.add(name, sources, revision)
        self.send_json({"success": True, "commitOid": sha, "commitUrl": f"{hub.url}/{name}/commit/{sha}"})
