"""Users: create, find, list, update, delete; the rules for passwords and imported hashes."""

from typing import Final

import msgspec
from msgspec import UNSET

from authfactor import errors, ids
from authfactor.crypto import passwords
from authfactor.email_identity import email_key
from authfactor.errors import InvalidRequest, InvalidUserField, Item
from authfactor.ids import IdGenerator
from authfactor.models import Clock, Environment, PageQuery, RecordPage, UserRecord
from authfactor.rules import pagination
from authfactor.rules.authentication.password_hashing import PasswordHasher, api_share
from authfactor.rules.authentication.password_throttling import PasswordThrottling
from authfactor.rules.authentication.sessions import Sessions
from authfactor.rules.events import event_log
from authfactor.rules.events.event_log import EventLog
from authfactor.rules.unit import Scope, unit
from authfactor.settings import Settings
from authfactor.store import Shared, Unit
from authfactor.wire import responses
from authfactor.wire.events import UnlockedUser
from authfactor.wire.requests import CreateUser, Metadata, UpdateUser

MAX_EMAIL: Final = 254
MAX_NAME: Final = 256
MAX_EXTERNAL_ID: Final = 128
MAX_METADATA_KEYS: Final = 50
MAX_METADATA_KEY: Final = 40
MAX_METADATA_VALUE: Final = 600


