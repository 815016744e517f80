"""Bodies of redirect URIs and CORS origins (contract sections 4.1 and 4.2)."""

from typing import Annotated

from msgspec import Meta

from authfactor.models import RecordPage
from authfactor.models.hosted_sign_in import CorsOriginRecord, RedirectUriRecord
from authfactor.wire import timestamps
from authfactor.wire.requests import RequestModel
from authfactor.wire.responses import ListMetadataObject, ListOf, ResponseModel, Timestamp


class CreateRedirectUri(RequestModel, frozen=True, gc=False):
    """Add a redirect URI."""

    uri: Annotated[str | None, Meta(description="An absolute URL, possibly with one `*`.")] = None


class CreateCorsOrigin(RequestModel, frozen=True, gc=False):
    """Add a CORS origin."""

    origin: Annotated[str | None, Meta(description="Scheme, host and port of a page.")] = None


class RedirectUriObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="redirect_uri"):
    """A URI to which a sign-in may redirect."""

    id: str
    uri: str
    default: bool
    created_at: Timestamp
    updated_at: Timestamp


class CorsOriginObject(ResponseModel, frozen=True, gc=False, tag_field="object", tag="cors_origin"):
    """An origin whose pages may sign in."""

    id: str
    origin: str
    created_at: Timestamp
    updated_at: Timestamp


def redirect_uri(record: RedirectUriRecord) -> RedirectUriObject:
    """Render a redirect URI."""
    created_at, updated_at = timestamps.format_ms(record.created_at), timestamps.format_ms(record.updated_at)
    return RedirectUriObject(record.id, record.uri, record.is_default, created_at, updated_at)


def redirect_uris(page: RecordPage[RedirectUriRecord]) -> ListOf[RedirectUriObject]:
    """Render a page of redirect URIs."""
    return ListOf([redirect_uri(item) for item in page.items], ListMetadataObject(page.before, page.after))


def cors_origin(record: CorsOriginRecord) -> CorsOriginObject:
    """Render a CORS origin."""
    created_at, updated_at = timestamps.format_ms(record.created_at), timestamps.format_ms(record.updated_at)
    return CorsOriginObject(record.id, record.origin, created_at, updated_at)


def cors_origins(page: RecordPage[CorsOriginRecord]) -> ListOf[CorsOriginObject]:
    """Render a page of CORS origins."""
    return ListOf([cors_origin(item) for item in page.items], ListMetadataObject(page.before, page.after))
