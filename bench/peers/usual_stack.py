"""The same service as most teams would write it, with FastAPI, SQLAlchemy's async ORM, pyotp and qrcode.

It is the reference of `bench/run.py`, so it is written to be fast and correct within its stack: SQLite in WAL
mode with `synchronous=FULL`, one commit per request, conditional writes for single use, QR codes drawn off
the event loop. It does less than authfactor: plaintext secrets, no idempotency, no events, no lock per user.

`PEER_DATABASE_URL`: a SQLAlchemy URL; `PEER_API_KEY`: its key. `python usual_stack.py` creates the tables.
"""

import asyncio
import base64
import hashlib
import io
import os
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, cast

import pyotp
import qrcode
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, PlainSerializer
from sqlalchemy import CursorResult, ForeignKey, Update, event, select, update
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

ISSUER = "Usual Stack"
CHALLENGE_LIFE = timedelta(minutes=10)
MAX_ATTEMPTS = 5
MAX_FACTORS = 10

DATABASE_URL = os.environ.get("PEER_DATABASE_URL", "sqlite+aiosqlite:///usual_stack.sqlite3")
# Two connections are the fastest choice on SQLite: more of them mostly wait for each other's write lock.
POOL = {"pool_size": 2, "max_overflow": 0} if DATABASE_URL.startswith("sqlite") else {"pool_size": 20}
engine = create_async_engine(DATABASE_URL, **POOL)
new_session = async_sessionmaker(engine, expire_on_commit=False)


