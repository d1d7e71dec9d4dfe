"""python -m jaxcs COMMAND: the commands, a package above the library, which is imported by name and only here."""

from importlib import import_module

if __name__ == "__main__":
    import_module("bench.__main__").run()
