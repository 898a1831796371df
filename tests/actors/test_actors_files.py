"""The tools of the files actor against a workspace in memory: what may be changed, when, and what the model is told."""

from typing import Any

import pytest
from files import Files
from ledger import requirement
from vespiary_sdk import ActorError, CapabilityError
from vespiary_sdk.testing import FakeHost, FakeWorkspace, Request, content_hash

EDITING = {"edit_file", "create_file", "delete_file", "rename_file"}
READING = {"read_file", "list_files", "search_files"}


def host_with(**files: str) -> FakeHost:
    return FakeHost(Files, workspace={name.replace("_", "."): text for name, text in files.items()})


def edits(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"old_string": old, "new_string": new} for old, new in pairs]


@requirement("actors:files-tools")
def test_the_tools_are_those_that_models_know() -> None:
    host = host_with()
    assert {tool["name"] for tool in host.tools} == EDITING | READING
    for tool in host.tools:
        assert all("description" in part for part in tool["parameters"]["properties"].values()), tool["name"]


@requirement("actors:allow-edits")
def test_without_permission_to_edit_the_tools_that_edit_do_not_exist() -> None:
    host = FakeHost(Files, {"allow_edits": False}, workspace={"a.txt": "one\n"})
    assert {tool["name"] for tool in host.tools} == READING
    assert host.call("read_file", path="a.txt").ok
    with pytest.raises(AssertionError, match="edit_file gave no result"):
        host.call("edit_file", path="a.txt", edits=edits(("one", "two")))
    assert host.workspace.files == {"a.txt": "one\n"}


@requirement("actors:allow-edits")
@pytest.mark.parametrize(
    "config",
    [{"allow_edits": "no"}, {"allow_edits": 0}, {"allow_edits": None}, {"alow_edits": False}, {"read_only": 1}],
)
def test_a_setting_that_means_nothing_allows_nothing(config: dict[str, Any]) -> None:
    with pytest.raises(ActorError, match="files: "):
        FakeHost(Files, config)


@requirement("actors:read-lines")
def test_a_read_gives_the_text_that_the_editor_shows() -> None:
    host = host_with(a_txt="one\ntwo\n")
    host.workspace.modified.add("a.txt")
    assert host.call("read_file", path="a.txt").content == "a.txt (2 lines, unsaved in the editor)\n1:one\n2:two"


@requirement("actors:edit-result")
def test_an_edit_changes_the_file_and_shows_the_difference() -> None:
    host = host_with(a_txt="one\ntwo\n")
    host.call("read_file", path="a.txt")
    result = host.call("edit_file", path="a.txt", edits=edits(("two", "2"), ("one", "1")))
    assert host.workspace.files == {"a.txt": "1\n2\n"}
    assert result.ok
    assert result.content.startswith("Made 2 edits in a.txt.\n\n--- a/a.txt\n+++ b/a.txt\n")
    assert "\n-one\n-two\n+1\n+2" in result.content


@requirement("actors:edit-sequence")
def test_of_several_edits_all_are_made_or_none() -> None:
    host = host_with(a_txt="one\ntwo\n")
    host.call("read_file", path="a.txt")
    assert not host.call("edit_file", path="a.txt", edits=edits(("one", "1"), ("three", "3"))).ok
    assert host.workspace.files == {"a.txt": "one\ntwo\n"}


@requirement("actors:edit-endings")
def test_a_file_with_crlf_keeps_it() -> None:
    host = host_with(a_txt="one\r\ntwo\r\n")
    host.call("read_file", path="a.txt")
    assert host.call("edit_file", path="a.txt", edits=edits(("one\ntwo\n", "one\nmore\ntwo\n"))).ok
    assert host.workspace.files == {"a.txt": "one\r\nmore\r\ntwo\r\n"}
    assert "\r" not in host.call("edit_file", path="a.txt", edits=edits(("more", "less"))).content


