// The whole life through the SDK; `names` holds what differs between its generations.

import * as steps from "./steps.mjs";
import { ensure, refused, same } from "./steps.mjs";

const UNKNOWN_USER = "user_01HZZZZZZZZZZZZZZZZZZZZZZZ";
const NOTHING = "auth_factor_01HZZZZZZZZZZZZZZZZZZZZZZZ";

export async function live(sdk, names) {
  const workos = new sdk.WorkOS(steps.API_KEY, steps.place());
  const stranger = new sdk.WorkOS("sk_test_wrong", steps.place());
  const { clientId } = steps.place();
  const users = workos.userManagement;
  const { mfa, enroll, list } = names.of(workos);
  const email = `kim.${process.pid}.${Date.now()}@example.org`;
  const made = {};

  const verified = async (challengeId, code) => {
    const answer = await mfa.verifyChallenge({ authenticationChallengeId: challengeId, code });
    same("challenge", answer.challenge.id, challengeId);
    return answer.valid;
  };
  const refreshed = (refreshToken) => users.authenticateWithRefreshToken({ clientId, refreshToken });

  await steps.walk({
    "create user": async () => {
      made.user = await users.createUser({ email, password: steps.PASSWORD, emailVerified: true });
      same("email", made.user.email, email);
      same("read again", (await users.getUser(made.user.id)).createdAt, made.user.createdAt);
    },
    enroll: async () => {
      const answer = await enroll({ userId: made.user.id, type: "totp" });
      [made.factor, made.challenge] = [answer.authenticationFactor, answer.authenticationChallenge];
      same("account", made.factor.totp.user, email);
      same("challenged factor", made.challenge.authenticationFactorId, made.factor.id);
      ensure(made.challenge.expiresAt, "expiresAt is missing");
    },
    "enroll own": async () => {
      const own = { totpIssuer: "Acme & Söhne", totpUser: "kim+2@example.org", totpSecret: steps.SECRET };
      made.own = (await enroll({ userId: made.user.id, type: "totp", ...own })).authenticationFactor;
      const { issuer, user, secret } = made.own.totp;
      same("own values", [issuer, user, secret], Object.values(own));
    },
    "qr code": () => {
      const widths = [made.factor, made.own].map((factor) => steps.pictureWidth(factor.totp.qrCode));
      ensure(Math.min(...widths) >= 100, `pictures of ${widths} pixels`);
      ensure(made.factor.totp.uri.includes(`secret=${made.factor.totp.secret}`), "no secret in the URI");
    },
    "wrong code": async () => {
      same("valid", await verified(made.challenge.id, steps.wrongCode(made.factor.totp.secret)), false);
    },
    verify: async () => {
      made.code = steps.code(made.factor.totp.secret);
      same("valid", await verified(made.challenge.id, made.code), true);
    },
    challenge: async () => {
      made.again = await mfa.challengeFactor({ authenticationFactorId: made.factor.id });
      same("challenged factor", made.again.authenticationFactorId, made.factor.id);
      ensure(made.again.id !== made.challenge.id, "the same challenge twice");
    },
    replay: async () => {
      same("valid", await verified(made.again.id, made.code), false);
    },
    list: async () => {
      const first = await list({ userId: made.user.id, limit: 1 });
      same("first page", first.data.map((factor) => factor.id), [made.own.id]);
      const second = await list({ userId: made.user.id, limit: 1, after: first.listMetadata.after });
      same("second page", second.data.map((factor) => factor.id), [made.factor.id]);
      same("end of the list", second.listMetadata.after, null);
      const all = await (await list({ userId: made.user.id })).autoPagination();
      same("every page", all.map((factor) => factor.id), [made.own.id, made.factor.id]);
    },
    get: async () => {
      const found = await mfa.getFactor(made.own.id);
      same("factor", [found.id, found.type, found.totp.issuer], [made.own.id, "totp", "Acme & Söhne"]);
      ensure(!("secret" in found.totp), "a secret shown twice");
    },
    "unknown ids": async () => {
      for (const call of [
        () => users.getUser(UNKNOWN_USER),
        () => enroll({ userId: UNKNOWN_USER, type: "totp" }),
        () => mfa.getFactor(NOTHING),
        () => mfa.deleteFactor(NOTHING),
        () => mfa.challengeFactor({ authenticationFactorId: NOTHING }),
      ]) {
        same("code", (await refused(sdk.NotFoundException, call)).code, "entity_not_found");
      }
    },
    "bad secret": async () => {
      const error = await refused(sdk.UnprocessableEntityException, () =>
        enroll({ userId: made.user.id, type: "totp", totpSecret: steps.BAD_SECRET }),
      );
      same("status", error.status, 422);
      ensure(error.message.includes("totp_secret"), `the message does not say what is wrong: ${error.message}`);
    },
    "wrong key": async () => {
      await refused(sdk.UnauthorizedException, () => stranger.userManagement.getUser(made.user.id));
    },
    password: async () => {
      const error = await refused(names.challengeError, () =>
        users.authenticateWithPassword({ clientId, email, password: steps.PASSWORD }),
      );
      same("code", error.rawData.code, "mfa_challenge");
      made.pending = names.pendingToken(error);
      const offered = error.rawData.authentication_factors.map((factor) => factor.id);
      same("factors", offered.toSorted(), [made.factor.id, made.own.id].toSorted());
    },
    "sign in": async () => {
      const challenge = await mfa.challengeFactor({ authenticationFactorId: made.own.id });
      made.signedIn = await users.authenticateWithTotp({
        clientId,
        code: steps.code(steps.SECRET),
        authenticationChallengeId: challenge.id,
        pendingAuthenticationToken: made.pending,
      });
      same("user", made.signedIn.user.id, made.user.id);
    },
    jwks: async () => {
      const claims = await steps.claimsOf(made.signedIn.accessToken, users.getJwksUrl(clientId));
      same("subject", claims.sub, made.user.id);
      made.sessionId = claims.sid;
    },
    refresh: async () => {
      const answer = await refreshed(made.signedIn.refreshToken);
      const claims = await steps.claimsOf(answer.accessToken, users.getJwksUrl(clientId));
      same("session", claims.sid, made.sessionId);
      ensure(answer.refreshToken !== made.signedIn.refreshToken, "the refresh token was not changed");
      made.refreshToken = answer.refreshToken;
    },
    sessions: async () => {
      const before = await users.listSessions(made.user.id);
      same("sessions", before.data.map(({ id, status }) => [id, status]), [[made.sessionId, "active"]]);
      await users.revokeSession({ sessionId: made.sessionId });
      same("revoked", (await users.listSessions(made.user.id)).data, []);
      const error = await refused(sdk.OauthException, () => refreshed(made.refreshToken));
      same("error", error.error, "invalid_grant");
    },
    events: async () => {
      const wanted = ["user.created", "authentication.mfa_succeeded", "session.created", "session.revoked"];
      const found = new Set();
      let after;
      do {
        const page = await workos.events.listEvents({ events: wanted, limit: 20, after });
        for (const { event, data } of page.data) {
          if (made.user.id === (data.userId ?? data.id)) {
            found.add(event);
          }
        }
        after = page.listMetadata.after;
      } while (after);
      same("events", [...found].toSorted(), wanted.toSorted());
    },
    "recovery code": async () => {
      const [first, second] = await steps.recoveryCodes(made.user.id);
      const challenged = () => mfa.challengeFactor({ authenticationFactorId: made.own.id });
      same("valid", await verified((await challenged()).id, first), true);
      const challenge = await challenged();
      same("valid twice", await verified(challenge.id, first), false);
      const error = await refused(names.challengeError, () =>
        users.authenticateWithPassword({ clientId, email, password: steps.PASSWORD }),
      );
      const { accessToken } = await users.authenticateWithTotp({
        clientId,
        code: second,
        authenticationChallengeId: challenge.id,
        pendingAuthenticationToken: names.pendingToken(error),
      });
      const { amr } = await steps.claimsOf(accessToken, users.getJwksUrl(clientId));
      same("methods", amr, ["pwd", "recovery_code", "mfa"]);
    },
    delete: async () => {
      same("answer", await mfa.deleteFactor(made.factor.id), undefined);
      await refused(sdk.NotFoundException, () => mfa.getFactor(made.factor.id));
    },
    "delete user": async () => {
      same("answer", await users.deleteUser(made.user.id), undefined);
      await refused(sdk.NotFoundException, () => users.getUser(made.user.id));
      await refused(sdk.NotFoundException, () => mfa.getFactor(made.own.id));
    },
  });
}
