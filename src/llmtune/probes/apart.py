"""Runs a function in a child process that may be left behind.

A driver that hangs does so inside the kernel, where no signal reaches: a thread stuck there would keep our own process
from ending. A forked child can be given up. It starts in a millisecond and carries over what is already imported.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import time
import traceback
import warnings
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
CHUNK = 1 << 16


class CrashedError(RuntimeError):
    """The child ended without an answer."""


def run_apart(function: Callable[[], T], *, timeout: float) -> T:
    """The function's result, or the exception it raised, both of which must pickle.

    Raises:
        TimeoutError: when it took longer than ``timeout`` seconds; the child is killed and not waited for.
        CrashedError: when the child died.

    """
    deadline = time.monotonic() + timeout
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 and later, when the caller has threads
        child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(function, writer)
    os.close(writer)
    try:
        answer = _read(reader, deadline)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        _reap(child, time.monotonic())
        raise
    finally:
        os.close(reader)
    _reap(child, deadline)
    if not answer:
        raise CrashedError
    result, error = pickle.loads(answer)  # noqa: S301 - our own child wrote it
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _answer(function: Callable[[], T], writer: int) -> None:
    """The child's whole life. It ends without running what the parent registered for its own end."""
    try:
        try:
            answer = pickle.dumps((function(), None))
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
            answer = _pickled(error)
        with open(writer, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _pickled(error: Exception) -> bytes:
    """The exception, or its traceback as text when it does not survive the way."""
    try:
        answer = pickle.dumps((None, error))
        pickle.loads(answer)  # noqa: S301 - some exceptions pickle and do not come back
    except Exception:  # noqa: BLE001
        return pickle.dumps((None, RuntimeError("".join(traceback.format_exception(error)))))
    return answer


def _read(reader: int, deadline: float) -> bytes:
    """Everything up to the pipe's end."""
    answer = bytearray()
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        chunk = os.read(reader, CHUNK)
        if not chunk:
            return bytes(answer)
        answer += chunk


def _reap(child: int, deadline: float) -> None:
    """Collects the child when it has ended; until the deadline at most."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(child, os.WNOHANG)[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.001)
