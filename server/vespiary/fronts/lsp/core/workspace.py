"""pygls' workspace, looking at the documents that are kept here, so that nothing reads from disk what is open in the editor."""

from vespiary.fronts.lsp.core.documents import Documents
from vespiary.fronts.lsp.core.upstream import TextDocument, Workspace


class LiveWorkspace(Workspace):
    """As in pygls. A `TextDocument` of it is a snapshot; prefer `server.documents`."""

    _documents: Documents

    @classmethod
    def over(cls, workspace: Workspace, documents: Documents) -> "LiveWorkspace":
        """The same workspace with these documents. pygls makes its own in the midst of `initialize`, so it is changed in place."""
        if not isinstance(workspace, cls):
            workspace.__class__ = cls
            assert isinstance(workspace, cls)
            workspace._documents = documents
        return workspace

    def get_text_document(self, doc_uri: str) -> TextDocument:
        """The document as it is now in the editor, else as it is on disk."""
        document = self._documents.get(doc_uri)
        if document is None:
            return super().get_text_document(doc_uri)
        return self._create_text_document(document.uri, document.text, document.version, document.language_id)
