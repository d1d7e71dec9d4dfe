"""The commands."""

import data_prep  # noqa: F401  begins the process of a command, before whatever that imports
