"""What every command shares: one message for a mistake, a traceback only on request."""

import argparse
import faulthandler
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stgraph.errors import InputError


def run_command(parser: argparse.ArgumentParser, main: Callable[[argparse.Namespace], None]) -> None:
    """Parse the command line and call `main`; mistakes of the user end in one message and exit code 2.

    Exit codes: 1 for what the machine refuses (no space, no permission), 130 for an interrupt.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal, or a name, without all characters is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    args = debug_option(parser).parse_args()
    # A process that the system ends, as when a mapped file is cut short between two looks at it, says where it was.
    if not faulthandler.is_enabled():
        faulthandler.enable()
    # A scheduler's request to end is an interrupt: what was begun is cleaned up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with closed_pipe_is_no_error():
            main(args)
    except InputError as error:
        fail(args, f"{parser.prog}: {error}", 2)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        fail(args, f"{parser.prog}: {place}{error.strerror or error}; free space or permissions, and run it again", 1)
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":
            raise
        fail(args, f"{parser.prog}: the device's memory is full; lower optim.batch_size or use --device cpu", 1)
    except KeyboardInterrupt as interrupt:
        fail(args, ": ".join([f"{parser.prog}: interrupted", *map(str, interrupt.args)]), 130)


@contextmanager
def closed_pipe_is_no_error() -> Iterator[None]:
    """Where the program that reads the output ends first, as `head` does, the rest is not written."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def debug_option(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add --debug (a command with sub-commands gives it to each of them as well)."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def fail(args: argparse.Namespace, message: str, code: int) -> None:
    """Print the message, or raise what is being handled under --debug."""
    if args.debug:
        raise
    print(message, file=sys.stderr)
    sys.exit(code)
