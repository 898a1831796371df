"""The other end of `search_process`: one search, read from stdin, answered on stdout. Imports little, for it starts often."""

import json
import re
import sys

from vespiary.capabilities.search import Search, as_data, search


def main() -> None:
    """Do one search."""
    wish = Search(**json.loads(sys.stdin.buffer.read()))
    try:
        answer = as_data(search(wish))
    except (re.error, OverflowError, RecursionError) as error:
        answer = {"error": str(error)[:200]}
    sys.stdout.buffer.write(json.dumps(answer).encode())
