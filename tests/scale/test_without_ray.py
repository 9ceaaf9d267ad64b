"""Without Ray the commands of one machine work, and those of a cluster say what to install."""

from __future__ import annotations

import sys

import pytest

from cappy.errors import MissingExtraError
from cappy.scale.cluster import joined


def test_a_missing_ray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"cappy-scorer\[scale\]"), joined("local"):
        pass
    import cappy.scale.build_cluster
    import cappy.scale.sample_cluster
    import cappy.scale.score_cluster  # noqa: F401  (none of them needs it to be imported)
