"""
A shim between a server and its system calls: it counts what changes something outside the process (files, the disk's
cache, sockets), and on order kills the process at the k-th, or lets writes fail.

With a C compiler it is a preloaded library (``calls``), so that it sees what SQLite does inside. What stands in for it
where there is none (``steps``) sees the statements, queries and answers that a Python process can see of itself.
"""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

COMPILER: Final = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
How: TypeAlias = Literal["calls", "steps"]
HOWS: Final[tuple[How, ...]] = ("calls", "steps") if sys.platform == "linux" and COMPILER is not None else ("steps",)
"""How a process can be watched here; never none."""

Order: TypeAlias = Literal["none", "kill", "full", "readonly", "no sync"]
_ORDERS: Final[dict[Order, int]] = {"none": 0, "kill": 1, "full": 2, "readonly": 3, "no sync": 4}

_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* order, at, count, then one letter for each call counted */
struct control { volatile int order, at, count; volatile char seen[4096]; };
static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CARNET_PRELOADED_SHIM");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd < 0) return;
    void *shared = mmap(0, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (shared != MAP_FAILED) control = shared;
}

/* 0: go on; otherwise the error that the call ends with */
static int counted(int fd, char what) {
    if (!control || !control->at || fd >= 0 && fd <= 2) return 0; /* logs */
    struct stat found;
    if (fd >= 0 && fstat(fd, &found) == 0) {
        if (S_ISSOCK(found.st_mode)) what = 'n';
        else if (S_ISFIFO(found.st_mode) || S_ISCHR(found.st_mode)) return 0;
        else if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) return 0; /* eventfd: waking a thread */
    }
    int number = __sync_add_and_fetch(&control->count, 1);
    if (number <= (int)sizeof(control->seen)) control->seen[number - 1] = what;
    if (number < control->at || what == 'n' && control->order != 1) return 0;
    if (control->order == 1 && number == control->at) { kill(getpid(), SIGKILL); for (;;) pause(); }
    if (control->order == 2 && what == 'w') return ENOSPC;
    if (control->order == 3 && what == 'w') return EROFS;
    if (control->order == 4 && what == 's') return EIO;
    return 0;
}

#define SHIM(type, name, what, fd, parameters, arguments)                       \
    type name parameters {                                                    \
        static type (*real) parameters;                                       \
        if (!real) real = (type (*) parameters) dlsym(RTLD_NEXT, #name);      \
        int error = counted(fd, what);                                        \
        if (error) { errno = error; return -1; }                              \
        return real arguments;                                                \
    }

SHIM(ssize_t, write, 'w', fd, (int fd, const void *from, size_t size), (fd, from, size))
SHIM(ssize_t, writev, 'w', fd, (int fd, const struct iovec *from, int count), (fd, from, count))
SHIM(ssize_t, pwrite, 'w', fd, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at))
SHIM(ssize_t, pwrite64, 'w', fd, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at))
SHIM(ssize_t, pwritev, 'w', fd, (int fd, const struct iovec *from, int count, off_t at), (fd, from, count, at))
SHIM(ssize_t, pwritev64, 'w', fd, (int fd, const struct iovec *from, int count, off64_t at), (fd, from, count, at))
SHIM(int, fsync, 's', fd, (int fd), (fd))
SHIM(int, fdatasync, 's', fd, (int fd), (fd))
SHIM(int, ftruncate, 't', fd, (int fd, off_t size), (fd, size))
SHIM(int, ftruncate64, 't', fd, (int fd, off64_t size), (fd, size))
SHIM(int, unlink, 'u', -1, (const char *path), (path))
SHIM(int, rename, 'r', -1, (const char *from, const char *to), (from, to))
SHIM(ssize_t, send, 'n', fd, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags))
SHIM(ssize_t, sendmsg, 'n', fd, (int fd, const struct msghdr *from, int flags), (fd, from, flags))
"""

_HEAD: Final = struct.Struct("iii")
SHIM: Final = "CARNET_STEPS_SHIM"
_PRELOADED: Final = "CARNET_PRELOADED_SHIM"


class Shim:
    """
    Orders to one process and its children, and what they counted.

    Args:
        folder: For the shared file.
    """

    def __init__(self, folder: Path, how: How) -> None:
        path = folder / "shim"
        path.write_bytes(bytes(_HEAD.size + 4096))
        path.chmod(0o666)  # PostgreSQL runs as a user of its own where the tests run as root
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 0)
        self.environment = (
            {SHIM: str(path)} if how == "steps" else {_PRELOADED: str(path), "LD_PRELOAD": str(_library())}
        )

    def order(self, what: Order, at: int) -> None:
        """Count anew; from call number *at* on do *what*: ``kill`` at that call, the others until `rest`."""
        self.rest()
        self._shared[: _HEAD.size] = _HEAD.pack(_ORDERS[what], at, 0)

    def rest(self) -> str:
        """Count no more; what was counted: w(rite), s(ync), t(runcate), u(nlink), r(ename), n(etwork)."""
        _, _, count = _HEAD.unpack(self._shared[: _HEAD.size])
        seen = self._shared[_HEAD.size : _HEAD.size + min(count, 4096)].decode("ascii")
        self._shared[: _HEAD.size] = _HEAD.pack(0, 0, 0)
        return seen


def count_steps(path: str) -> None:
    """
    Inside the server's process: count what it can see of itself, under the orders in the file at *path*.

    The statements of SQLite's writer, the queries to PostgreSQL and the parts of an answer, before each and after it.
    """
    import asyncpg.connection  # type: ignore[import-untyped]

    from carnet.server.api.edge import EdgeApp
    from carnet.server.storage.sqlite import store

    with Path(path).open("r+b") as file:
        shared = mmap.mmap(file.fileno(), 0)

    def step(what: str) -> None:
        order, at, count = _HEAD.unpack(shared[: _HEAD.size])
        if not at:
            return
        shared[: _HEAD.size] = _HEAD.pack(order, at, count + 1)
        shared[_HEAD.size + count] = ord(what)
        if order == _ORDERS["kill"] and count + 1 == at:
            os.kill(os.getpid(), signal.SIGKILL)

    connect, fetch, answer = vars(store)["connect"], asyncpg.connection.Connection.fetch, EdgeApp.__call__

    def connected(*args: Any, **named: Any) -> Any:
        connection = connect(*args, **named)
        connection.set_trace_callback(lambda _: step("w"))
        return connection

    async def fetched(self: Any, *args: Any, **named: Any) -> Any:
        step("n")
        rows = await fetch(self, *args, **named)
        step("n")
        return rows

    async def answered(self: Any, scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            step("n")
            await send(message)
            step("n")

        await answer(self, scope, receive, sent)

    setattr(store, "connect", connected)  # noqa: B010 - it is not the module's own name
    asyncpg.connection.Connection.fetch = fetched
    EdgeApp.__call__ = answered  # type: ignore[method-assign]


@cache
def _library() -> Path:
    import atexit
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="carnet-shim-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "shim.c").write_text(_SOURCE, encoding="ascii")
    assert COMPILER is not None
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-O1", "-w", "-o", str(folder / "shim.so"), str(folder / "shim.c"), "-ldl"],
        check=True,
    )
    return folder / "shim.so"
