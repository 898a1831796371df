"""What a run looks like on a terminal, and how text breaks there."""

import io
import json

from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from rich.cells import cell_len
from rich.console import Console
from vespiary.fronts.cli.flow import Flow
from vespiary.fronts.cli.render import Renderer, diff
from vespiary.model.events import (
    EventBody,
    RunEvent,
    RunFinished,
    Status,
    TextDelta,
    ToolEvent,
    ToolState,
)
from vespiary.model.ids import RunId
from vespiary.model.runs import Outcome, Usage

ARGUMENTS = json.dumps({"command": "make test", "timeout": 30})


def written(*bodies: EventBody, width: int | None = None) -> str:
    """What the renderer writes: on a terminal of so many columns, or to a file."""
    stream = io.StringIO()
    console = Console(
        file=stream, highlight=False, soft_wrap=True, no_color=True,
        force_terminal=width is not None, width=width or 20, color_system=None,
    )  # fmt: skip
    renderer = Renderer(console)
    for number, body in enumerate(bodies):
        renderer.show(RunEvent(RunId("r"), number, 0.0, "aaaaaa", "coder", body))
    return stream.getvalue()


def wrapped(pieces: list[str], width: int) -> str:
    flow = Flow()
    return "".join(flow.feed(piece, width) for piece in pieces) + flow.end(width)


def test_a_call_is_told_in_the_words_of_its_actor() -> None:
    out = written(
        ToolEvent("1", "execute_bash", ToolState.CALLED, arguments=ARGUMENTS),
        ToolEvent("1", "execute_bash", ToolState.RUNNING, title="$ make test"),
        ToolEvent("1", "execute_bash", ToolState.RUNNING, content="half way"),
        ToolEvent("1", "execute_bash", ToolState.DONE, content="all is well"),
    )
    assert out == "● $ make test\n    all is well\n"


def test_a_call_without_words_of_its_actor_shows_its_name_and_arguments() -> None:
    called = ToolEvent("1", "deploy", ToolState.CALLED, arguments=ARGUMENTS)
    expected = "● deploy command=make test timeout=30\n"
    assert written(called, ToolEvent("1", "deploy", ToolState.RUNNING)) == expected
    assert written(called, ToolEvent("1", "deploy", ToolState.DONE, content="x")) == expected


def test_a_result_that_comes_after_other_lines_says_whose_it_is() -> None:
    running = [ToolEvent(name, "execute_bash", ToolState.RUNNING, title=f"$ {name}") for name in ("one", "two")]
    out = written(
        *running,
        ToolEvent("one", "execute_bash", ToolState.FAILED, content="It failed."),
        ToolEvent("two", "execute_bash", ToolState.DONE, content="fine"),
    )
    assert out.splitlines() == ["● $ one", "● $ two", "  ✗ $ one", "    It failed.", "  ✓ $ two", "    fine"]


def test_a_failure_right_below_its_call_does_not_repeat_it() -> None:
    out = written(
        ToolEvent("1", "execute_bash", ToolState.RUNNING, title="$ make"),
        ToolEvent("1", "execute_bash", ToolState.FAILED, content="Exit code 2.\nNo rule."),
    )
    assert out.splitlines() == ["● $ make", "  ✗ Exit code 2.", "    No rule."]


def test_a_long_result_shows_its_first_line_and_its_end() -> None:
    content = "\n".join(["It failed.", *(str(number) for number in range(50))])
    out = written(ToolEvent("1", "execute_bash", ToolState.DONE, content=content)).splitlines()
    assert out[1:3] == ["    It failed.", "    … 43 lines …"]
    assert out[-1] == "    49"


@requirement("cli:terminal-width")
def test_on_a_terminal_lines_that_quote_are_cut_at_its_width_and_messages_are_not() -> None:
    out = written(
        ToolEvent("1", "execute_bash", ToolState.RUNNING, title="$ " + "日本" * 40),
        ToolEvent("1", "execute_bash", ToolState.DONE, content="x" * 100 + "\n\t" + "y" * 100),
        Status("retrying", "The endpoint is busy. Trying again in a moment, which is the second try."),
        width=40,
    )
    lines = out.splitlines()
    assert all(cell_len(line) <= 40 for line in lines)
    assert [line[-1] for line in lines[:3]] == ["…"] * 3
    assert (
        " ".join(" ".join(lines[3:]).split())
        == "The endpoint is busy. Trying again in a moment, which is the second try."
    )


@requirement("cli:terminal-width")
def test_in_a_file_nothing_is_cut_or_broken() -> None:
    text = "word " * 100
    out = written(TextDelta(text), ToolEvent("1", "execute_bash", ToolState.RUNNING, title="$ " + "x" * 150))
    assert out == f"{text}\n● $ {'x' * 150}\n"


@requirement("cli:terminal-width")
def test_text_that_streams_breaks_between_words_on_a_terminal() -> None:
    pieces = ["The quick br", "own fox jum", "ps over the laz", "y dog.\n", "  - indented"]
    end = RunFinished(Outcome.DONE, "", Usage(), ())
    out = written(*map(TextDelta, pieces), end, width=20)
    assert out.splitlines()[:4] == ["The quick brown fox", "jumps over the lazy", "dog.", "  - indented"]


def test_a_terminal_shows_that_the_model_thinks_until_something_else_is_to_be_shown() -> None:
    out = written(Status("thinking"), Status("thinking"), TextDelta("So.\n"), width=40)
    assert out == "thinking …\r\x1b[2KSo.\n"
    assert written(Status("thinking"), TextDelta("So.\n")) == "So.\n"


def test_messages_of_the_model_stand_on_lines_of_their_own() -> None:
    assert written(TextDelta("One."), Status("thinking"), TextDelta("Two.\n")) == "One.\nTwo.\n"


def test_a_diff_uses_the_colours_of_the_terminal_itself() -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, color_system="truecolor", soft_wrap=True, width=80)
    console.print(diff("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n"))
    assert stream.getvalue().splitlines()[2:] == [
        "\x1b[36m@@ -1,2 +1,2 @@\x1b[0m",
        " same",
        "\x1b[31m-old\x1b[0m",
        "\x1b[32m+new\x1b[0m",
    ]


@given(
    st.lists(st.text(st.sampled_from("ab日é \n\t"), max_size=12), max_size=12),
    st.integers(min_value=2, max_value=30),
)
def test_broken_text_has_the_same_words_on_lines_that_fit(pieces: list[str], width: int) -> None:
    text = "".join(pieces)
    out = wrapped(pieces, width)
    assert "".join(out.split()) == "".join(text.split())
    for line in out.split("\n"):
        assert cell_len(line.strip()) <= width
    # How the text was cut into pieces makes no difference.
    assert out == wrapped([text], width)
