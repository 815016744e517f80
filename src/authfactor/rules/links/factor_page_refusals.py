"""Why a change on the page on which users manage their factors is refused (decision 0046)."""

from authfactor import errors


class ConfirmationRequired(errors.Forbidden):
    """No code was right in this page session within the last ten minutes."""

    code = "confirmation_required"

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__("Enter a code of an existing factor first.")


class LastFactor(errors.Conflict):
    """The factor is the last active one, and the form that removes it did not say what follows."""

    def __init__(self) -> None:
        """Use the fixed code and message."""
        super().__init__("last_factor", "This is the last active factor. Removing it has further effects.")


class RecoveryCodesMade(errors.Conflict):
    """The set that was to be replaced is not there anymore: another click has replaced it."""

    def __init__(self) -> None:
        """Use the fixed code and message."""
        super().__init__("recovery_codes_already_made", "New recovery codes have just been made.")
