"""Read a pickle that PyTorch wrote, without a single call that the file chooses.

Python's unpickler is unsafe for this, even with an allow-list of names.  A pickle of 9 bytes can make it fill 64 GiB (a
large index of its memo).  A pickle of 220 bytes can make it hang for ever (the hash of nested tuples as a key).  A
pickle of 2 MB can crash the process (the same, deeper).  So the operations are interpreted here: plain values and
containers, tensors, and names.  A name is never looked up, only compared with the lists below.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcs.weights.errors import WeightsError
from jaxcs.weights.pickle_tokens import operations

LARGEST_PICKLE = 16 * 2**20  # bytes; a checkpoint of 30 million parameters with its optimiser has a pickle of 0.4 MB
MOST_OPERATIONS = 1_000_000  # that checkpoint has 0.1 million


class Inert:
    """A stand-in for an object whose class is not wanted; it has no behaviour and no content."""

    __slots__ = ()


# Names in fastMRI's checkpoints beside the weights: settings, the key of a callback's state, a last loss.  Each object
# made with them is an `Inert` object, which swallows its input.
_INERT_NAMES = {
    "argparse.Namespace",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
    "_codecs.encode",
}
_CONSTRUCTORS = {
    "collections.OrderedDict",
    "torch.Size",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_KEYS = {str, int, float, bool, type(None), Inert}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Name(NamedTuple):
    """A name from the lists above, or of a storage type."""

    name: str


class _Mark:
    """The beginning of a group of values on the stack."""


class Storages(NamedTuple):
    """The functions with which the caller makes tensors.

    Attributes:
        types: names of storage types, such as "torch.FloatStorage".
        storage: (name of the type, key, number of elements) -> storage, an object for `tensor` alone.
        tensor: (storage, offset, shape, strides) -> tensor.  It makes all checks itself.
    """

    types: frozenset[str]
    storage: Callable[[str, str, int], Any]
    tensor: Callable[[Any, Any, Any, Any], Any]


def read_pickle(content: bytes, storages: Storages) -> Any:
    """Read the value in the pickle.

    Args:
        content: the bytes of the pickle.
        storages: the functions with which tensors are made.

    Raises:
        WeightsError: If the pickle is too large, is damaged, or names anything that is not allowed.
    """
    if len(content) > LARGEST_PICKLE:
        raise WeightsError(f"its pickle has {len(content)} bytes, more than the {LARGEST_PICKLE} that weights need")
    machine = _Machine(storages)
    try:
        for count, (operation, argument) in enumerate(operations(content)):
            if count >= MOST_OPERATIONS:
                raise WeightsError(f"its pickle has more than the {MOST_OPERATIONS} operations that weights need")
            if operation == "STOP":
                break
            machine.step(operation, argument)
        return machine.stack.pop()
    except WeightsError:
        raise
    # Errors of a damaged stream: its end, a stack or memo without the value, or values that do not fit.
    except (struct.error, LookupError, TypeError, ValueError) as error:
        raise WeightsError("its pickle is damaged or cut short") from error


class _Machine:
    """The stack machine whose programs are pickles."""

    def __init__(self, storages: Storages) -> None:
        self.storages = storages
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, operation: str, argument: Any) -> None:
        """Run one operation, any but STOP."""
        stack = self.stack
        match operation:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                stack.append(_Mark)
            case _ if operation in _CONSTANTS:
                stack.append(_CONSTANTS[operation])
            case "VALUE":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "TUPLE":
                stack.append(tuple(self.pop_to_mark()))
            case _ if operation in _TUPLES:
                first = len(stack) - _TUPLES[operation]
                if first < 0:
                    raise LookupError("stack too short")
                stack[first:] = [tuple(stack[first:])]
            case "APPEND":
                self.extend([stack.pop()])
            case "APPENDS":
                self.extend(self.pop_to_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self.set_items([key, value])
            case "SETITEMS":
                self.set_items(self.pop_to_mark())
            case "PUT":
                self.memo[argument] = stack[-1]
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "GET":
                stack.append(self.memo[argument])
            case "GLOBAL":
                stack.append(self.named(*argument))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(self.named(module, attribute))
            case "BINPERSID":
                stack.append(self.stored(stack.pop()))
            case "REDUCE":
                arguments, constructor = stack.pop(), stack.pop()
                stack.append(self.made(constructor, arguments))
            case "NEWOBJ":
                _, constructor = stack.pop(), stack.pop()
                stack.append(_inert(constructor))
            case "BUILD":
                # The attributes of an ordered dictionary or the content of an inert object; neither is wanted.
                stack.pop()
                if type(stack[-1]) is not dict:
                    _inert(stack[-1])

    def pop_to_mark(self) -> list[Any]:
        """Take the values above the last mark, and the mark, from the stack."""
        values = []
        while (value := self.stack.pop()) is not _Mark:
            values.append(value)
        return values[::-1]

    def named(self, module: Any, attribute: Any) -> Any:
        """Return the object that stands for a global name."""
        if type(module) is not str or type(attribute) is not str:
            raise TypeError("a name is text")
        name = f"{module}.{attribute}"
        if name in _INERT_NAMES:
            return Inert()
        if name in _CONSTRUCTORS or name in self.storages.types:
            return _Name(name)
        remedy = "save the weights alone, by torch.save(network.state_dict(), file)"
        raise WeightsError(f"it refers to '{name}', which is refused: {remedy}")

    def stored(self, reference: tuple[Any, ...]) -> Any:
        """Return the storage to which a persistent identity refers."""
        match reference:
            case ("storage", _Name(name), str(key), _, int(size)) if type(reference) is tuple:
                return self.storages.storage(name, key, size)
        raise TypeError("not a storage")

    def made(self, constructor: Any, arguments: tuple[Any, ...]) -> Any:
        """Return the result of a constructor.  None copies its input, since a file may ask for that a million times."""
        if type(arguments) is not tuple:
            raise TypeError("arguments are a tuple")
        match constructor, arguments:
            case Inert(), _:
                return Inert()
            case _Name("collections.OrderedDict"), ():
                return {}
            case _Name("torch.Size"), (tuple(sizes),):
                return sizes
            case _Name("torch._utils._rebuild_parameter"), (data, *_):
                return data
            case _Name("torch._utils._rebuild_tensor_v2"), (storage, offset, shape, strides, *_):
                return self.storages.tensor(storage, offset, shape, strides)
        raise TypeError("no such constructor")

    def extend(self, values: list[Any]) -> None:
        """Append to the list on top of the stack."""
        if type(self.stack[-1]) is not list:
            raise TypeError("not a list")
        self.stack[-1].extend(values)

    def set_items(self, items: list[Any]) -> None:
        """Put alternating keys and values into the dictionary on top of the stack."""
        target, keys, values = self.stack[-1], items[::2], items[1::2]
        for key in keys:
            # The hash of anything deeper may take for ever.
            if type(key) not in _KEYS:
                raise WeightsError(f"its pickle holds a dictionary with a key of type {type(key).__name__}")
        if type(target) is dict:
            target.update(zip(keys, values, strict=True))
        else:
            _inert(target)


def _inert(value: Any) -> Inert:
    """The value, which must be inert."""
    if type(value) is not Inert:
        raise TypeError("not an object")
    return value
