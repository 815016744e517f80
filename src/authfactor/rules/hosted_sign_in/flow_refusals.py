"""Why a page of the hosted sign-in cannot be shown. `sign_in_url` is where to start again, or None."""

from authfactor import errors


class FlowUnknown(errors.LinkUnknown):
    """No sign-in has this URL, or this browser did not begin it; the error does not say which."""

    code = "sign_in_unknown"

    def __init__(self) -> None:
        """Use a fixed message."""
        super(errors.LinkUnknown, self).__init__(
            "This sign-in is not known. Go back to the application and sign in again."
        )


class FlowExpired(errors.LinkExpired):
    """The sign-in took longer than it may."""

    code = "sign_in_expired"

    def __init__(self, sign_in_url: str | None = None) -> None:
        """Use a fixed message."""
        super(errors.LinkExpired, self).__init__(
            "This sign-in has expired. Go back to the application and sign in again."
        )
        self.sign_in_url = sign_in_url


class FlowCompleted(errors.LinkUsed):
    """The sign-in was completed before; it redirects once."""

    code = "sign_in_completed"

    def __init__(self, sign_in_url: str | None = None) -> None:
        """Use a fixed message."""
        super(errors.LinkUsed, self).__init__("This sign-in is complete. Go back to the application.")
        self.sign_in_url = sign_in_url


class FlowIncomplete(errors.Conflict):
    """Another step of the sign-in must come first; the page shows it."""

    code = "sign_in_incomplete"

    def __init__(self) -> None:
        """Use a fixed message."""
        super().__init__(self.code, "Another step must come first. Open the page again.")
