"""Scanner data to cases.  A command imports this package first; signals are handled from then on."""

import signal
import sys

# `sys.argv[0]` is "-m" instead of the module's path while `python -m` looks for the module.
_module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv else ""
if _module.split(".")[0] in ("bench", "data_prep"):
    # Ctrl-C ends the process without a message, and without Python's traceback, until a handler is set.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from data_prep.process import begin

    begin(_module)