if engine.dialect.name == "sqlite":

    @event.listens_for(engine.sync_engine, "connect")
    def configure_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        """Configure the same durability as authfactor: WAL, and a sync of every commit."""
        cursor = connection.cursor()
        for pragma in ("busy_timeout=30000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


# --- tables ---


def now() -> datetime:
    """Return the current time in UTC without a zone, as SQLite keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


class Base(DeclarativeBase):
    """The tables' common base."""


class ApiKey(Base):
    """A hashed API key."""

    __tablename__ = "api_keys"
    hash: Mapped[str] = mapped_column(primary_key=True)


class User(Base):
    """A user of the environment."""

    __tablename__ = "users"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: f"user_{uuid.uuid4().hex}")
    email: Mapped[str] = mapped_column(unique=True)
    email_verified: Mapped[bool] = mapped_column(default=False)
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    external_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Factor(Base):
    """A TOTP factor; `last_step` is the newest step that was accepted."""

    __tablename__ = "factors"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: f"auth_factor_{uuid.uuid4().hex}")
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    issuer: Mapped[str]
    user: Mapped[str]
    secret: Mapped[str]
    last_step: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Challenge(Base):
    """An open or verified challenge of a factor."""

    __tablename__ = "challenges"
    id: Mapped[str] = mapped_column(primary_key=True, default=lambda: f"auth_challenge_{uuid.uuid4().hex}")
    factor_id: Mapped[str] = mapped_column(ForeignKey("factors.id"), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    verified_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(default=lambda: now() + CHALLENGE_LIFE)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


# --- bodies ---


def render_time(moment: datetime) -> str:
    """Render a time with three fraction digits and `Z`."""
    return moment.isoformat(timespec="milliseconds") + "Z"


Timestamp = Annotated[datetime, PlainSerializer(render_time, return_type=str)]


class Stamped(BaseModel):
    """The fields that every object has."""

    model_config = ConfigDict(from_attributes=True)
    id: str
    created_at: Timestamp
    updated_at: Timestamp


class NewUser(BaseModel):
    """The body that creates a user."""

    email: str
    email_verified: bool = False
    first_name: str | None = None
    last_name: str | None = None
    external_id: str | None = None


class UserOut(Stamped):
    """A user."""

    object: Literal["user"] = "user"
    email: str
    email_verified: bool
    first_name: str | None
    last_name: str | None
    profile_picture_url: str | None = None
    external_id: str | None
    last_sign_in_at: Timestamp | None = None


class Enrollment(BaseModel):
    """The body that enrolls a factor."""

    type: Literal["totp"]
    totp_issuer: str | None = None
    totp_user: str | None = None
    totp_secret: str | None = None


class Totp(BaseModel):
    """What a factor shows after its enrollment."""

    issuer: str
    user: str


class EnrolledTotp(Totp):
    """What a factor shows once, at its enrollment."""

    secret: str
    qr_code: str
    uri: str


class FactorOut(Stamped):
    """A factor without its secret."""

    object: Literal["authentication_factor"] = "authentication_factor"
    type: Literal["totp"] = "totp"
    totp: Totp
    user_id: str


class EnrolledFactorOut(FactorOut):
    """A factor with its secret."""

    totp: EnrolledTotp


class ChallengeOut(Stamped):
    """A challenge."""

    object: Literal["authentication_challenge"] = "authentication_challenge"
    authentication_factor_id: str
    expires_at: Timestamp


class Enrolled(BaseModel):
    """The answer to an enrollment."""

    authentication_factor: EnrolledFactorOut
    authentication_challenge: ChallengeOut


class ListMetadata(BaseModel):
    """The cursors of a list."""

    before: str | None = None
    after: str | None = None


class FactorList(BaseModel):
    """A page of factors."""

    object: Literal["list"] = "list"
    data: list[FactorOut]
    list_metadata: ListMetadata


class Code(BaseModel):
    """The body that verifies a challenge."""

    code: str


class Verification(BaseModel):
    """The answer to a verification."""

    challenge: ChallengeOut
    valid: bool


def factor_out(factor: Factor) -> FactorOut:
    """Render a factor without its secret."""
    return FactorOut(
        id=factor.id,
        totp=Totp(issuer=factor.issuer, user=factor.user),
        user_id=factor.user_id,
        created_at=factor.created_at,
        updated_at=factor.updated_at,
    )


def enrolled_factor_out(factor: Factor, uri: str, picture: str) -> EnrolledFactorOut:
    """Render a factor with its secret."""
    totp = EnrolledTotp(
        issuer=factor.issuer, user=factor.user, secret=factor.secret, qr_code=picture, uri=uri
    )
    return EnrolledFactorOut(
        id=factor.id,
        totp=totp,
        user_id=factor.user_id,
        created_at=factor.created_at,
        updated_at=factor.updated_at,
    )


def challenge_out(challenge: Challenge) -> ChallengeOut:
    """Render a challenge."""
    return ChallengeOut(
        id=challenge.id,
        authentication_factor_id=challenge.factor_id,
        expires_at=challenge.expires_at,
        created_at=challenge.created_at,
        updated_at=challenge.updated_at,
    )


def qr_code(uri: str) -> str:
    """Draw a URI as a PNG data URI with the qrcode package's defaults."""
    picture = io.BytesIO()
    qrcode.make(uri).save(picture)
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()


# --- the application ---


class Problem(Exception):
    """An error response."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Take the status, code and message of the response."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def not_found(label: str, identifier: str) -> Problem:
    """Return the error for an unknown id."""
    return Problem(404, "entity_not_found", f"{label} not found: '{identifier}'.")


async def session_per_request() -> AsyncIterator[AsyncSession]:
    """Open a session for one request."""
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(session_per_request)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def hash_key(key: str) -> str:
    """Hash an API key as it is stored."""
    return hashlib.sha256(key.encode()).hexdigest()


async def require_api_key(session: Session, bearer: Bearer) -> None:
    """Refuse a request without a known API key."""
    if bearer is None or await session.get(ApiKey, hash_key(bearer.credentials)) is None:
        raise Problem(401, "unauthorized", "Unauthorized")


app = FastAPI(title="Usual stack")
api = APIRouter(dependencies=[Depends(require_api_key)])


@app.exception_handler(Problem)
async def render_problem(_request: Request, problem: Problem) -> JSONResponse:
    """Render an error response."""
    return JSONResponse({"code": problem.code, "message": problem.message}, status_code=problem.status)


@app.get("/readyz")
async def ready() -> dict[str, str]:
    """Report that the server is ready."""
    return {"status": "ok"}


@api.post("/user_management/users", status_code=201, response_model=UserOut)
async def create_user(body: NewUser, session: Session) -> User:
    """Create a user."""
    user = User(**body.model_dump())
    session.add(user)
    await session.commit()
    return user


@api.post("/user_management/users/{user_id}/auth_factors", status_code=201, response_model=Enrolled)
async def enroll(user_id: str, body: Enrollment, session: Session) -> Enrolled:
    """Enroll a user in a factor and open its first challenge."""
    user = await session.get(User, user_id)
    if user is None:
        raise not_found("User", user_id)
    enrolled = (await session.scalars(select(Factor.id).where(Factor.user_id == user_id))).all()
    if len(enrolled) >= MAX_FACTORS:
        raise Problem(422, "invalid_request_parameters", "Too many factors")
    factor = Factor(
        user_id=user.id,
        issuer=body.totp_issuer or ISSUER,
        user=body.totp_user or user.email,
        secret=body.totp_secret or pyotp.random_base32(),
    )
    session.add(factor)
    await session.flush()
    challenge = Challenge(factor_id=factor.id)
    session.add(challenge)
    await session.commit()
    uri = pyotp.TOTP(factor.secret).provisioning_uri(name=factor.user, issuer_name=factor.issuer)
    picture = await run_in_threadpool(qr_code, uri)
    return Enrolled(
        authentication_factor=enrolled_factor_out(factor, uri, picture),
        authentication_challenge=challenge_out(challenge),
    )


@api.get("/user_management/users/{user_id}/auth_factors", response_model=FactorList)
async def list_factors(
    user_id: str,
    session: Session,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    after: str | None = None,
) -> FactorList:
    """List a user's factors, newest first."""
    if await session.get(User, user_id) is None:
        raise not_found("User", user_id)
    newest_first = Factor.created_at.desc(), Factor.id.desc()
    query = select(Factor).where(Factor.user_id == user_id).order_by(*newest_first)
    if after is not None:
        edge = await session.get(Factor, after)
        if edge is None:
            raise Problem(422, "invalid_request_parameters", "Unknown cursor")
        query = query.where(Factor.created_at < edge.created_at)
    rows = (await session.scalars(query.limit(limit + 1))).all()
    page = rows[:limit]
    metadata = ListMetadata(after=page[-1].id if len(rows) > limit else None)
    return FactorList(data=[factor_out(factor) for factor in page], list_metadata=metadata)


@api.get("/auth/factors/{factor_id}", response_model=FactorOut)
async def get_factor(factor_id: str, session: Session) -> FactorOut:
    """Return a factor without its secret."""
    factor = await session.get(Factor, factor_id)
    if factor is None:
        raise not_found("Authentication Factor", factor_id)
    return factor_out(factor)


@api.post("/auth/factors/{factor_id}/challenge", status_code=201, response_model=ChallengeOut)
async def challenge_factor(factor_id: str, session: Session) -> ChallengeOut:
    """Open a challenge of a factor."""
    if await session.get(Factor, factor_id) is None:
        raise not_found("Authentication Factor", factor_id)
    challenge = Challenge(factor_id=factor_id)
    session.add(challenge)
    await session.commit()
    return challenge_out(challenge)


def match_step(secret: str, code: str) -> int | None:
    """Return the step whose code this is, one step of drift either way."""
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code, valid_window=1)
    except pyotp.OTPVerificationError:
        return None


