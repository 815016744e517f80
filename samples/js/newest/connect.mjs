// region
// npm install @workos-inc/node@11
import { WorkOS } from "@workos-inc/node";

const { hostname, port, protocol } = new URL(process.env.BASE_URL);

export const workos = new WorkOS(process.env.API_KEY, {
  clientId: process.env.CLIENT_ID,
  apiHostname: hostname,
  port: Number(port || 443),
  https: protocol === "https:",
});
// endregion
