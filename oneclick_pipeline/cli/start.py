"""What the script `oneclick` calls: the command line, loaded so that Ctrl-C ends it at once.

Python's own handler raises `KeyboardInterrupt` wherever the interpreter is. While modules are imported that is, now and then,
in a callback of the import system, which prints the exception and continues: the interrupt is lost.
"""

import signal
from importlib import import_module


def main() -> None:
    """Load the command line and run it."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # in the background of a shell it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    app = import_module("oneclick_pipeline.cli.app")
    signal.signal(signal.SIGINT, usual)
    app.main()
