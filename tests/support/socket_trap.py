# Ends a process that asks for a socket to the network: a seccomp filter, so that no library can go around it.
"""subprocess.run(command, preexec_fn=trap_sockets): the process then dies of SIGSYS at socket(AF_INET, ...)."""

import ctypes
import platform
import socket
import struct

AVAILABLE = platform.system() == "Linux" and platform.machine() in ("x86_64", "aarch64")

SOCKET_CALL = {"x86_64": 41, "aarch64": 198}
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
MODE_FILTER = 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # BPF: ld [k], jeq k, ret k
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000
NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def trap_sockets():
    steps = [
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 3, SOCKET_CALL[platform.machine()]),  # another call: allow
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 1, 0, socket.AF_UNIX),  # the C library's name service may use those
        (RETURN, 0, 0, KILL_PROCESS),
        (RETURN, 0, 0, ALLOW),
    ]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    program = Program(len(steps), code)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0)):
        if prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
