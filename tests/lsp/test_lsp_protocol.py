"""The protocol's declaration and its document."""

import subprocess
import sys
from dataclasses import fields

from ledger import requirement
from vespiary import protocol, protocol_doc
from vespiary.model.runs import Mode


@requirement("lsp:document")
def test_the_document_is_what_the_declaration_says() -> None:
    written = protocol_doc.TARGET.read_text(encoding="utf-8")
    assert written == protocol_doc.document(), "run `python -m vespiary.protocol_doc`"


@requirement("lsp:document")
def test_the_document_names_every_method_command_event_and_field() -> None:
    text = protocol_doc.document()
    names = [entry.name for entry in (*protocol.METHODS, *protocol.COMMANDS)]
    names += [event.kind for event in protocol.EVENTS]
    assert [name for name in names if f"`{name}`" not in text] == []
    assert [item.name for item in fields(protocol.RunInfo) if f"`{protocol.camel(item.name)}`" not in text] == []


@requirement("lsp:parameters")
def test_parameters_are_read_from_their_names_on_the_wire() -> None:
    params = protocol.parse(protocol.StartParams, {"prompt": "x", "mode": "plan"}, what="test")
    assert params == protocol.StartParams("x", mode=Mode.PLAN)
    assert protocol.parse(protocol.RunParams, {"runId": "a"}, what="test").run_id == "a"
    assert protocol.parse(protocol.NoParams, None, what="test") == protocol.NoParams()


@requirement("lsp:light-start")
def test_reading_the_protocol_does_not_load_pydantic() -> None:
    code = "import sys, vespiary.protocol, vespiary.client; print({'pydantic', 'pygls', 'lsprotocol'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