@requirement("actors:edit-needs-read")
def test_a_file_that_was_not_read_is_not_edited() -> None:
    host = host_with(a_txt="one\n")
    result = host.call("edit_file", path="a.txt", edits=edits(("one", "1")))
    assert (result.ok, result.content) == (False, "Read a.txt before you edit it. Nothing was changed.")
    assert host.call("read_file", path="a.txt", start_line=1, end_line=1).ok  # any part will do
    assert host.call("edit_file", path="a.txt", edits=edits(("one", "1"))).ok


@requirement("actors:edit-needs-read")
def test_a_read_that_was_refused_does_not_count() -> None:
    host = host_with(a_txt="word " * 20_000)
    assert not host.call("read_file", path="a.txt").ok
    assert not host.call("read_file", path="a.txt", start_line=5).ok
    assert "Read a.txt before" in host.call("edit_file", path="a.txt", edits=edits(("word", "x"))).content


@requirement("actors:edit-stale")
def test_a_file_that_changed_since_it_was_read_is_not_edited() -> None:
    host = host_with(a_txt="one\ntwo\n")
    host.call("read_file", path="a.txt")
    host.workspace.files["a.txt"] = "zero\none\ntwo!\n"
    result = host.call("edit_file", path="a.txt", edits=edits(("one", "1"), ("two\n", "2\n")))
    assert not result.ok
    assert result.content.startswith("a.txt has changed since you read it. Nothing was changed. Read it again")
    assert "Edit 1: old_string is there now at line 2." in result.content
    assert host.workspace.files == {"a.txt": "zero\none\ntwo!\n"}
    host.call("read_file", path="a.txt")
    assert host.call("edit_file", path="a.txt", edits=edits(("one", "1"))).ok


@requirement("actors:edit-stale")
def test_a_change_that_the_host_finds_is_told_with_the_text_of_now() -> None:
    host = host_with(a_txt="one\ntwo\n")
    host.call("read_file", path="a.txt")
    typing = host.answers.pop("workspace")
    call = host.start_call("edit_file", {"path": "a.txt", "edits": edits(("two", "2"))})
    (read,) = host.requests
    host.answer(read, typing(read.payload))
    (write,) = host.requests
    assert (write.payload["op"], write.payload["base"]) == ("write", content_hash("one\ntwo\n"))
    host.workspace.files["a.txt"] = "one\ntwo and a half\n"
    host.answers["workspace"] = typing
    with pytest.raises(CapabilityError):
        typing(write.payload)
    host.refuse(write, "workspace.stale", "a.txt has changed.")
    result = host.result(call)
    assert result is not None
    assert not result.ok
    assert "Edit 1: old_string is there now at line 2." in result.content
    assert host.workspace.files == {"a.txt": "one\ntwo and a half\n"}


@requirement("actors:own-edit-known")
def test_after_its_own_edit_the_actor_knows_the_text() -> None:
    host = host_with(a_txt="one\n")
    host.call("read_file", path="a.txt")
    for old, new in (("one", "two"), ("two", "three"), ("three", "four")):
        assert host.call("edit_file", path="a.txt", edits=edits((old, new))).ok
    assert host.workspace.files == {"a.txt": "four\n"}


@requirement("actors:edits-serialised")
def test_edits_of_one_file_in_one_round_wait_for_one_another() -> None:
    host = host_with(a_txt="one\ntwo\n", b_txt="b\n")
    host.call("read_file", path="a.txt")
    host.call("read_file", path="b.txt")
    answer = host.answers.pop("workspace")
    calls = [
        host.start_call("edit_file", {"path": "a.txt", "edits": edits(("one", "1"))}),
        host.start_call("edit_file", {"path": ".//a.txt", "edits": edits(("two", "2"))}),
        host.start_call("edit_file", {"path": "b.txt", "edits": edits(("b", "c"))}),
    ]
    assert [request.payload["path"] for request in host.requests] == [
        "a.txt",
        "b.txt",
    ]  # the files do not wait for each other
    while host.requests:
        host.answer(host.requests[0], answer(host.requests[0].payload))
    results = [host.result(call) for call in calls]
    assert all(result is not None and result.ok for result in results), results
    assert host.workspace.files == {"a.txt": "1\n2\n", "b.txt": "c\n"}


