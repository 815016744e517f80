"""The endpoints of MFA policies, of environments and of single users."""

from authfactor.http.request import Request
from authfactor.http.response import Response
from authfactor.http.routing import Route
from authfactor.models import Environment
from authfactor.rules.authentication.applied_policy import options_of
from authfactor.rules.tenants import policy_documents
from authfactor.rules.tenants.mfa_policies import document_of
from authfactor.wire import mfa_policies, responses
from authfactor.wire.mfa_policies import SetMfaPolicy, SetUserMfaPolicy

POLICY = "policy"


async def get_mfa_policy(request: Request) -> Response:
    """Return the policy."""
    return await request.read(request.af.mfa_policies.get(request.environment), _rendered)


async def set_mfa_policy(request: Request) -> Response:
    """Replace the policy."""
    body = mfa_policies.read(SetMfaPolicy, request.body)
    unit = request.af.mfa_policies.set(request.environment, body)
    return await request.administer(unit, _rendered, "mfa_policy.update", request.environment.client_id)


async def preview_mfa_policy(request: Request) -> Response:
    """Count users by what a policy would lead to."""
    document = policy_documents.check(mfa_policies.read(SetMfaPolicy, request.body))
    counts = await request.af.mfa_policies.outcomes.count(request.af.store, request.environment, document)
    return Response(request.status, responses.encode(mfa_policies.preview(counts)))


async def report_mfa_coverage(request: Request) -> Response:
    """Count users by method and by what the policy leads to."""
    policies = request.af.mfa_policies
    environment = await request.af.read(policies.get(request.environment))
    counts = await policies.outcomes.count(request.af.store, environment, document_of(environment))
    return Response(request.status, responses.encode(mfa_policies.coverage(counts)))


async def get_user_mfa_policy(request: Request) -> Response:
    """Return the policy in force for a user."""
    unit = request.af.mfa_policies.of_user(request.environment, request.ids[0])
    return await request.read(unit, mfa_policies.user_policy)


async def set_user_mfa_policy(request: Request) -> Response:
    """Store what an operator decides about a user."""
    body = mfa_policies.read(SetUserMfaPolicy, request.body)
    unit = request.af.mfa_policies.set_for_user(request.environment, request.ids[0], body)
    return await request.administer(
        unit, mfa_policies.user_policy, "user.set_mfa_policy", request.ids[0], reason=body.reason
    )


async def delete_user_mfa_policy(request: Request) -> Response:
    """Forget what an operator has decided about a user."""
    unit = request.af.mfa_policies.reset_user(request.environment, request.ids[0])
    return await request.administer(unit, None, "user.set_mfa_policy", request.ids[0])


def _rendered(environment: Environment) -> mfa_policies.MfaPolicyObject:
    return mfa_policies.policy(environment, options_of(environment.options))


ROUTES = [
    Route(
        "GET",
        "/authfactor/mfa_policy",
        get_mfa_policy,
        200,
        "Get the MFA policy",
        gives=mfa_policies.MfaPolicyObject,
        tag=POLICY,
    ),
    Route(
        "PUT",
        "/authfactor/mfa_policy",
        set_mfa_policy,
        200,
        "Set the MFA policy",
        takes=SetMfaPolicy,
        requires=("policy",),
        gives=mfa_policies.MfaPolicyObject,
        refusals=(409, 422),
        tag=POLICY,
    ),
    Route(
        "POST",
        "/authfactor/mfa_policy/preview",
        preview_mfa_policy,
        200,
        "Preview an MFA policy",
        takes=SetMfaPolicy,
        requires=("policy",),
        gives=mfa_policies.MfaPolicyPreviewObject,
        refusals=(422,),
        tag=POLICY,
    ),
    Route(
        "GET",
        "/authfactor/reports/mfa_coverage",
        report_mfa_coverage,
        200,
        "Report MFA coverage",
        gives=mfa_policies.MfaCoverageObject,
        tag=POLICY,
    ),
    Route(
        "GET",
        "/authfactor/users/{user_id}/mfa_policy",
        get_user_mfa_policy,
        200,
        "Get a user's MFA policy",
        gives=mfa_policies.UserMfaPolicyObject,
        refusals=(404,),
        tag=POLICY,
    ),
    Route(
        "PUT",
        "/authfactor/users/{user_id}/mfa_policy",
        set_user_mfa_policy,
        200,
        "Set a user's MFA policy",
        takes=SetUserMfaPolicy,
        requires=("policy",),
        gives=mfa_policies.UserMfaPolicyObject,
        refusals=(404, 422),
        tag=POLICY,
    ),
    Route(
        "DELETE",
        "/authfactor/users/{user_id}/mfa_policy",
        delete_user_mfa_policy,
        204,
        "Reset a user's MFA policy",
        refusals=(404,),
        tag=POLICY,
    ),
]
