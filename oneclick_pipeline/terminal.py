r"""What is written to a terminal: nothing that comes from data, files, databases or exceptions can control it.

Whatever is not printable (control characters, marks that turn the direction of writing, line separators, lone surrogates) is
shown as an escape, `\x1b` or `\u202e`. Values are made plain where they enter a message (`plain`); `console` and `guard` catch
the rest.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import unicodedata
from copy import copy
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console, RenderHook
from rich.markup import escape
from rich.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import ConsoleOptions, ConsoleRenderable

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def plain(text: object) -> str:
    r"""A text on one line, with whatever is not printable as an escape.

    >>> print(plain("a\x1b[31m\n\u202eb «é»"))
    a\x1b[31m\n\u202eb «é»
    """
    text = str(text)
    return text if text.isprintable() else "".join(map(_shown, text))


def plain_lines(text: str) -> str:
    """The same for a text of several lines that are our own, or Python's: its line feeds stay."""
    return "\n".join(map(plain, text.split("\n")))


def uncoloured(text: str) -> str:
    """The same for what another program wrote for a terminal: its colours go."""
    return plain_lines(_COLOURS.sub("", text.replace("\r\n", "\n")))


def _shown(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) == "Zs":  # wide and narrow spaces do no harm
        return character
    return character.encode("unicode_escape").decode()


def as_json(content: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    r"""JSON for people and programs: a text that is not printable is escaped as JSON does.

    >>> print(as_json({"a": "«é»\u202e"}))
    {
      "a": "«é»\u202e"
    }
    """
    text = json.dumps(content, ensure_ascii=False, indent=2)
    return "".join(c if c == "\n" or _shown(c) == c else json.dumps(c)[1:-1] for c in text)


def markup(text: object) -> str:
    """A text for Rich's markup: plain, and with no markup of its own."""
    return escape(plain(text))


def echo(*lines: object) -> None:
    """Write lines to the standard output."""
    sys.stdout.write("".join(f"{plain(line)}\n" for line in lines))
    sys.stdout.flush()


def echo_json(content: Any) -> None:  # noqa: ANN401 - whatever JSON can hold
    """Write JSON to the standard output."""
    sys.stdout.write(as_json(content) + "\n")
    sys.stdout.flush()


def error(*lines: object) -> None:
    """Write lines to the standard error."""
    sys.stderr.write("".join(f"{plain(line)}\n" for line in lines))
    sys.stderr.flush()


def console(*, stderr: bool = False, soft_wrap: bool = False) -> Console:
    """A Rich console; the text of whatever is printed there is plain."""
    stream = sys.stderr if stderr else sys.stdout
    # The guard would take the console's own colours away.
    made = Console(file=getattr(stream, "guarded", stream), highlight=False, soft_wrap=soft_wrap)
    made.push_render_hook(_Hook(made))
    return made


class _Hook(RenderHook):
    """Puts what is printed on a console into `_Plain`."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Called by Rich for everything that is printed."""
        return [_Plain(renderable) for renderable in renderables]


class _Plain:
    """A renderable whose text is plain; segments of Rich's own, which move the cursor, stay."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Called by Rich."""
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(plain_lines(segment.text), segment.style)


class _Guarded:
    """A stream that takes plain text only, whoever writes: warnings, logging, a library's own messages."""

    def __init__(self, stream: IO[str]) -> None:
        self.guarded = stream

    def write(self, text: str) -> int:
        """Write a text, made plain."""
        self.guarded.write(uncoloured(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.guarded, name)


def guard() -> None:
    """Make the standard error of this process take plain text only, tracebacks included; the standard output is written by us."""
    if not isinstance(sys.stderr, _Guarded):
        sys.stderr = _Guarded(sys.stderr)


def relay(pipe: IO[bytes], stream: IO[str]) -> None:
    """Hand what another program writes on to a stream of ours, as plain text, until the program ends."""
    with pipe:
        for line in iter(lambda: pipe.readline(1 << 16), b""):
            stream.write(uncoloured(line.decode("utf-8", "backslashreplace")))
            stream.flush()


class PlainFormatter(logging.Formatter):
    """Messages of a log as another formatter writes them, but plain; further lines of a message are indented.

    So a value with a line feed cannot pass for a message of its own.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The message as one text."""
        quiet, text = copy(record), record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        lines = plain_lines(text).split("\n")
        quiet.msg, quiet.args = "\n    ".join(lines), None
        quiet.exc_info = quiet.exc_text = quiet.stack_info = None
        return self._inner.format(quiet)