@requirement("actors:edits-serialised")
def test_a_cancelled_edit_does_not_hold_up_the_next() -> None:
    host = host_with(a_txt="one\n")
    host.call("read_file", path="a.txt")
    answer = host.answers.pop("workspace")
    first = host.start_call("edit_file", {"path": "a.txt", "edits": edits(("one", "1"))})
    second = host.start_call("edit_file", {"path": "a.txt", "edits": edits(("one", "2"))})
    host.cancel_call(first)
    while host.requests:
        host.answer(host.requests[0], answer(host.requests[0].payload))
    assert host.result(second) is not None
    assert host.workspace.files == {"a.txt": "2\n"}


@requirement("actors:edit-creates")
def test_an_empty_old_string_makes_a_file() -> None:
    host = host_with()
    result = host.call("edit_file", path="new/a.txt", edits=edits(("", "one\n")))
    assert result.ok
    assert result.content.startswith("Created new/a.txt.")
    assert host.workspace.files == {"new/a.txt": "one\n"}
    assert host.call("edit_file", path="new/a.txt", edits=edits(("one", "two"))).ok  # what it wrote it knows


@requirement("actors:edit-creates")
@pytest.mark.parametrize("wrong", [edits(("x", "y")), edits(("", "x"), ("x", "y"))])
def test_a_missing_file_is_not_edited(wrong: list[dict[str, Any]]) -> None:
    host = host_with()
    assert "does not exist. To make it, give one edit" in host.call("edit_file", path="a.txt", edits=wrong).content
    assert host.workspace.files == {}


@requirement("actors:create-file")
def test_a_new_file_is_made_and_an_existing_one_is_left_alone() -> None:
    host = host_with()
    assert host.call("create_file", path="a.txt", content="one\n").ok
    assert host.call("edit_file", path="a.txt", edits=edits(("one", "two"))).ok
    result = host.call("create_file", path="a.txt", content="x")
    assert not result.ok
    assert "exists already" in result.content
    assert host.workspace.files == {"a.txt": "two\n"}


@requirement("actors:delete-file")
def test_a_file_is_deleted_unless_it_is_not_what_was_read() -> None:
    host = host_with(a_txt="one\n", b_txt="b\n")
    assert host.call("delete_file", path="b.txt").content == "Deleted b.txt."
    host.call("read_file", path="a.txt")
    host.workspace.files["a.txt"] = "precious\n"
    assert "has changed since you read it" in host.call("delete_file", path="a.txt").content
    assert host.workspace.files == {"a.txt": "precious\n"}
    assert host.call("delete_file", path="b.txt").content == "b.txt does not exist."


@requirement("actors:rename-file")
def test_a_renamed_file_is_still_known() -> None:
    host = host_with(a_txt="one\n", c_txt="c\n")
    host.call("read_file", path="a.txt")
    assert host.call("rename_file", path="a.txt", to="sub/b.txt").content == "Renamed a.txt to sub/b.txt."
    assert host.call("edit_file", path="sub/b.txt", edits=edits(("one", "two"))).ok
    assert host.workspace.files == {"sub/b.txt": "two\n", "c.txt": "c\n"}
    assert not host.call("rename_file", path="sub/b.txt", to="c.txt").ok
    assert not host.call("rename_file", path="sub", to="d").ok
    assert not host.call("rename_file", path="c.txt", to="./c.txt").ok


