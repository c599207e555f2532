"""A file system that answers some requests, and then none any more, as a network one may.

    python -m tests.faults.hanging_disk DIRECTORY NUMBER

mounts it, prints `ready`, and then the name of each request that it answers. It speaks the protocol
of FUSE with the kernel, as far as a recorder needs it, and keeps its files in memory. Once this
process is killed, the kernel ends what hangs with an error.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
import time
from pathlib import Path

HEADER = struct.Struct("<IIQQIIII")
ANSWER = struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<6Q10I")
ENTRY = struct.Struct("<4Q2I")
OPENED = struct.pack("<QII", 0, 32, 0)  # FOPEN_NOFLUSH: exit does not ask once more
REQUESTS = {
    1: "lookup", 2: "forget", 3: "getattr", 4: "setattr", 9: "mkdir", 10: "unlink", 11: "rmdir",
    14: "open", 15: "read", 16: "write", 17: "statfs", 18: "release", 20: "fsync",
    22: "getxattr", 25: "flush", 26: "init", 27: "opendir", 28: "readdir", 29: "releasedir",
    30: "fsyncdir", 34: "access", 35: "create", 36: "interrupt", 39: "ioctl", 42: "batch_forget",
}  # fmt: skip
UNANSWERED = {"forget", "interrupt", "batch_forget"}
AT_WILL = {"release", "releasedir", "init"}
"""Nobody waits for these, so they are not counted."""


class Files:
    """What is there: nodes by number, the first being the directory that is mounted."""

    def __init__(self) -> None:
        self.modes = {1: stat.S_IFDIR | 0o700}
        self.data: dict[int, bytearray] = {}
        self.names: dict[tuple[int, bytes], int] = {}

    def attributes(self, node: int) -> bytes:
        size, now = len(self.data.get(node, b"")), int(time.time())
        return ATTRIBUTES.pack(
            node, size, 0, now, now, now, 0, 0, 0, self.modes[node], 1, 0, 0, 0, 4096, 0
        )  # fmt: skip

    def entry(self, node: int) -> bytes:
        return ENTRY.pack(node, 0, 0, 0, 0, 0) + self.attributes(node)

    def made(self, parent: int, name: bytes, mode: int) -> bytes:
        node = len(self.modes) + 1
        self.modes[node] = mode
        self.names[parent, name] = node
        return self.entry(node)

    def answer(self, request: str, node: int, body: bytes) -> bytes:
        """The answer; an OSError is one as well."""
        match request:
            case "init":
                fields = (7, 31, 2**17, 0, 0, 0, 2**17, 1, 0, 0, 0)
                return struct.pack("<4I2H2I2HI", *fields) + bytes(28)
            case "lookup":
                found = self.names.get((node, body[:-1]))
                if found is None:
                    raise OSError(errno.ENOENT, "no such file")
                return self.entry(found)
            case "getattr" | "setattr":
                valid, _, _, size = struct.unpack_from("<IIQQ", body.ljust(24, b"\0"))
                if request == "setattr" and valid & 8:
                    del self.data[node][size:]
                return struct.pack("<QII", 0, 0, 0) + self.attributes(node)
            case "mkdir":
                mode, _ = struct.unpack_from("<II", body)
                return self.made(node, body[8:-1], stat.S_IFDIR | mode)
            case "create":
                _, mode, _, _ = struct.unpack_from("<4I", body)
                made = self.made(node, body[16:-1], stat.S_IFREG | mode)
                self.data[len(self.modes)] = bytearray()
                return made + OPENED
            case "write":
                _, offset, size = struct.unpack_from("<QQI", body)
                self.data[node][offset : offset + size] = body[40 : 40 + size]
                return struct.pack("<II", size, 0)
            case "unlink":
                del self.names[node, body[:-1]]
                return b""
            case "open" | "opendir":
                return OPENED
            case "release" | "releasedir" | "fsync" | "fsyncdir" | "access":
                return b""
            case _:
                raise OSError(errno.ENOSYS, request)


def mount(directory: str) -> int:
    """The descriptor to speak to the kernel by."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hanging", os.fsencode(directory), b"fuse", ctypes.c_ulong(0), options):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return device


def serve(device: int, number: int) -> None:
    files = Files()
    print("ready", flush=True)
    while number:
        data = os.read(device, 2**20)
        _, code, unique, node, *_ = HEADER.unpack_from(data)
        request = REQUESTS.get(code, str(code))
        if request in UNANSWERED:
            continue
        try:
            error, body = 0, files.answer(request, node, data[HEADER.size :])
        except OSError as raised:
            error, body = raised.errno or errno.EIO, b""
        os.write(device, ANSWER.pack(ANSWER.size + len(body), -error, unique) + body)
        if request not in AT_WILL:
            number -= 1
            print(request, flush=True)
    print("hangs", flush=True)
    time.sleep(10_000)  # without reading: what has not been read can be given up by its process


if __name__ == "__main__":
    serve(mount(str(Path(sys.argv[1]))), int(sys.argv[2]))
