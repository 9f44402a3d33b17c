# Files as the fake hub keeps them, with the hashes that the hub names them by; the standard library only.
import hashlib
import pathlib

LARGE = 10_000  # bytes from which a file is kept in LFS
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"


class Content:
    """Bytes in memory, or those of a file."""

    def __init__(self, source):
        self.path = source if isinstance(source, pathlib.Path) else None
        self.bytes = None if self.path else bytes(source)
        self.size = self.path.stat().st_size if self.path else len(self.bytes)
        self.lfs = self.size >= LARGE
        sha256 = hashlib.sha256()
        git = hashlib.sha1(b"blob %d\0" % self.size)
        for part in self.parts(0, self.size):
            sha256.update(part)
            git.update(part)
        self.sha256 = sha256.hexdigest()
        self.hash = self.sha256 if self.lfs else git.hexdigest()
        pointer = POINTER % (self.sha256.encode(), self.size)
        self.blob_id = hashlib.sha1(b"blob %d\0" % len(pointer) + pointer).hexdigest() if self.lfs else self.hash

    def parts(self, begin, end, step=1 << 20):
        if self.path is None:
            yield self.bytes[begin:end]
            return
        with self.path.open("rb") as file:
            file.seek(begin)
            while begin < end:
                part = file.read(min(step, end - begin))
                begin += len(part)
                yield part
