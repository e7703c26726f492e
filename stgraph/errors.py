"""The one exception that is meant for the person at the keyboard."""

from collections.abc import Hashable

LONGEST = 20_000  # characters of a message, which may quote a file


class InputError(ValueError):
    """Something the user gave cannot be used; commands print it without a traceback (`--debug` shows that).

    The message is "WHERE: PROBLEM; expected EXPECTED; REMEDY", without those that are empty.

    >>> print(InputError(where="clip.npy, frame 3", found="4 channels", expected="2 or 3", remedy="drop the rest"))
    clip.npy, frame 3: found 4 channels; expected 2 or 3; drop the rest

    Args:
        problem: what is wrong; left out where `found` says it.
        where: the file, option or setting, and the place in it.
        found: the value in place of the expected one.
        expected: what is allowed.
        remedy: what to do, which exists.
        kind: of the problem, for code that counts or handles kinds apart. Never look for words in the message.
    """

    def __init__(
        self,
        problem: str = "",
        *,
        where: object = "",
        found: str = "",
        expected: str = "",
        remedy: str = "",
        kind: Hashable = None,
    ) -> None:
        self.problem, self.where, self.found, self.expected, self.remedy = problem, where, found, expected, remedy
        self.kind = kind
        texts = [problem, found and f"found {found}", expected and f"expected {expected}", remedy]
        text = "; ".join(filter(None, texts))
        text = f"{where}: {text}" if str(where) else text
        super().__init__(text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}")