@requirement("actors:paths-normalised")
@pytest.mark.parametrize("path", ["./a/b.txt", "a//b.txt", "a/./b.txt", "a\\b.txt", "a/b.txt/"])
def test_one_file_has_one_spelling(path: str) -> None:
    host = FakeHost(Files, workspace={"a/b.txt": "one\n"})
    host.call("read_file", path=path)
    assert host.call("edit_file", path="a/b.txt", edits=edits(("one", "two"))).ok


@requirement("actors:paths-normalised")
@pytest.mark.parametrize("path", ["../a.txt", "/etc/passwd", "a/../../b", "//x", "C:/x"])
def test_a_path_that_leaves_the_workspace_reaches_the_host_as_it_is(path: str) -> None:
    host = host_with(a_txt="one\n")
    for name, more in (
        ("read_file", {}),
        ("edit_file", {"edits": edits(("", "x"))}),
        ("create_file", {"content": "x"}),
        ("delete_file", {}),
        ("rename_file", {"to": "b.txt"}),
        ("list_files", {}),
        ("search_files", {"pattern": "x"}),
    ):
        result = host.call(name, path=path, **more)
        assert not result.ok
        assert "outside of the workspace" in result.content
    assert host.workspace.files == {"a.txt": "one\n"}


def test_an_empty_path_is_refused() -> None:
    assert "The path is empty" in host_with().call("read_file", path=" ").content


@requirement("actors:list-files")
def test_a_listing_goes_three_levels_down_unless_told_otherwise() -> None:
    host = FakeHost(Files, workspace={"a.py": "", "b/c/d.py": "", "b/c/e/f.py": ""})
    assert host.call("list_files").content.splitlines() == ["a.py", "b/", "b/c/", "b/c/d.py", "b/c/e/"]
    assert host.call("list_files", depth=1).content.splitlines() == ["a.py", "b/"]
    assert host.call("list_files", path="b", depth=1).content.splitlines() == ["b/c/"]
    assert "b/c/e/f.py" in host.call("list_files", glob="**/*.py").content
    assert host.call("list_files", glob="*.rs").content == "Nothing found in `.`."
    assert not host.call("list_files", depth=0).ok
    assert not host.call("list_files", path="nowhere").ok


@requirement("actors:list-files", "actors:search-files")
def test_long_answers_are_cut_and_say_so() -> None:
    host = FakeHost(
        Files, workspace={f"{number:04}.txt": "hit\n" for number in range(700)} | {"z/" + "y" * 200: "x" * 5000}
    )
    listing = host.call("list_files").content.splitlines()
    assert len(listing) == 501
    assert listing[-1] == "[truncated: there is more; narrow it with path, glob or depth]"
    found = host.call("search_files", pattern="hit").content.splitlines()
    assert len(found) == 201
    assert found[0] == "0000.txt:1:hit"
    assert found[-1].startswith("[truncated: there is more")
    long = host.call("search_files", pattern="xxx").content
    assert long.endswith("xxx [...]")
    assert len(long) < 600
    wide = FakeHost(Files, workspace={f"{'n' * 190}/{number:04}": "" for number in range(400)})
    assert len(wide.call("list_files").content) < 33_000


@requirement("actors:search-files")
def test_a_search_finds_lines() -> None:
    host = FakeHost(Files, workspace={"a.py": "One\ntwo\n", "b/c.txt": "one two\n"})
    assert host.call("search_files", pattern="two").content == "a.py:2:two\nb/c.txt:1:one two"
    assert host.call("search_files", pattern="one", ignore_case=True, glob="*.py").content == "a.py:1:One"
    assert host.call("search_files", pattern="^o", regex=True, path="b").content == "b/c.txt:1:one two"
    assert host.call("search_files", pattern="three").content == "No line matches 'three'."
    assert not host.call("search_files", pattern="").ok
    assert not host.call("search_files", pattern="(", regex=True).ok


