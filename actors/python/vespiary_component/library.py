"""Python's library, imported while the component is built: what is not imported then does not exist at run time."""

import contextlib
import importlib
import pkgutil
import sys
from collections.abc import Iterator

MODULES = """
abc annotationlib argparse array ast asyncio base64 bdb binascii bisect builtins bz2 calendar cmath cmd code
codecs codeop collections colorsys compileall compression concurrent configparser contextlib contextvars copy
copyreg csv ctypes curses dataclasses datetime decimal difflib dis doctest email encodings enum errno filecmp
fileinput fnmatch fractions functools gc getopt getpass gettext glob graphlib gzip hashlib heapq hmac html
http importlib inspect io ipaddress itertools json keyword linecache locale logging lzma marshal math
mimetypes modulefinder multiprocessing netrc ntpath nturl2path numbers opcode operator optparse os pathlib pdb
pickle pickletools pkgutil platform plistlib posixpath pprint profile pstats py_compile pyclbr pydoc pyexpat
queue quopri random re reprlib rlcompleter runpy sched secrets select selectors shelve shlex shutil signal
site smtplib socket socketserver sqlite3 ssl stat statistics string stringprep struct subprocess symtable sys
sysconfig tabnanny tarfile tempfile textwrap threading time timeit token tokenize tomllib trace traceback
tracemalloc types typing unicodedata unittest urllib uuid warnings wave weakref webbrowser wsgiref xml xmlrpc
zipapp zipfile zipimport zlib zoneinfo _colorize _compat_pickle _py_abc _pydatetime _pydecimal _pylong
_strptime
"""

SKIPPED = (
    "__main__",
    "asyncio.windows",
    "encodings.mbcs",
    "encodings.oem",
    "multiprocessing.",
    "curses.",
    "ctypes.macholib",
)
"""Starts of the names of submodules that make no sense in a guest."""


def import_all() -> list[str]:
    """Import the modules, packages with all that is in them; gives the names of what is not there."""
    missing: list[str] = []
    for name in MODULES.split():
        for module in _with_submodules(name):
            try:
                with contextlib.redirect_stdout(None):
                    importlib.import_module(module)
            except Exception:  # noqa: BLE001 - what WebAssembly does not have fails in its own way
                missing.append(module)
    return missing


def _with_submodules(name: str) -> Iterator[str]:
    """The module, and once it was imported, what is inside."""
    yield name
    package = sys.modules.get(name)
    for found in pkgutil.iter_modules(getattr(package, "__path__", []), f"{name}."):
        if not found.name.startswith(SKIPPED) and not found.name.endswith("__main__"):
            yield from _with_submodules(found.name)
