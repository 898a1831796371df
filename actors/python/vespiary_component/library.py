"""Python's library, imported while the component is built: what is not imported then does not exist at run time."""

import contextlib
import importlib

MODULES = """
abc argparse array ast asyncio base64 bdb binascii bisect builtins calendar cmath cmd code codecs codeop collections collections.abc
colorsys compileall concurrent concurrent.futures configparser contextlib contextvars copy copyreg csv ctypes curses dataclasses datetime
decimal difflib dis doctest email email.header email.headerregistry email.message email.mime.multipart email.mime.text email.parser
email.policy email.utils encodings.ascii encodings.cp1252 encodings.idna encodings.latin_1 encodings.punycode encodings.utf_16
encodings.utf_16_be encodings.utf_16_le encodings.utf_32 encodings.utf_8_sig enum errno filecmp fileinput fnmatch
fractions functools gc getopt getpass gettext glob graphlib gzip hashlib heapq hmac html html.entities html.parser http http.client
http.cookiejar http.cookies http.server importlib importlib.abc importlib.machinery importlib.metadata importlib.resources
importlib.resources.abc importlib.util inspect io ipaddress itertools json json.decoder json.encoder json.tool keyword linecache locale
logging logging.config logging.handlers lzma bz2 zlib marshal math mimetypes modulefinder multiprocessing netrc ntpath nturl2path numbers
opcode operator optparse os os.path pathlib pdb pickle pickletools pkgutil platform plistlib posixpath pprint profile pstats py_compile
pyclbr pydoc pyexpat queue quopri random re reprlib rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtplib
socket socketserver sqlite3 ssl stat statistics string string.templatelib stringprep struct subprocess symtable sys sysconfig tabnanny
tarfile tempfile textwrap threading time timeit token tokenize tomllib trace traceback tracemalloc types typing
unicodedata unittest unittest.mock urllib urllib.error urllib.parse urllib.request urllib.response urllib.robotparser uuid warnings wave
weakref webbrowser wsgiref xml xml.dom xml.dom.minidom xml.etree xml.etree.ElementTree xml.parsers.expat xml.sax xml.sax.handler
xml.sax.saxutils xmlrpc xmlrpc.client zipapp zipfile zipimport zoneinfo annotationlib compression compression.zlib _strptime
_pydatetime _pydecimal _pylong
"""


def import_all() -> list[str]:
    """Import what is there; gives the names of what is not."""
    missing: list[str] = []
    for name in MODULES.split():
        try:
            with contextlib.redirect_stdout(None):
                importlib.import_module(name)
        except Exception:  # noqa: BLE001 - a module of the library that WebAssembly does not have fails in its own way
            missing.append(name)
    return missing
