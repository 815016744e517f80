// The newest version: one `multiFactorAuth`, and a step-up has a class of its own.

import * as sdk from "@workos-inc/node";
import { live } from "./life.mjs";

await live(sdk, {
  of: (workos) => ({
    mfa: workos.multiFactorAuth,
    enroll: (options) => workos.multiFactorAuth.createUserAuthFactor(options),
    list: (options) => workos.multiFactorAuth.listUserAuthFactors(options),
  }),
  challengeError: sdk.AuthenticationException,
  pendingToken: (error) => error.pendingAuthenticationToken,
});
