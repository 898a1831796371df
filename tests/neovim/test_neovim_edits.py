"""What an agent's edits do in a real Neovim. The agent is a scripted one; the server, the wire and the editor are real."""

from pathlib import Path

from ledger import requirement
from support.nvim import drive


@requirement("lsp:unsaved-buffer")
def test_an_unsaved_buffer_is_what_the_agent_reads(project: Path) -> None:
    said = drive(
        """
        vespiary.edit('a.txt')
        vespiary.type('ccunsaved<Esc>')
        return vespiary.finished(vespiary.start({{'read', 'a.txt'}})).text
        """,
        project,
    )
    assert said == "unsaved\nworld\n"
    assert (project / "a.txt").read_text(encoding="utf-8") == "hello\nworld\n"


@requirement("lsp:edit-in-buffer", "lsp:one-undo-step")
def test_an_edit_of_several_places_is_one_undo_step_of_its_own(project: Path) -> None:
    (project / "a.txt").write_text("one\ntwo\nthree\nfour\n", encoding="utf-8", newline="")
    seen = drive(
        """
        local v = vespiary
        v.edit('a.txt')
        v.type('ccuno<Esc>')
        local before = v.text()
        local run = v.start({{'replace-all', 'a.txt', 'o', '0'}, {'read', 'a.txt'}})
        local finished = v.finished(run)
        local edit = v.event(run, 'edit')
        local after = v.text()
        vim.cmd.undo()
        local once = v.text()
        vim.cmd.undo()
        return { before = before, after = after, once = once, twice = v.text(), state = edit.state, said = finished.text,
                 modified = vim.bo.modified }
        """,
        project,
    )
    assert seen["state"] == "applied", seen
    assert seen["after"] == "un0\ntw0\nthree\nf0ur"
    assert seen["said"].endswith("un0\ntw0\nthree\nf0ur\n")
    assert seen["once"] == seen["before"] == "uno\ntwo\nthree\nfour"
    assert seen["twice"] == "one\ntwo\nthree\nfour"


@requirement("lsp:one-undo-step")
def test_two_edits_are_two_undo_steps(project: Path) -> None:
    seen = drive(
        """
        local v = vespiary
        v.edit('a.txt')
        v.finished(v.start({{'replace', 'a.txt', 'hello', 'first'}, {'replace', 'a.txt', 'world', 'second'}}))
        local after = v.text()
        vim.cmd.undo()
        return { after = after, once = v.text() }
        """,
        project,
    )
    assert seen == {"after": "first\nsecond", "once": "first\nworld"}


@requirement("lsp:stale-edit")
def test_a_stale_edit_is_not_applied_and_the_agent_is_told(project: Path) -> None:
    seen = drive(
        """
        local v = vespiary
        local buffer = v.edit('a.txt')
        -- The person types between the request and its arrival: at the moment when the editor hears of the edit.
        local apply = vim.lsp.handlers['workspace/applyEdit']
        v.client.handlers['workspace/applyEdit'] = function(...)
          v.client.handlers['workspace/applyEdit'] = nil
          v.type('ggItyped <Esc>')
          return apply(...)
        end
        local run = v.start({{'replace', 'a.txt', 'hello', 'HELLO'}, {'read', 'a.txt'}})
        local finished = v.finished(run)
        local edit = v.event(run, 'edit')
        return { text = v.text(), state = edit.state, reason = edit.reason, said = finished.text }
        """,
        project,
    )
    assert seen["text"] == "typed hello\nworld"
    assert seen["state"] == "stale"
    assert "at the same moment" in seen["reason"]
    assert seen["said"].endswith("typed hello\nworld\n")


@requirement("lsp:unopened-file")
def test_a_file_that_is_not_open_is_changed_on_disk(project: Path) -> None:
    (project / "b.txt").write_text("shut\n", encoding="utf-8", newline="")
    seen = drive(
        """
        local v = vespiary
        v.edit('a.txt')
        local run = v.start({{'replace', 'b.txt', 'shut', 'open'}, {'create', 'deep/c.txt', 'new'}, {'rename', 'b.txt', 'd.txt'}})
        return v.finished(run).text
        """,
        project,
    )
    assert seen.split("\n") == ["applied: "] * 3
    assert (project / "d.txt").read_text(encoding="utf-8") == "open\n"
    assert (project / "deep" / "c.txt").read_text(encoding="utf-8") == "new"
    assert not (project / "b.txt").exists()


@requirement("lsp:open-file-operations")
def test_open_documents_are_renamed_and_deleted_by_the_editor(project: Path) -> None:
    (project / "b.txt").write_text("gone soon\n", encoding="utf-8", newline="")
    seen = drive(
        """
        local v = vespiary
        v.edit('b.txt')
        v.edit('a.txt')
        local run = v.start({{'rename', 'a.txt', 'new.txt'}, {'delete', 'b.txt'}})
        local text = v.finished(run).text
        local names = {}
        for _, buffer in ipairs(vim.api.nvim_list_bufs()) do
          if vim.api.nvim_buf_is_loaded(buffer) then table.insert(names, vim.fs.basename(vim.api.nvim_buf_get_name(buffer))) end
        end
        return { text = text, names = names }
        """,
        project,
    )
    assert seen["text"].split("\n") == ["applied: "] * 2
    assert "new.txt" in seen["names"]
    assert not (project / "a.txt").exists()
    assert (project / "new.txt").read_text(encoding="utf-8") == "hello\nworld\n"
    assert not (project / "b.txt").exists()


@requirement("lsp:line-endings")
def test_a_document_with_other_line_endings_and_without_a_final_one_is_edited(project: Path) -> None:
    (project / "dos.txt").write_bytes("häß\r\nzwei 🐝 drei".encode())
    seen = drive(
        """
        local v = vespiary
        v.edit('dos.txt')
        local run = v.start({{'replace', 'dos.txt', '🐝 drei', '🐝\\nvier'}, {'read', 'dos.txt'}})
        local finished = v.finished(run)
        vim.cmd.write()
        return { text = finished.text, format = vim.bo.fileformat }
        """,
        project,
    )
    assert seen["format"] == "dos"
    assert seen["text"].startswith("applied")
    assert "zwei 🐝\r\nvier" in (project / "dos.txt").read_bytes().decode()
