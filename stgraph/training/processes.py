"""The processes of a training: started here, by torchrun or by a scheduler, and joined into one group."""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

import torch
from torch import distributed

GRACE = 10.0  # seconds that a process has to fail by itself after another one did
END = 60.0  # seconds that the others have to end after the first one did


def join(devices: int, nodes: int, backend: str) -> None:
    """Make this process one of the group, and start the others of this machine where nothing else did.

    The environment has the variables of torchrun, or on several machines without it MASTER_ADDR, MASTER_PORT and
    NODE_RANK. The same command line is run in every process.
    """
    if "LOCAL_RANK" not in os.environ:
        first = int(os.environ.get("NODE_RANK", "0")) * devices
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", str(free_port()))
        os.environ |= {"WORLD_SIZE": str(devices * nodes), "LOCAL_WORLD_SIZE": str(devices)}
        os.environ |= {"RANK": str(first), "LOCAL_RANK": "0"}
        others = [{"RANK": str(first + number), "LOCAL_RANK": str(number)} for number in range(1, devices)]
        watch([subprocess.Popen(command_line(), env=os.environ | other) for other in others])
    if "OMP_NUM_THREADS" not in os.environ:
        # macOS has no affinities.
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // devices))
    distributed.init_process_group(backend)
    atexit.register(distributed.destroy_process_group)


def command_line() -> list[str]:
    """The command that this process was started by."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    started = ["-m", spec.name.removesuffix(".__main__")] if spec else [os.path.abspath(sys.argv[0])]
    return [sys.executable, *started, *sys.argv[1:]]


def free_port() -> int:
    """A free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def watch(children: Sequence[subprocess.Popen]) -> None:
    """End this process and the others soon after one of them failed, rather than wait for it in vain."""

    def until_one_fails() -> None:
        while any(child.poll() is None for child in children):
            if any(child.poll() for child in children):
                time.sleep(GRACE)
                for child in children:
                    child.kill()
                os._exit(1)
            time.sleep(0.5)

    def end() -> None:
        for child in children:
            try:
                child.wait(END)
            except subprocess.TimeoutExpired:
                child.kill()

    threading.Thread(target=until_one_fails, daemon=True).start()
    atexit.register(end)
