// Codes and links that are mailed, with version 7 or the newest: `node mail_flows.mjs`.
// Prints a line for each step. The environment requires verified emails.

import { randomUUID } from "node:crypto";
import { WorkOS } from "@workos-inc/node";

const { BASE_URL, API_KEY, CLIENT_ID: clientId } = process.env;
const url = new URL(BASE_URL);
const place = { apiHostname: url.hostname, port: Number(url.port), https: false, clientId };
const users = new WorkOS(API_KEY, place).userManagement;
const email = `kim.${randomUUID()}@example.org`;
const password = "seven green bottles of glass";

const user = await users.createUser({ email });
const reset = await users.createPasswordReset({ email });
await users.resetPassword({ token: reset.passwordResetToken, newPassword: password });
console.log("password_reset", (await users.getPasswordReset(reset.id)).id === reset.id);
await users.updateUser({ userId: user.id, emailVerified: false });

try {
  await users.authenticateWithPassword({ clientId, email, password });
} catch (refused) {
  const body = refused.rawData;
  const { code } = await users.getEmailVerification(body.email_verification_id);
  const done = await users.authenticateWithEmailVerification({
    clientId,
    code,
    pendingAuthenticationToken: body.pending_authentication_token,
  });
  console.log("email_verification", done.user.emailVerified);
}

const unverified = await users.createUser({ email: `lee.${email}` });
await users.sendVerificationEmail({ userId: unverified.id });
const magic = await users.createMagicAuth({ email });
const { code } = await users.getMagicAuth(magic.id);
const signedIn = await users.authenticateWithMagicAuth({ clientId, email, code });
console.log("magic_auth", signedIn.user.id === user.id, signedIn.authenticationMethod);

const invited = await users.sendInvitation({ email: `pat.${email}`, expiresInDays: 3 });
const found = await users.findInvitationByToken(invited.token);
const listed = await users.listInvitations({ email: found.email });
const again = await users.resendInvitation(invited.id);
console.log("invitation", found.id === invited.id, listed.data.length, again.state);
await users.createUser({ email: invited.email });
console.log("accepted", (await users.acceptInvitation(invited.id)).state);
const other = await users.sendInvitation({ email: `sam.${email}` });
console.log("revoked", (await users.revokeInvitation(other.id)).state);
console.log("identities", (await users.getUserIdentities(user.id)).length);
