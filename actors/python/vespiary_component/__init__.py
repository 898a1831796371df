"""The generic Python component: one WebAssembly component that becomes any Python actor.

It gets the actor's code in its constructor. Runs inside WebAssembly only (but for `bundle` and `loading`, which are pure); an
actor's author imports `vespiary_sdk` and never this.
"""
