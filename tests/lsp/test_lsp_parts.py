"""Pure parts of the language server's front: options, and paths of URIs."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import requirement
from vespiary.fronts.lsp.main import serve
from vespiary.fronts.lsp.options import Options, read_options
from vespiary.fronts.lsp.places import Places, path_of
from vespiary.fronts.lsp.progress import first_line
from vespiary.model.errors import UsageError

NAMES = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\\\0:"), min_size=1, max_size=12
).filter(lambda name: name not in (".", ".."))


@requirement("lsp:serve-options")
@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], Options()),
        (["--stdio"], Options()),
        (["--tcp", "127.0.0.1:80"], Options(tcp=("127.0.0.1", 80))),
        (["--tcp=[::1]:0", "--allow-remote"], Options(tcp=("::1", 0), allow_remote=True)),
        (["--log-level", "Debug"], Options(log_level="DEBUG")),
        (["--clientProcessId=7"], Options()),
        (["--help"], Options(help=True)),
    ],
)
def test_options_are_read(argv: list[str], expected: Options) -> None:
    assert read_options(argv) == expected


@requirement("lsp:serve-options")
@pytest.mark.parametrize(
    "argv",
    [
        ["--tcp"],
        ["--tcp", "80"],
        ["--tcp", "host:http"],
        ["--tcp", "host:70000"],
        ["--stdio", "--tcp", "h:1"],
        ["--log-level", "loud"],
        ["--stdio=1"],
        ["serve"],
    ],
)
def test_options_that_cannot_be_meant_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        read_options(argv)
    assert serve(argv) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("vespiary serve: ")


@requirement("lsp:serve-options")
def test_a_remote_address_needs_to_be_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(["--tcp", "0.0.0.0:0"]) == 2
    assert "--allow-remote" in capsys.readouterr().err


@requirement("lsp:places")
@given(st.lists(NAMES, min_size=1, max_size=4))
def test_a_path_comes_back_from_its_uri(names: list[str]) -> None:
    places = Places(Path.cwd())
    path = "/".join(names)
    assert places.relative(places.uri(path)) == path


@requirement("lsp:places")
@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("{root}/a.txt", "a.txt"),
        ("{root}/%61%20b.txt", "a b.txt"),
        ("{root}/x/../a.txt", "a.txt"),
        ("{root}/../a.txt", None),
        ("{root}", None),
        ("{root}x/a.txt", None),
        ("untitled:a.txt", None),
        ("file://[x/a.txt", None),
        ("preview://[a.txt]", None),
        ("{root}/a%00.txt", None),
        ("file:///elsewhere/a.txt", None),
    ],
)
def test_uris_name_paths_within_the_workspace_or_none(tmp_path: Path, uri: str, path: str | None) -> None:
    assert Places(tmp_path).relative(uri.replace("{root}", tmp_path.as_uri())) == path


@requirement("lsp:places")
@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege on Windows")
def test_a_folder_behind_a_link_is_the_same_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    places = Places(tmp_path / "link")
    assert places.relative((tmp_path / "link" / "a.txt").as_uri()) == "a.txt"
    assert places.relative((tmp_path / "real" / "a.txt").as_uri()) == "a.txt"


@requirement("lsp:places")
def test_a_host_in_a_uri_is_part_of_the_path() -> None:
    assert path_of("file://server/share/a.txt") == Path("//server/share/a.txt")
    assert path_of("file://localhost/a.txt") == Path("/a.txt")


def test_a_progress_line_is_one_short_line() -> None:
    assert first_line("a\n b") == "a b"
    assert len(first_line("x" * 500)) == 80
