"""Runs a command under a kernel that refuses socket filters, as hardened containers do.

`python no_filter.py COMMAND...`: a seccomp filter answers EPERM to setsockopt(SO_ATTACH_FILTER).
"""

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SETSOCKOPT = {"x86_64": 54, "aarch64": 208}[platform.machine()]
SO_ATTACH_FILTER, EPERM = 26, 1
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, THIRD_ARGUMENT_AT = 0, 16 + 2 * 8  # in struct seccomp_data
ALLOW, ERRNO = 0x7FFF0000, 0x00050000

PROGRAM = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_EQUAL, 0, 3, SETSOCKOPT),
        (LOAD, 0, 0, THIRD_ARGUMENT_AT),
        (JUMP_EQUAL, 0, 1, SO_ATTACH_FILTER),
        (RETURN, 0, 0, ERRNO | EPERM),
        (RETURN, 0, 0, ALLOW),
    )
)


class SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_filters() -> None:
    """For this process and all that it starts, for good."""
    libc = ctypes.CDLL(None, use_errno=True)
    program = SockFprog(len(PROGRAM) // 8, PROGRAM)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    refuse_filters()
    os.execv(sys.argv[1], sys.argv[1:])
