// Finishes one sign-in with version 7 or the newest: `node finish_sign_in.mjs TOKEN CHALLENGE_ID CODE`.
// Prints the id of the user.

import { WorkOS } from "@workos-inc/node";

const { BASE_URL, API_KEY, CLIENT_ID } = process.env;
const url = new URL(BASE_URL);
const place = { apiHostname: url.hostname, port: Number(url.port), https: false, clientId: CLIENT_ID };
const [pendingAuthenticationToken, authenticationChallengeId, code] = process.argv.slice(-3);
const { user } = await new WorkOS(API_KEY, place).userManagement.authenticateWithTotp({
  clientId: CLIENT_ID,
  code,
  authenticationChallengeId,
  pendingAuthenticationToken,
});
console.log(user.id);
