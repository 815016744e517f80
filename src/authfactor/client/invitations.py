"""The part of `client.user_management` that invites people."""

from authfactor.client.mailed_types import Invitation
from authfactor.client.operations import (
    ApiCall,
    Group,
    decoder,
    drop_none,
    listing,
    operation,
    path,
    query,
)
from authfactor.client.types import ListResponse, Order

PATH = "/user_management/invitations"


class InvitationMethods(Group):
    """Invitations, which open sign-up."""

    @listing
    def list_invitations(
        self,
        *,
        email: str | None = None,
        limit: int | None = None,
        before: str | None = None,
        after: str | None = None,
        order: Order | None = None,
    ) -> ApiCall[ListResponse[Invitation]]:
        """List invitations, newest first by default.

        Args:
            email: Return only the invitations of this email address.
            limit: Items per page, 1 to 100. Default: 10.
            before: Cursor from `list_metadata.before`, for the page that ends just before it.
            after: Cursor from `list_metadata.after`, for the page that starts just after it.
            order: `desc` (newest first), `asc`, or `normal`: `desc` with `before` and `after` swapped.

        Returns a page; iterating over it also fetches the pages after it.

        Raises `UnprocessableEntityError`.
        """
        params = query(email=email, limit=limit, before=before, after=after, order=order)
        return ApiCall("GET", PATH, decoder(ListResponse[Invitation]), query=params)

    @operation
    def send_invitation(
        self,
        *,
        email: str,
        expires_in_days: int | None = None,
        inviter_user_id: str | None = None,
        locale: str | None = None,
    ) -> ApiCall[Invitation]:
        """Invite an email address, and mail the link.

        Args:
            email: The address to invite.
            expires_in_days: For how many days the invitation is open, 1 to 30. Default: 7.
            inviter_user_id: The user who invites.
            locale: Language of the mail, such as `de`.

        Raises `BadRequestError`, with a `code` such as `email_already_invited` or `user_already_exists`,
        `NotFoundError` for an unknown inviter, `UnprocessableEntityError`, and `RateLimitExceededError` when
        too many messages were sent.
        """
        body = drop_none(
            email=email, expires_in_days=expires_in_days, inviter_user_id=inviter_user_id, locale=locale
        )
        return ApiCall("POST", PATH, decoder(Invitation), body)

    @operation
    def get_invitation(self, invitation_id: str) -> ApiCall[Invitation]:
        """Return an invitation. Raises `NotFoundError`."""
        return ApiCall("GET", path(f"{PATH}/{{}}", invitation_id), decoder(Invitation))

    @operation
    def find_invitation_by_token(self, token: str) -> ApiCall[Invitation]:
        """Return the invitation with a token, which uses nothing up. Raises `NotFoundError`."""
        return ApiCall("GET", path(f"{PATH}/by_token/{{}}", token), decoder(Invitation))

    @operation
    def accept_invitation(self, invitation_id: str) -> ApiCall[Invitation]:
        """Accept an invitation for the user who has its email.

        Raises `NotFoundError`, and `BadRequestError` if it is not open or there is no such user.
        """
        return ApiCall("POST", path(f"{PATH}/{{}}/accept", invitation_id), decoder(Invitation), {})

    @operation
    def revoke_invitation(self, invitation_id: str) -> ApiCall[Invitation]:
        """Revoke an open invitation. Raises `NotFoundError`, and `BadRequestError` if it is not open."""
        return ApiCall("POST", path(f"{PATH}/{{}}/revoke", invitation_id), decoder(Invitation), {})

    @operation
    def resend_invitation(self, invitation_id: str, *, locale: str | None = None) -> ApiCall[Invitation]:
        """Mail the link of an open invitation again.

        Args:
            invitation_id: The invitation.
            locale: Language of the mail, such as `de`.

        Raises `NotFoundError`, `BadRequestError` if it is not open, and `RateLimitExceededError` when too
        many messages were sent.
        """
        url_path = path(f"{PATH}/{{}}/resend", invitation_id)
        return ApiCall("POST", url_path, decoder(Invitation), drop_none(locale=locale))
