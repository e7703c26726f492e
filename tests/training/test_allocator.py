"""Freed memory stays with the process: measured as page faults, in a process of its own."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = """
import resource
import torch
from stgraph.training.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def taken_again():
    for _ in range(30):  # aligned blocks are only found again once the heap has some room around them
        torch.empty(10_000_000).fill_(1)
    before = faults()  # by default, blocks beyond 32 MiB are given back
    for _ in range(10):
        torch.empty(10_000_000).fill_(1)
    return faults() - before

print(taken_again(), keep_freed_memory(), taken_again())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
def test_memory_that_is_taken_again_is_not_fetched_anew():
    output = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    many, kept, few = output.split()
    assert kept == "True"
    assert int(few) < int(many) / 20
