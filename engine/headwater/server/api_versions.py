"""The endpoints that tell what answers here."""

from starlette.routing import BaseRoute

from headwater._version import __version__
from headwater.functions.http_messages import Response
from headwater.server.api import ApiRequest, Entrance

_NAME = "headwater"


def version_routes(entrance: Entrance) -> list[BaseRoute]:
    """What tools of Convex ask for; plain text."""

    async def version(_: ApiRequest) -> Response:
        return Response(__version__)

    async def name(_: ApiRequest) -> Response:
        return Response(_NAME)

    return [
        entrance.route("/version", is_for_all=True, GET=version),
        entrance.route("/instance_version", is_for_all=True, GET=version),
        entrance.route("/instance_name", is_for_all=True, GET=name),
    ]
