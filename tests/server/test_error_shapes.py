"""A dialect's errors have the shape that its routes declare, and no other place names its paths."""

from __future__ import annotations

from fastapi import APIRouter

from cappy.server.error_schemas import ErrorShape, OpenAIError, declared, declared_shapes, error_body


class OwnError(ErrorShape):
    reason: str

    @classmethod
    def of(cls, status: int, message: str, request_id: str) -> OwnError:
        return cls(reason=f"{status} {message} {request_id}")


def test_a_route_declares_the_shape_of_its_errors() -> None:
    router = APIRouter()

    @router.post("/own", responses=declared(OwnError))
    async def own() -> None: ...

    @router.post("/either", responses=declared(OwnError | dict))
    async def either() -> None: ...

    assert declared_shapes([router]) == {"/own": OwnError, "/either": OpenAIError}
    assert error_body(OwnError, 422, "no \ud800.", "id") == {"reason": "422 no ?. id"}
