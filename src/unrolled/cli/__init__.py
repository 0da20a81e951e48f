"""The command line: parse, call, print. One module a command; see :mod:`unrolled.cli.main`."""
