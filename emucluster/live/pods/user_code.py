"""The user's Python: imported and called so that neither its end nor its waiting is the node's."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import importlib
import inspect
import os
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc

from emucluster.live.pods.workload import StartError, WorkloadContext


class UserCodeError(Exception):
    """User code raised `error`, which may be SystemExit or anything else."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


async def add_user_servicer(server: grpc.aio.Server, context: WorkloadContext) -> None:
    """Import `module:function` and call it with the server.

    Whatever it raises, `sys.exit()` included, is a `StartError`; so is not to return within
    `listen_deadline_s`. Imports and plain functions run in a thread of their own.
    """
    image = context.spec.image
    try:
        async with _environment(context):
            async with asyncio.timeout(context.listen_deadline_s):
                result = await in_thread(lambda: _load(context)(server))
                if inspect.isawaitable(result):
                    await _awaited(result)
    except TimeoutError:
        message = f"{image.name} did not return within {context.listen_deadline_s:g} s"
        raise StartError(message, reason="Error", exit_code=1) from None
    except UserCodeError as failure:
        error = failure.error
        # Their traceback belongs into their log; the status carries its last line.
        context.log.write("".join(traceback.format_exception(error)))
        where = f" (looked in {context.source_dir or 'the installed packages'})"
        hint = where if isinstance(error, ModuleNotFoundError) else ""
        message = f"{image.name}: {in_words(error)}{hint}"
        raise StartError(message, reason="Error", exit_code=exit_code_of(error)) from None


def in_words(error: BaseException) -> str:
    """The last line of a traceback."""
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


def exit_code_of(error: BaseException) -> int:
    """What a process that ends by this exits with; a server that leaves early has failed."""
    code = error.code if isinstance(error, SystemExit) else 1
    return code if isinstance(code, int) and 0 < code < 256 else 1


def _load(context: WorkloadContext) -> Callable[[Any], Any]:
    module_name, _, function_name = context.spec.image.target.partition(":")
    if context.source_dir and context.source_dir not in sys.path:
        sys.path.append(context.source_dir)
        importlib.invalidate_caches()
    function: Callable[[Any], Any] = getattr(importlib.import_module(module_name), function_name)
    return function


async def _awaited(result: Any) -> None:
    """Await in this task: one of its own would take SystemExit to the event loop."""
    try:
        await result
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # ours: the deadline, or the container is killed
        raise UserCodeError(error) from None
    except BaseException as error:
        raise UserCodeError(error) from None


async def in_thread(call: Callable[[], Any]) -> Any:
    """Run `call` in a daemon thread and return its value. Raises `UserCodeError`.

    The thread sees this event loop as the running one, since servicers make channels as they are
    made. No pool: code that never returns would take its threads from others. When this task is
    cancelled, the thread is told to exit, which it does if it runs Python code.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def tell(value: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((value, error))

    def run() -> None:
        asyncio._set_running_loop(loop)
        value, raised = None, None
        try:
            value = call()
        except BaseException as error:
            raised = error
        asyncio._set_running_loop(None)
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(tell, value, raised)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name="user-code", daemon=True)
    thread.start()
    try:
        value, raised = await done
    except asyncio.CancelledError:
        _ask_to_exit(thread)
        raise
    if raised is not None:
        raise UserCodeError(raised)
    return value


def _ask_to_exit(thread: threading.Thread) -> None:
    if thread.ident is not None and thread.is_alive():
        raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
        raise_in(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))


_environment_in_use = asyncio.Lock()


@contextlib.asynccontextmanager
async def _environment(context: WorkloadContext) -> AsyncIterator[None]:
    """The container's variables in `os.environ`.

    For good in a process of its own; in a shared one only while the module is imported and its
    function called, since a process has one environment.
    """
    async with _environment_in_use:
        before = dict(os.environ)
        os.environ.update(context.env)
        try:
            yield
        finally:
            if context.shares_process:
                os.environ.clear()
                os.environ.update(before)
