"""The sandbox: engine, component cache, host shims, call layer, guests.

The only importer of wasmtime; knows nothing of scheduling or agents.
"""
