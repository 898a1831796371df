"""Failures of the sandbox for people."""

from vespiary.model.errors import VespiaryError


class ComponentRejected(VespiaryError):
    """A component that cannot be an actor: not a component, not our world, or one that asks for too much."""

    code = "component.rejected"


class ComponentMissing(VespiaryError):
    """A component that cannot be found, read or built."""

    code = "component.missing"
