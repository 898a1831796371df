"""The SDK's own list of the types that only the host may send."""

from ledger import requirement
from vespiary.model.vocabulary import HOST_ONLY
from vespiary_sdk.testing import _host


@requirement("sdk:vocabulary")
def test_the_fake_host_refuses_what_the_host_refuses() -> None:
    assert set(_host.HOST_ONLY) == HOST_ONLY
