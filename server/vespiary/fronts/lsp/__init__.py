"""The language server. The only importer of pygls."""
