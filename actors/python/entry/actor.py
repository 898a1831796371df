"""What the component exports: the resource `actor`, as componentize-py wants it, in a module named after the interface.

Everything at module level happens while the component is built and is part of its snapshot. Catches what is left to catch:
an exception that gets out of here kills the actor.
"""

# The bindings exist only where the component is built.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUntypedBaseClass=false, reportUnknownArgumentType=false

import gc
import importlib.machinery
import json
import sys

from componentize_py_types import Err  # type: ignore[import-not-found]
from vespiary_component import chance, compact, guards, immortal, library, loading, preload, rehearsal, streams, warm
from vespiary_component.port import WitPort
from vespiary_preloaded import ACTORS  # type: ignore[import-not-found]
from vespiary_sdk._instance import Instance
from vespiary_sdk._port import Port
from vespiary_sdk.errors import ActorError
from wit_world import exports  # type: ignore[import-not-found]

library.import_all()
preload.preload(ACTORS)
warm.warm_up()
_finders = [finder for finder in sys.meta_path if finder is not importlib.machinery.PathFinder]
_port: Port = WitPort()
_random = chance.install(lambda: _port.random(32))
_streams = streams.Streams(_port)
guards.install()


class Actor(exports.Actor):
    """The one actor of this component's instance."""

    def __init__(self, scope: str, config: str) -> None:
        gc.enable()
        # There are no folders any more. Clearing sys.path instead would free what all instances share: 2 MiB of copies.
        sys.meta_path[:] = _finders
        _streams.install()
        _random.begin_step()
        self._instance = Instance(_port, lambda: loading.make(config))
        _streams.finish()

    def describe(self) -> str:
        """Tools and subscriptions, or why there are none."""
        try:
            return self._instance.describe()
        except ActorError as error:
            raise Err(str(error)) from None

    def handle(self, id: str, message_type: str, sender: str, scope: str, payload: str) -> None:
        """One message."""
        _random.begin_step()
        failures = self._instance.handle(id, message_type, sender, scope, payload)
        _streams.finish()
        if failures is not None:
            raise Err(failures)

    def reply(self, id: int, ok: bool, payload: str) -> None:
        """One answer."""
        _random.begin_step()
        failures = self._instance.reply(id, ok, payload)
        _streams.finish()
        if failures is not None:
            raise Err(failures)

    def snapshot(self) -> str | None:
        """The state, if there is one to give now."""
        _random.begin_step()
        state = self._instance.snapshot()
        _streams.finish()
        return state

    def restore(self, state: str) -> None:
        """Take a state over."""
        _random.begin_step()
        try:
            self._instance.restore(state)
        except ActorError as error:
            raise Err(str(error)) from None
        finally:
            _streams.finish()


def _rehearse(name: str) -> None:
    """A built-in actor at work, in the same code as later, with nobody behind the port."""
    global _port
    kept = _port, sys.meta_path[:], sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__
    spec = json.dumps({"name": name, "config": {}, "code": {"preloaded": name}})
    for _ in range(rehearsal.ROUNDS):
        _port = port = warm.NullPort()
        rehearsal.rehearse(Actor(warm.SCOPE, spec), port)
        preload.put_aside(name)
    _port, sys.meta_path[:], sys.stdin, sys.stdout, sys.stderr, *old = kept
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = old


for _name in preload.names():
    _rehearse(_name)
gc.collect()
gc.disable()
immortal.leave_list()
compact.compact()
gc.freeze()
