"""The examples of the README are true."""

import re
from pathlib import Path
from typing import Any

from ledger import requirement

README = Path(__file__).parents[2] / "actors/python/README.md"


@requirement("sdk:native-tests")
def test_the_examples_run_and_their_tests_pass() -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    for block in re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()