async def change(session: AsyncSession, statement: Update) -> int:
    """Run an update and return how many rows it changed."""
    return cast("CursorResult[Any]", await session.execute(statement)).rowcount


@api.post("/auth/challenges/{challenge_id}/verify", status_code=201, response_model=Verification)
async def verify_challenge(challenge_id: str, body: Code, session: Session) -> Verification:
    """Check a code; a challenge and a step are each good for one success."""
    both = select(Challenge, Factor).join(Factor, Factor.id == Challenge.factor_id)
    row = (await session.execute(both.where(Challenge.id == challenge_id))).one_or_none()
    if row is None:
        raise not_found("Authentication Challenge", challenge_id)
    challenge, factor = row
    if challenge.verified_at is not None:
        raise Problem(422, "authentication_challenge_previously_verified", "Already verified")
    if challenge.expires_at < now():
        raise Problem(422, "authentication_challenge_expired", "Expired")
    open_challenge = update(Challenge).where(Challenge.id == challenge_id, Challenge.verified_at.is_(None))
    counted = await change(
        session,
        open_challenge.where(Challenge.attempts < MAX_ATTEMPTS).values(attempts=Challenge.attempts + 1),
    )
    if counted != 1:
        raise Problem(400, "one_time_code_too_many_attempts", "Too many attempts")
    step = match_step(factor.secret, body.code)
    valid = False
    if step is not None:
        spent = await change(
            session,
            update(Factor).where(Factor.id == factor.id, Factor.last_step < step).values(last_step=step),
        )
        valid = spent == 1
    if valid:
        await session.execute(open_challenge.values(verified_at=now(), updated_at=now()))
    await session.commit()
    return Verification(challenge=challenge_out(challenge), valid=valid)


app.include_router(api)


async def create_tables() -> None:
    """Create the tables and the first API key."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with new_session() as session:
        await session.merge(ApiKey(hash=hash_key(os.environ["PEER_API_KEY"])))
        await session.commit()
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(create_tables())
