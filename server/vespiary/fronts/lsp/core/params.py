"""Parameters of requests: plain data for our own methods, lsprotocol values for LSP's. Refuses with -32602 and a sentence."""

import logging
from typing import Any, cast

from vespiary.fronts.lsp.core.errors import INVALID_PARAMS, Rejected
from vespiary.fronts.lsp.core.upstream import types

logger = logging.getLogger("vespiary.lsp")


def plain_params(method: str, params: Any) -> dict[str, Any]:
    """The params of one of our own methods; an empty dict when there are none."""
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise Rejected(INVALID_PARAMS, f"The params of {method} must be an object.")
    return cast("dict[str, Any]", params)


def typed_params(converter: Any, method: str, params: Any) -> Any:
    """The params of an LSP method as its lsprotocol type; of an unknown method, plain."""
    kinds = types.METHOD_TO_TYPES.get(method)
    if kinds is None:
        return plain_params(method, params)
    kind: Any = kinds[2]
    if kind is None:
        return None
    try:
        return converter.structure({} if params is None else params, kind)
    except Exception as error:  # cattrs raises many kinds, all of them about the params
        raise Rejected(INVALID_PARAMS, f"The params of {method} are not what LSP says: {_reason(error)}") from error


def initialize_params(converter: Any, params: Any) -> types.InitializeParams:
    """The params of `initialize`. Capabilities that are not understood are left out: a newer client must be able to start."""
    try:
        return typed_params(converter, types.INITIALIZE, params)
    except Rejected:
        if not isinstance(params, dict):
            raise
        fields = cast("dict[str, Any]", params)
        capabilities = fields.get("capabilities")
        if not isinstance(capabilities, dict):
            raise
        understood = _understood(converter, cast("dict[str, Any]", capabilities))
        return typed_params(converter, types.INITIALIZE, {**fields, "capabilities": understood})


def _understood(converter: Any, capabilities: dict[str, Any]) -> dict[str, Any]:
    """The capabilities of which lsprotocol makes sense: whole areas, or else the features of an area one by one."""

    def fits(part: dict[str, Any]) -> bool:
        try:
            converter.structure(part, types.ClientCapabilities)
        except Exception:  # noqa: BLE001 - as above
            return False
        return True

    kept: dict[str, Any] = {}
    for area, value in capabilities.items():
        if fits({area: value}):
            kept[area] = value
        elif isinstance(value, dict):
            features = cast("dict[str, Any]", value)
            kept[area] = {name: item for name, item in features.items() if fits({area: {name: item}})}
            logger.warning(
                "Not understood in the client's capabilities: %s.%s", area, sorted(features.keys() - kept[area])
            )
    return kept


def _reason(error: BaseException) -> str:
    """The innermost causes, in a line."""
    inner = getattr(error, "exceptions", None)
    if inner:
        return "; ".join(_reason(one) for one in inner[:3])
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) or type(error).__name__
