"""The journal: what a workspace's runs did, kept in SQLite so that a crash loses nothing that was acknowledged.

`store` is what others use. Knows entries as plain data with a number; does not know what an entry means.
"""
