"""`python fake_server.py [serve's options]`: the real language server in front of a workspace that needs no models."""

import sys
from typing import Any, cast

from support.fake_workspace import FakeWorkspace
from vespiary.fronts.lsp.main import serve

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], open_workspace=cast(Any, FakeWorkspace.open)))
