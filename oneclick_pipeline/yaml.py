"""The one reader of YAML, for the settings and the catalogue: plain values, each with its line and column.

A file is refused before it can do harm: it must be a regular file of at most `MAX_BYTES`, in UTF-8, nested at most `MAX_DEPTH`
deep, without aliases (a few lines of them can expand to gigabytes), and of one document. Values are texts, decimal numbers, true,
false and null. What YAML 1.1 takes for something else, such as a date, `0x10` or `1:30`, must be quoted to be a text.
"""

from __future__ import annotations

import errno
import math
import os
import re
import stat
from typing import TYPE_CHECKING, Any, TypeGuard

import yaml

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Node = yaml.Node
Scalar = str | int | float | bool | None

MAX_BYTES = 256 << 10
MAX_DEPTH = 20

_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 40
_MAX_WHOLE = 2**63
_WORDS = {"yes": True, "no": False, "true": True, "false": False, "on": True, "off": False}
_NULLS = ("", "~", "null", "Null", "NULL")
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = "write true, false, null, a decimal number such as 0.05, or text in quotes"
_SYNTAX = "fix the file there; text with a colon, braces or an operator needs quotes"


def read(path: Path) -> Node | None:
    """Read the nodes of a file.

    Args:
        path: The file.

    Returns:
        The root; None if there is no such file, or nothing but comments in it.

    Raises:
        BadInputError: If it cannot be read or is not the YAML described above; with file, line and column where known.
    """
    text = read_text(path)
    return None if text is None else parse(text, str(path))


def read_text(path: Path) -> str | None:
    """Read the text of a file; see `read`.

    Returns:
        The text; None if there is no such file.

    Raises:
        BadInputError: If it cannot be read: it is not a regular file, too large, or no UTF-8.
    """
    try:
        content = _content(path)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not path.is_symlink():
            return None
        problem = f"it cannot be read: {error.strerror or error}"
        raise BadInputError(problem, file=str(path), remedy="give a YAML file that the pipeline's user may read") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInputError(
            f"it cannot be read: it is not UTF-8 ({error.reason})", file=str(path), line=line, remedy="save the file as UTF-8"
        ) from error


def _content(path: Path) -> bytes:
    """Bytes of a regular file.

    Raises:
        OSError: If it cannot be read.
        BadInputError: If it is something else, or too large.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO without a writer would block
    with open(descriptor, "rb") as file:  # noqa: PTH123 - the descriptor, so that it is one and the same file
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadInputError("it cannot be read: it is not a regular file", file=str(path), remedy="put a YAML file there")
        content = file.read(MAX_BYTES + 1)
    if content is None:  # a file of the kernel's that has nothing to say now
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    if len(content) > MAX_BYTES:
        raise BadInputError(
            f"it cannot be read: it is larger than {MAX_BYTES >> 10} KiB", file=str(path), remedy="put a smaller YAML file there"
        )
    return content


class _Loader(yaml.SafeLoader):
    """Makes nodes of a text, without aliases and without a tower of lists."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*) are not supported", event.start_mark)  # type: ignore[arg-type]
        if self.depth == MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"it is nested more than {MAX_DEPTH} deep", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def parse(text: str, file: str) -> Node | None:
    """The nodes of a text; see `read`.

    Raises:
        BadInputError: See `read`.
    """
    if wrong := yaml.reader.Reader.NON_PRINTABLE.search(text):
        before = text[: wrong.start()]
        raise BadInputError(
            f"it is not valid YAML: it holds the control character {ord(wrong.group()):#04x}",
            file=file,
            line=before.count("\n") + 1,
            column=wrong.start() - (before.rfind("\n") + 1) + 1,
            remedy="remove the character; save the file as UTF-8",
        )
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two: escapes and versions that are no numbers
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None) or loader.get_mark()
        raise BadInputError(
            f"it is not valid YAML: {getattr(error, 'problem', None) or error}",
            file=file,
            line=mark.line + 1,
            column=mark.column + 1,
            remedy=_SYNTAX,
        ) from error


def is_mapping(node: Node) -> TypeGuard[yaml.MappingNode]:
    """Whether a node has fields; a set or an ordered map has none."""
    return isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map"


def is_list(node: Node) -> TypeGuard[yaml.SequenceNode]:
    """Whether a node is a plain list."""
    return isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq"


def scalar(node: Node) -> Scalar:
    """The plain value of a node.

    Raises:
        ValueError: If it is a list, a mapping, or nothing that the module's first lines allow.
    """
    if not isinstance(node, yaml.ScalarNode):
        raise ValueError("one value is expected here")  # noqa: TRY004 - of the file, not of the caller
    text, kind = str(node.value), node.tag.removeprefix(_TAG)
    if kind == "str" and not _SURROGATE.search(text):
        # YAML 1.1 takes 1e3 for a text; no one else does.
        return _decimal(text) if node.style is None and _DECIMAL.fullmatch(text) else text
    if kind == "bool" and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if kind == "null" and text in _NULLS:
        return None
    if kind == "int" and _WHOLE.fullmatch(text) and len(text) <= _MAX_DIGITS and abs(int(text)) < _MAX_WHOLE:
        return int(text)
    if kind == "float" and _DECIMAL.fullmatch(text):
        return _decimal(text)
    raise ValueError("this is not a plain value")


def _decimal(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError("this is not a finite number")
    return number


def plain(node: Node, file: str) -> Any:  # noqa: ANN401 - what a file holds
    """The values below a node, as dictionaries, lists and scalars.

    Raises:
        BadInputError: If one of them is no plain value, or a key is not text or appears twice in its mapping.
    """
    if is_list(node):
        return [plain(item, file) for item in node.value]
    if not is_mapping(node):
        try:
            return scalar(node)
        except ValueError as error:
            raise wrong(file, node, str(error), remedy=_PLAIN) from error
    fields: dict[str, Any] = {}
    for key, value in node.value:
        name = _key(key)
        if name is None:
            raise wrong(file, key, "this is not a field name", remedy="write a name, as in docs/settings.md")
        if name in fields:
            raise wrong(file, key, "it appears twice", remedy="keep one of them, with what both of them hold")
        fields[name] = plain(value, file)
    return fields


def _key(node: Node) -> str | None:
    """The name that a key is; None if it is something else."""
    try:
        name = scalar(node)
    except ValueError:
        return None
    return name if isinstance(name, str) and name.isprintable() else None


def at(root: Node, path: Sequence[str | int], *, key: bool = False) -> Node:
    """The node at a path of keys and positions, or the nearest one above it that there is.

    Args:
        root: Where the path begins.
        path: Keys of mappings and positions in lists.
        key: Whether the key at the end of the path is wanted, and not its value.
    """
    name = value = root
    for step in path:
        if is_mapping(value):
            pairs = [(k, v) for k, v in value.value if k.value == step]
        elif is_list(value):
            pairs = [(v, v) for number, v in enumerate(value.value) if number == step]
        else:
            pairs = []
        if not pairs:
            break
        name, value = pairs[0]
    return name if key else value


def wrong(file: str, node: Node, problem: str, *, remedy: str, value: bool = True) -> BadInputError:
    """The error for a node: its position, and its content unless `value` is false."""
    mark = node.start_mark
    return BadInputError(
        problem, file=file, line=mark.line + 1, column=mark.column + 1, value=content_of(node) if value else None, remedy=remedy
    )


def content_of(node: Node) -> str:
    """The content of a node, abbreviated."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
