// Sign in many users through the newest SDK, several at a time: `node many.mjs EMAIL...`.
// Prints `signed in EMAIL` for each, or `not signed in EMAIL: why`.

import * as sdk from "@workos-inc/node";
import * as steps from "./steps.mjs";
import { refused, same } from "./steps.mjs";

const AT_ONCE = 6;
const { clientId } = steps.place();
const workos = new sdk.WorkOS(steps.API_KEY, steps.place());
const { userManagement: users, multiFactorAuth: mfa } = workos;

async function signIn(email) {
  const user = await users.createUser({ email, password: steps.PASSWORD });
  const made = await mfa.createUserAuthFactor({ userId: user.id, type: "totp" });
  const { secret } = made.authenticationFactor.totp;
  const verified = await mfa.verifyChallenge({
    authenticationChallengeId: made.authenticationChallenge.id,
    code: steps.code(secret),
  });
  same("valid", verified.valid, true);
  const error = await refused(sdk.AuthenticationException, () =>
    users.authenticateWithPassword({ clientId, email, password: steps.PASSWORD }),
  );
  const challenge = await mfa.challengeFactor({ authenticationFactorId: made.authenticationFactor.id });
  const signedIn = await users.authenticateWithTotp({
    clientId,
    // The code of now is spent; the next is good already.
    code: steps.code(secret, 1),
    authenticationChallengeId: challenge.id,
    pendingAuthenticationToken: error.pendingAuthenticationToken,
  });
  same("user", signedIn.user.id, user.id);
}

async function work(emails) {
  for (let email = emails.shift(); email !== undefined; email = emails.shift()) {
    try {
      await signIn(email);
      console.log(`signed in ${email}`);
    } catch (error) {
      console.log(`not signed in ${email}: ${error.name}: ${error.message}`);
    }
  }
}

const emails = process.argv.slice(2);
await Promise.all(Array.from({ length: AT_ONCE }, () => work(emails)));
