"""The one exception that is meant for the person at the keyboard."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message names the file or setting, the place in it, what was found, what was expected and what to do.
    Commands print it without a traceback (`--debug` shows the traceback).
    """
