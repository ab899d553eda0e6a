"""The short form of `make soak`: mixed load with faults on a real server, and nothing lost, leaked or grown."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tests.soak.run import soak

if TYPE_CHECKING:
    import pytest

SECONDS = 60.0


async def test_a_server_under_load_with_faults_loses_and_keeps_nothing(caplog: pytest.LogCaptureFixture) -> None:
    # The clients' library tells of every connection that its user cuts off.
    caplog.set_level(logging.CRITICAL)
    report = await soak(SECONDS)
    assert report.defects == [], report.figures