class Users:
    """Creates, reads, updates and deletes users."""

    def __init__(
        self,
        clock: Clock,
        new_id: IdGenerator,
        hasher: PasswordHasher,
        log: EventLog,
        settings: Settings,
        sessions: Sessions,
        throttling: PasswordThrottling,
    ) -> None:
        """Keep the collaborators; time and ids come from `clock` and `new_id` alone."""
        self._clock = clock
        self._new_id = new_id
        self._hasher = hasher
        self._log = log
        self._settings = settings
        self._sessions = sessions
        self._throttling = throttling

    async def prepare_create(self, environment: Environment, request: CreateUser) -> Unit[UserRecord]:
        """Prepare a new user; the password is hashed before any lock is held.

        Raises `InvalidRequest`, `InvalidUserField`, `PasswordTooWeak` and `Unavailable`; the unit raises
        `UserCreationFailed`.
        """
        if not request.email or not request.email.strip():
            raise InvalidRequest(Item("email", "email_string_required", "email: required."))
        if not is_email(request.email):
            raise InvalidRequest(Item("email", "email_invalid", "email: not an email address."))
        _check_names(request)
        now = self._clock()
        user = UserRecord(
            id=self._new_id(ids.USER),
            email=request.email.strip(),
            email_verified=bool(request.email_verified),
            first_name=request.first_name,
            last_name=request.last_name,
            name=request.name,
            profile_picture_url=None,
            external_id=request.external_id or None,
            metadata=_merged("{}", request.metadata),
            locale=request.locale,
            last_sign_in_at=None,
            created_at=now,
            updated_at=now,
            password_hash=await self._password_hash(environment, request),
        )
        return Shared("Users.create", lambda tx: self._insert(Scope(tx, environment, now), user))

    async def sign_up(self, scope: Scope, email: str) -> UserRecord:
        """Return the user of an email: a new, unverified one, or the one that a concurrent unit made."""
        now = scope.now
        names = (None, None, None, None, None)
        user = UserRecord(self._new_id(ids.USER), email, False, *names, "{}", None, None, now, now, None)  # noqa: FBT003 - a column
        if await scope.tx.users.insert(scope.number, user):
            await self._emit(scope, event_log.USER_CREATED, user)
            return user
        return _found(await scope.tx.users.by_email(scope.number, email), email)

    async def _insert(self, scope: Scope, user: UserRecord) -> UserRecord:
        if not await scope.tx.users.insert(scope.number, user):
            raise errors.UserCreationFailed(*await _taken(scope, user))
        await self._emit(scope, event_log.USER_CREATED, user)
        return user

    @unit
    async def get(self, scope: Scope, user_id: str) -> UserRecord:
        """Return a user. Raises `NotFound`."""
        return _found(await scope.tx.users.by_id(scope.number, user_id), user_id)

    @unit
    async def by_external_id(self, scope: Scope, external_id: str) -> UserRecord:
        """Return the user with the application's own id. Raises `NotFound`."""
        return _found(await scope.tx.users.by_external_id(scope.number, external_id), external_id)

    @unit
    async def page(self, scope: Scope, query: PageQuery, email: str | None) -> RecordPage[UserRecord]:
        """List users, all or those with an email. Raises `InvalidRequest` for an unknown cursor."""
        for field, cursor in (("before", query.before), ("after", query.after)):
            if cursor and await scope.tx.users.by_id(scope.number, cursor) is None:
                raise pagination.unknown_cursor(field, cursor)
        items, more_before, more_after = await scope.tx.users.page(scope.number, query, email)
        return pagination.page(items, query, more_before=more_before, more_after=more_after)

    async def prepare_update(
        self, environment: Environment, user_id: str, request: UpdateUser
    ) -> Unit[UserRecord]:
        """Prepare a change; a password is hashed before any lock is held.

        A changed email is unverified unless the request says otherwise. A changed password ends the user's
        sessions unless the settings say otherwise: the request does not say which one may go on. Raises
        `InvalidRequest`, `InvalidUserField`, `PasswordTooWeak` and `Unavailable`; the unit raises `NotFound`
        and `InvalidUserField`.
        """
        if request.email is not None and not is_email(request.email):
            raise InvalidUserField("invalid_email", "The email address is not valid.")
        _check_names(request)
        new_hash = await self._password_hash(environment, request)
        return self._update(environment, user_id, request, new_hash)

    @unit
    async def _update(
        self, scope: Scope, user_id: str, request: UpdateUser, new_hash: str | None
    ) -> UserRecord:
        old = await self._lock(scope, user_id)
        user = _changed(old, request, new_hash, scope.now)
        await _check_free(scope, old, user)
        await scope.tx.users.update(scope.number, user)
        await self._emit(scope, event_log.USER_UPDATED, user)
        if email_key(user.email) != email_key(old.email):
            await self._log.notify(scope, "email_changed", old)
        if new_hash is not None:
            await self._log.notify(scope, "password_changed", old)
            from authfactor.rules.authentication.trusted_device_endings import end_devices  # noqa: PLC0415 - seldom

            await end_devices(scope, self._log, user_id, "password_changed")
        if new_hash is not None and self._settings.password_change_ends_sessions:
            await self._sessions.end_of_user(scope, user_id)
        return user

    @unit
    async def delete(self, scope: Scope, user_id: str) -> None:
        """Delete a user with all that is about them but events, and their invitations. Raises `NotFound`."""
        user = await self._lock(scope, user_id)
        await scope.tx.factors.delete_of_user(scope.number, user_id)
        await scope.tx.recovery_codes.delete_of_user(scope.number, user_id)
        await scope.tx.imported_factors.delete_of_user(scope.number, user_id)
        await scope.tx.user_mfa_policies.delete(scope.number, user_id)
        await scope.tx.trusted_devices.delete_of_user(scope.number, user_id)
        await scope.tx.passkeys.delete_of_user(scope.number, user_id)
        await scope.tx.mailed_codes.delete_of_user(scope.number, user_id)
        await scope.tx.password_resets.delete_of_user(scope.number, user_id)
        await scope.tx.invitations.delete_of_user(scope.number, user_id, user.email)
        await scope.tx.failures.clear(scope.number, user_id)
        await scope.tx.sessions.delete_of_user(scope.number, user_id)
        await scope.tx.links.delete_of_user(scope.number, user_id)
        await scope.tx.messages.delete_of_user(scope.number, user_id)
        await scope.tx.hosted_sign_ins.delete_of_user(scope.number, user_id)
        await scope.tx.users.delete(scope.number, user_id)
        await self._emit(scope, event_log.USER_DELETED, user)

    @unit
    async def unlock(self, scope: Scope, user_id: str) -> bool:
        """Clear a user's wrong codes and passwords and with them every lock, the hard stop included.

        Only operators may do this. Returns False when there was nothing to clear. Raises `NotFound`.
        """
        user = await self._lock(scope, user_id)
        codes = await scope.tx.failures.clear(scope.number, user_id)
        account = self._throttling.account_subject(user.email)
        tried = await scope.tx.throttles.clear(scope.number, account)
        if not (codes or tried):
            return False
        await self._log.append(scope, event_log.USER_UNLOCKED, user.id, UnlockedUser(user.id))
        return True

    async def _lock(self, scope: Scope, user_id: str) -> UserRecord:
        """Return a user, locked against changes until the unit ends. Raises `NotFound`."""
        return _found(await scope.tx.users.lock(scope.number, user_id), user_id)

    async def _emit(self, scope: Scope, name: str, user: UserRecord) -> None:
        await self._log.append(scope, name, user.id, responses.user(user))

    async def _password_hash(self, environment: Environment, request: CreateUser | UpdateUser) -> str | None:
        """Return the hash of the request's password, or its imported hash; None when it has neither."""
        if request.password is not None:
            if request.password_hash is not None:
                raise InvalidUserField(
                    "password_and_password_hash_provided", "Send either password or password_hash, not both."
                )
            if request.password_hash_type is not None:
                raise InvalidUserField(
                    "password_and_password_hash_type_provided",
                    "password_hash_type goes with password_hash only.",
                )
        if request.password_salt_position is not None and request.password_hash is None:
            raise InvalidUserField(
                "password_salt_position_requires_password_hash",
                "password_salt_position goes with password_hash only.",
            )
        if request.password is not None:
            weak = passwords.check_strength(request.password, email=request.email)
            if weak:
                raise errors.PasswordTooWeak(*(Item("password", code, text) for code, text in weak))
            return await self._hasher.hash(request.password, api_share(environment.number))
        return None if request.password_hash is None else _imported_hash(request, request.password_hash)


