"""Other people's pickles, read without running any of the code in them.

A pickle names the functions that rebuild its contents. Here each name is looked up in a table of stand-ins for NumPy's
constructors, and any other name is refused. The stand-ins remember what they are given, and the arrays are built from
that afterwards. NumPy's own constructors will not do: a dtype takes its flags from the pickle, and an object dtype
that claims to hold plain bytes makes NumPy follow those bytes as pointers.
"""

import pickle
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Any, cast

import numpy as np

from stgraph.errors import InputError

ADMITTED = "NumPy arrays, dicts, lists, tuples, strings and numbers"
LAST_CODE_POINT, SURROGATES = 0x10FFFF, range(0xD800, 0xE000)
# Bytes of arrays and texts made, of those read. Every byte of an array is in its pickle, and protocol 2 has it twice
# in memory, as text and as an array.
MADE_OF_READ = 4


class Refused(pickle.UnpicklingError):
    """The pickle is whole, and holds something that is not read."""


class _Budget:
    """Counts the bytes that are made: thousands of arrays can share one content in a pickle, and no memory is enough.

    The bytes read so far count, not the size that the file claims.
    """

    def __init__(self, stream: BufferedIOBase) -> None:
        self.stream, self.made = stream, 0

    def spend(self, made: int) -> None:
        self.made += made
        if self.made > MADE_OF_READ * self.stream.tell():
            raise Refused(f"one content many times over, more than {self.made} bytes of {self.stream.tell()} read")


class _DType:
    """A dtype of a pickle: kind and size from the code, byte order from the state, nothing else."""

    __slots__ = ("value",)

    def __init__(self, code: Any) -> None:
        if not isinstance(code, str):
            raise Refused(f"an array type given by {type(code).__name__}")
        self.value = np.dtype(code)
        if self.value.kind not in "biufcSUO":
            raise Refused(f"an array of type {self.value!r}")

    def __setstate__(self, state: tuple) -> None:
        order = state[1]
        if order in ("<", ">"):
            self.value = self.value.newbyteorder(order)


class _Array:
    """An array of a pickle: its state is set later, and it is built when everything is read."""

    __slots__ = ("state",)

    def __init__(self, *state: Any) -> None:
        self.state: tuple | None = state or None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, content = state
        self.state = (content, dtype, shape, "F" if fortran else "C")


