"""Scanner data in.  In a command it is the first of the project to run: from here on signals are heard."""

import signal
import sys

# While `python -m` looks for a module, "-m" stands in the place of its path.
_module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if sys.argv[:1] == ["-m"] and "-m" in sys.orig_argv else ""
if _module.split(".")[0] in ("bench", "data_prep"):
    # Until somebody hears of it, Ctrl-C ends the process without a word, and not with Python's traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from data_prep.process import begin

    begin(_module)