def _imported_hash(request: CreateUser | UpdateUser, text: str) -> str:
    """Return the stored form of an imported hash. Raises `InvalidUserField` and `InvalidRequest`."""
    from authfactor.crypto import imported_hashes  # noqa: PLC0415 - formats of five libraries; not needed at startup

    if request.password_hash_type is None:
        raise InvalidUserField("invalid_password_hash", "password_hash needs a password_hash_type.")
    try:
        return imported_hashes.parse_imported(
            text, request.password_hash_type, request.password_salt_position
        )
    except imported_hashes.ImportTooCostly as error:
        raise InvalidRequest(Item("password_hash", "password_hash_too_costly", str(error))) from error
    except imported_hashes.InvalidImportedHash as error:
        raise InvalidUserField("invalid_password_hash", str(error)) from error


def _found(user: UserRecord | None, wanted: str) -> UserRecord:
    if user is None:
        raise errors.NotFound("User", wanted)
    return user


def is_email(text: str) -> bool:
    """Return whether a text has one @, text on both sides and no invisible characters.

    Everything else is left to the mail server.
    """
    address = text.strip()
    local, at, domain = address.rpartition("@")
    return (
        len(address) <= MAX_EMAIL
        and bool(local and at and domain)
        and "@" not in local
        and address.isprintable()
        and not any(character.isspace() for character in address)
    )


def _check_names(request: CreateUser | UpdateUser) -> None:
    items = []
    for field in ("first_name", "last_name", "name", "locale"):
        value = getattr(request, field)
        if isinstance(value, str) and (len(value) > MAX_NAME or "\0" in value):
            items.append(
                Item(field, f"{field}_invalid", f"{field}: at most {MAX_NAME} characters, none of them NUL.")
            )
    external_id = request.external_id
    if isinstance(external_id, str) and (
        len(external_id) > MAX_EXTERNAL_ID or not external_id.isascii() or "\0" in external_id
    ):
        items.append(
            Item(
                "external_id",
                "external_id_invalid",
                f"external_id: at most {MAX_EXTERNAL_ID} ASCII characters.",
            )
        )
    if items:
        raise InvalidRequest(*items)


def _merged(old: str, change: Metadata | None) -> str:
    """Merge metadata: a null value deletes its key; null or an empty object deletes all (contract 3.5)."""
    if not change:
        return "{}"
    merged = msgspec.json.decode(old, type=dict[str, str])
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        elif len(key) > MAX_METADATA_KEY or len(value) > MAX_METADATA_VALUE or "\0" in key + value:
            raise InvalidUserField(
                "invalid_metadata",
                f"Metadata keys have at most {MAX_METADATA_KEY} characters, values {MAX_METADATA_VALUE}.",
            )
        else:
            merged[key] = value
    if len(merged) > MAX_METADATA_KEYS:
        raise InvalidUserField("invalid_metadata", f"Metadata has at most {MAX_METADATA_KEYS} keys.")
    return msgspec.json.encode(merged).decode()


def _changed(old: UserRecord, request: UpdateUser, new_hash: str | None, now: int) -> UserRecord:
    def pick(given: object, present: object) -> object:
        return present if given is UNSET else given

    email = old.email if request.email is None else request.email.strip()
    verified = request.email_verified
    if verified is None:
        verified = old.email_verified and email_key(email) == email_key(old.email)
    return msgspec.structs.replace(
        old,
        email=email,
        email_verified=verified,
        first_name=pick(request.first_name, old.first_name),
        last_name=pick(request.last_name, old.last_name),
        name=pick(request.name, old.name),
        external_id=pick(request.external_id, old.external_id) or None,
        metadata=old.metadata if request.metadata is UNSET else _merged(old.metadata, request.metadata),
        locale=pick(request.locale, old.locale),
        password_hash=new_hash or old.password_hash,
        updated_at=now,
    )


async def _taken(scope: Scope, user: UserRecord) -> list[Item]:
    items = []
    if await scope.tx.users.by_email(scope.number, user.email) is not None:
        items.append(Item("email", "email_not_available", "This email is not available."))
    if user.external_id and await scope.tx.users.by_external_id(scope.number, user.external_id) is not None:
        items.append(Item("external_id", "external_id_already_used", "This external_id is already used."))
    return items


async def _check_free(scope: Scope, old: UserRecord, user: UserRecord) -> None:
    if user.email != old.email:
        same_email = await scope.tx.users.by_email(scope.number, user.email)
        if same_email is not None and same_email.id != old.id:
            raise InvalidUserField("email_not_available", "This email is not available.")
    if user.external_id and user.external_id != old.external_id:
        same = await scope.tx.users.by_external_id(scope.number, user.external_id)
        if same is not None and same.id != old.id:
            raise InvalidUserField("external_id_already_used", "This external_id is already used.")
