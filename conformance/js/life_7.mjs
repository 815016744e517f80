// Version 7: factors are part of `userManagement` and `mfa`; a step-up is a generic error with the raw body.

import * as sdk from "@workos-inc/node";
import { live } from "./life.mjs";

await live(sdk, {
  of: (workos) => ({
    mfa: workos.mfa,
    enroll: (options) => workos.userManagement.enrollAuthFactor(options),
    list: (options) => workos.userManagement.listAuthFactors(options),
  }),
  challengeError: sdk.GenericServerException,
  pendingToken: (error) => error.rawData.pending_authentication_token,
});