class _StandIn:
    """Stands for a function that a pickle names, without any state that a pickle could change."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        raise Refused(f"a change of the function {type(self).__name__}")


def _stand_in(name: str, call: Callable) -> _StandIn:
    return type(name, (_StandIn,), {"__slots__": (), "__call__": staticmethod(call)})()


def _encode(text: Any, encoding: Any) -> bytes:
    """Protocol 2 writes bytes by `_codecs.encode`; other encodings can do other things."""
    if encoding != "latin1":
        raise Refused(f"text in encoding {encoding!r}")
    return text.encode("latin1")


def _numbers(shape: Any, dtype: _DType, content: Any, order: Any = "C") -> np.ndarray:
    """A writable array of anything but objects; Python 2 pickles numbers as text."""
    if not isinstance(content, bytes | bytearray | str):
        raise Refused(f"an array whose content is {type(content).__name__}")
    content = content.encode("latin1") if isinstance(content, str) else content
    array = np.ndarray(shape, dtype.value, bytearray(content), order=order)
    if array.nbytes != len(content):
        raise Refused(f"{len(content)} bytes for an array of shape {array.shape} and type {array.dtype}")
    return text_checked(array)


def text_checked(array: np.ndarray) -> np.ndarray:
    """The array. Raises Refused for text with a number that is no character."""
    if array.dtype.kind == "U":
        codes = np.frombuffer(array.tobytes(), np.dtype(np.uint32).newbyteorder(array.dtype.byteorder))
        if codes.max(initial=0) > LAST_CODE_POINT:
            raise Refused(f"text with character {codes.max():#x}, beyond Unicode's last {LAST_CODE_POINT:#x}")
        if ((codes >= SURROGATES.start) & (codes < SURROGATES.stop)).any():
            raise Refused("text with a lone surrogate")
    return array


def _scalar(dtype: _DType, content: Any) -> np.generic:
    if dtype.value.kind == "O":
        raise Refused("a scalar of type object")
    return cast(np.generic, _numbers((), dtype, content)[()])


_NUMPY = {
    ("multiarray", "_reconstruct"): lambda *_subtype_shape_code: _Array(),
    ("multiarray", "scalar"): _scalar,
    # Protocol 5 writes arrays by this: content, dtype, shape, order.
    ("numeric", "_frombuffer"): lambda content, dtype, shape, order: _Array(content, dtype, shape, order),
}
_STAND_INS = {
    (module, name): _stand_in(f"{module}.{name}", call)
    for module, name, call in (
        ("numpy", "dtype", lambda code, *_flags: _DType(code)),
        ("numpy", "ndarray", lambda *_: _Array()),
        ("_codecs", "encode", _encode),
        # Protocol 2 writes empty bytes as a call without arguments.
        *((builtins, "bytes", lambda: b"") for builtins in ("builtins", "__builtin__")),
        *((builtins, "complex", complex) for builtins in ("builtins", "__builtin__")),
        *(
            (f"numpy.{core}.{module}", name, call)
            for core in ("core", "_core")
            for (module, name), call in _NUMPY.items()
        ),
    )
}


_PythonUnpickler: Any = cast(Any, pickle)._Unpickler  # private, and so not typed


_TEXTS = [code[0] for code in (pickle.UNICODE, pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8)]


def _text_checked_after(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """An opcode that loads text, and refuses a lone surrogate."""

    def load_checked(unpickler: Any) -> None:
        load(unpickler)
        try:
            unpickler.stack[-1].encode()
        except UnicodeEncodeError as error:
            raise Refused("text with a lone surrogate") from error

    return load_checked


class _Unpickler(_PythonUnpickler):
    """The standard library's unpickler in Python, which lets single opcodes be replaced.

    A key is hashed when it is set, and a tuple of tuples of tuples can take forever: keys are checked before that.
    """

    def __init__(self, stream: BufferedIOBase, budget: _Budget) -> None:
        super().__init__(stream, encoding="latin1")
        self.budget = budget

    def find_class(self, module: str, name: str) -> Any:
        if not name:
            raise EOFError("it ends in a name")
        if (module, name) not in _STAND_INS:
            raise Refused(f"{module}.{name}")
        return _STAND_INS[module, name]

    def load_call(self) -> None:
        self.load_reduce()
        self.spend()

    def _instantiate(self, called: Any, args: Any) -> None:
        """Called by the older opcodes."""
        super()._instantiate(called, args)
        self.spend()

    def spend(self) -> None:
        """Count what a call made: bytes of a text, or a scalar, which can be a text of any length."""
        made = self.stack[-1]
        self.budget.spend(len(made) if isinstance(made, bytes) else made.nbytes if isinstance(made, np.generic) else 0)

    def load_item(self) -> None:
        _check_keys(self.stack[-2:-1])
        self.load_setitem()

    def load_items(self) -> None:
        _check_keys(self.stack[::2])  # of what came since the last mark
        self.load_setitems()

    def load_mapping(self) -> None:
        _check_keys(self.stack[::2])
        self.load_dict()

    def refuse_set(self) -> None:
        raise Refused("a set")

    dispatch = _PythonUnpickler.dispatch | {
        pickle.REDUCE[0]: load_call,
        pickle.SETITEM[0]: load_item,
        pickle.SETITEMS[0]: load_items,
        pickle.DICT[0]: load_mapping,
        **{code: _text_checked_after(_PythonUnpickler.dispatch[code]) for code in _TEXTS},
        **dict.fromkeys((pickle.EMPTY_SET[0], pickle.ADDITEMS[0], pickle.FROZENSET[0]), refuse_set),
    }


def _check_keys(keys: list) -> None:
    for key in keys:
        if any(type(part) not in _PLAIN for part in (key if type(key) is tuple else (key,))):
            raise Refused(f"a dict with a key that is no text, number or tuple of them but a {type(key).__name__}")


class _Builder:
    """Puts arrays in place of `_Array` and `_DType`, at any depth, and refuses every type that is not known.

    Shared values are built once: a list of ten times the same list, twelve levels deep, is twelve lists.
    """

    def __init__(self, budget: _Budget) -> None:
        self.budget = budget
        # By identity, with the value itself, so that no other can get its identity meanwhile.
        self.built: dict[int, tuple[Any, Any]] = {}
        self.begun: set[int] = set()

    def __call__(self, value: Any) -> Any:
        if isinstance(value, np.generic) or type(value) in _PLAIN:
            return value
        if type(value) not in _BUILT:
            raise Refused(f"{'the function' if isinstance(value, _StandIn) else 'a'} {type(value).__name__}")
        key = id(value)
        if key not in self.built:
            if key in self.begun:
                raise Refused(f"a {_BUILT[type(value)]} that holds itself")
            self.begun.add(key)
            self.built[key] = value, self.build(value)
        return self.built[key][1]

    def build(self, value: Any) -> Any:
        if isinstance(value, _DType):
            return value.value
        if isinstance(value, _Array):
            return self.array(value)
        if isinstance(value, dict):
            return {self(key): self(item) for key, item in value.items()}
        return type(value)(map(self, value))

    def array(self, value: _Array) -> np.ndarray:
        if value.state is None:
            raise Refused("an array without content")
        # Its part of the pickle is let go, as these are large.
        (content, dtype, shape, order), value.state = value.state, None
        if not isinstance(dtype, _DType):
            raise Refused(f"an array type given by {type(dtype).__name__}")
        if isinstance(content, bytes | bytearray | str | list):
            self.budget.spend(len(content))
        if dtype.value.kind != "O":
            return _numbers(shape, dtype, content, order)
        if not isinstance(content, list):
            raise Refused(f"an array of objects whose content is {type(content).__name__}")
        objects = np.empty(len(content), dtype=object)
        # One by one: assigned as a list, arrays of one shape would be stacked.
        for place, item in enumerate(content):
            objects[place] = self(item)
        return objects.reshape(shape)  # objects are listed row by row, whatever the order


_PLAIN = {str, bytes, bytearray, int, float, complex, bool, type(None)}
_BUILT = {_Array: "array", _DType: "dtype", dict: "dict", list: "list", tuple: "tuple"}


def unpickle(stream: BufferedIOBase, where: str) -> Any:
    """The content of a pickle in a stream. Raises InputError with `where` if it is refused or damaged."""
    budget = _Budget(stream)
    try:
        return _Builder(budget)(_Unpickler(stream, budget).load())
    except Refused as error:
        problem = f"its pickle holds {error}; only {ADMITTED} are read, because anything else can run code"
        raise InputError(problem, where=where, remedy="save its arrays alone with numpy.savez") from error
    # A damaged pickle can fail in any way at all, as the documentation of `pickle` says.
    except Exception as error:
        problem = f"not a whole pickle of {ADMITTED} ({type(error).__name__}: {error})"
        raise InputError(problem, where=where, remedy="the file may have been cut short, get it again") from error


def load_pickle(path: Path | str) -> Any:
    """The content of a pickle of NumPy arrays, scalars and plain containers; those of Python 2 are read as latin1.

    Raises:
        InputError: no such file, a damaged one, or one that pickles anything else, which is named and never run.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            return unpickle(stream, str(path))
    except OSError as error:
        raise InputError(str(error.strerror), where=path, remedy="give the path of a pickle file") from error
