"""Vespiary: a language server that hosts a colony of sandboxed AI agents."""

__version__ = "0.1.0"