@requirement("actors:refusals")
def test_what_the_host_refuses_reaches_the_model_with_its_hint() -> None:
    def refuse(request: dict[str, Any]) -> Any:
        raise CapabilityError("workspace.plan", "This run is a plan: nothing is written.", "Say what you would change.")

    host = FakeHost(Files, answers={"workspace": refuse})
    result = host.call("create_file", path="a.txt", content="x")
    assert (result.ok, result.content) == (False, "This run is a plan: nothing is written. Say what you would change.")


def test_a_large_file_that_needs_much_memory_is_not_edited() -> None:
    host = host_with(a_txt="é 😀 text\n" * 400_000, b_txt="text of ASCII\n" * 400_000)
    change = [{"old_string": "text", "new_string": "x", "replace_all": True}]
    for name in ("a.txt", "b.txt"):
        host.call("read_file", path=name, end_line=1)
    host.answers["workspace"] = _without_diff(host)
    assert "too many to edit with this tool" in host.call("edit_file", path="a.txt", edits=change).content
    assert host.call("edit_file", path="b.txt", edits=change).ok


def _without_diff(host: FakeHost) -> Any:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return (
            host.workspace.answer(request)
            if request["op"] != "write"
            else {"state": "applied", "hash": "h", "diff": ""}
        )

    return answer


def test_no_edits_at_all_are_refused() -> None:
    assert "edits is empty" in host_with(a_txt="x").call("edit_file", path="a.txt", edits=[]).content


def test_a_huge_diff_is_shortened() -> None:
    host = host_with(a_txt="x\n" * 20_000)
    host.call("read_file", path="a.txt", start_line=1)
    result = host.call("edit_file", path="a.txt", edits=[{"old_string": "x", "new_string": "y", "replace_all": True}])
    assert "characters of the diff omitted" in result.content
    assert len(result.content) < 17_000


@requirement("actors:files-snapshot")
def test_what_was_read_is_known_after_a_restart() -> None:
    workspace = FakeWorkspace({"a.txt": "one\n"})
    before = FakeHost(Files, workspace=workspace)
    before.call("read_file", path="a.txt")
    state = before.snapshot()
    assert state is not None
    after = FakeHost(Files, workspace=workspace)
    after.restore(state)
    assert after.call("edit_file", path="a.txt", edits=edits(("one", "two"))).ok
    with pytest.raises(ActorError):
        after.restore('{"version": 99}')


def test_a_running_call_is_shown_with_a_title() -> None:
    host = host_with(a_txt="one\n")
    host.call("read_file", path="a.txt")
    host.call("list_files")
    host.call("search_files", pattern="x" * 200)
    titles = [message.payload["title"] for message in host.sent if message.type == "vespiary.tool.status"]
    assert titles == ["Reading a.txt", "Listing .", f"Searching for {'x' * 80}"]


def test_the_host_may_answer_without_a_hash() -> None:
    host = FakeHost(Files, answers={"workspace": _hashless})
    host.call("read_file", path="a.txt")
    assert host.call("edit_file", path="a.txt", edits=edits(("one", "two"))).ok
    assert "Read a.txt before" in host.call("edit_file", path="a.txt", edits=edits(("one", "two"))).content


def _hashless(request: dict[str, Any]) -> dict[str, Any]:
    if request["op"] == "read":
        return {"path": request["path"], "text": "one\n", "hash": "h", "size": 4}
    return {"state": "applied", "diff": ""}


def test_requests_name_the_whole_text_only_once() -> None:
    host = host_with(a_txt="one\n")
    seen: list[Request] = []
    answer = host.answers["workspace"]

    def record(request: dict[str, Any]) -> Any:
        seen.append(Request(0, "workspace", request))
        return answer(request)

    host.answers["workspace"] = record
    host.call("read_file", path="a.txt")
    host.call("edit_file", path="a.txt", edits=edits(("one", "two")))
    assert [request.payload["op"] for request in seen] == ["read", "read", "write"]
