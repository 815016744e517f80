// Sign-up, sign-in with password and code, and sign-out: Express with authfactor.
// Reads WORKOS_BASE_URL, WORKOS_API_KEY, WORKOS_CLIENT_ID and PORT. Run it with: node app.mjs

import { randomBytes } from "node:crypto";
import { AuthenticationException, WorkOS } from "@workos-inc/node";
import express from "express";

const { hostname, port, protocol } = new URL(process.env.WORKOS_BASE_URL);
const clientId = process.env.WORKOS_CLIENT_ID;
const workos = new WorkOS(process.env.WORKOS_API_KEY, {
  clientId,
  apiHostname: hostname,
  port: Number(port || 443),
  https: protocol === "https:",
});
const { userManagement: users, multiFactorAuth: factors } = workos;

// Of one process. With several, or to survive a restart, use a database.
const sessions = new Map();
const CREDENTIALS = { email: "email", password: "password" };
const CODE = { code: "text" };

const app = express();
app.use(express.urlencoded({ extended: false }));
app.use((request, _response, next) => {
  request.key = /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
  request.session = sessions.get(request.key) ?? {};
  next();
});

app.get("/", ({ session }, response) => {
  if (!session.user) return response.redirect(303, "/sign-in");
  const message = `You are signed in as ${session.email}.`;
  show(response, "Welcome", { message, action: "/sign-out", button: "Sign out" });
});

app.get("/sign-up", (_request, response) => show(response, "Sign up", { fields: CREDENTIALS }));

app.post("/sign-up", async (request, response) => {
  const { email, password } = request.body;
  try {
    await users.createUser({ email, password });
    const signedIn = await users.authenticateWithPassword({ clientId, email, password });
    remember(request, response, ofUser(signedIn), "/enroll");
  } catch (error) {
    show(response, "Sign up", { message: reason(error), fields: CREDENTIALS });
  }
});

app.get("/enroll", async ({ session }, response) => {
  if (!session.user) return response.redirect(303, "/sign-in");
  const options = { userId: session.user, type: "totp", totpIssuer: "Example" };
  const enrolled = await factors.createUserAuthFactor(options);
  session.challenge = enrolled.authenticationChallenge.id;
  session.picture = enrolled.authenticationFactor.totp.qrCode;
  show(response, "Enroll", { fields: CODE, picture: session.picture });
});

app.post("/enroll", async ({ body, session }, response) => {
  if (!session.user || !session.challenge) return response.redirect(303, "/enroll");
  let message = "Wrong code. Try again.";
  try {
    const { valid } = await factors.verifyChallenge({
      authenticationChallengeId: session.challenge,
      code: body.code,
    });
    if (valid) {
      delete session.challenge;
      delete session.picture;
      return response.redirect(303, "/");
    }
  } catch (error) {
    message = reason(error);
  }
  show(response, "Enroll", { message, fields: CODE, picture: session.picture });
});

app.get("/sign-in", (_request, response) => show(response, "Sign in", { fields: CREDENTIALS }));

app.post("/sign-in", async (request, response) => {
  const { email, password } = request.body;
  try {
    const signedIn = await users.authenticateWithPassword({ clientId, email, password });
    remember(request, response, ofUser(signedIn), "/");
  } catch (error) {
    if (error instanceof AuthenticationException && error.code === "mfa_challenge") {
      const pending = error.pendingAuthenticationToken;
      const challenge = error.rawData.authentication_challenge.id;
      return remember(request, response, { pending, challenge }, "/code");
    }
    show(response, "Sign in", { message: reason(error), fields: CREDENTIALS });
  }
});

app.get("/code", ({ session }, response) => {
  if (!session.pending) return response.redirect(303, "/sign-in");
  show(response, "Enter code", { fields: CODE });
});

app.post("/code", async (request, response) => {
  const { pending, challenge } = request.session;
  if (!pending) return response.redirect(303, "/sign-in");
  try {
    const signedIn = await users.authenticateWithTotp({
      clientId,
      code: request.body.code,
      authenticationChallengeId: challenge,
      pendingAuthenticationToken: pending,
    });
    remember(request, response, ofUser(signedIn), "/");
  } catch (error) {
    show(response, "Enter code", { message: reason(error), fields: CODE });
  }
});

app.post("/sign-out", async ({ key, session }, response) => {
  sessions.delete(key);
  if (session.session) await users.revokeSession({ sessionId: session.session });
  response.clearCookie("session").redirect(303, "/sign-in");
});

// Begins a session with a new id: an id that was known before the sign-in must not become valid.
function remember(request, response, session, target) {
  sessions.delete(request.key);
  const key = randomBytes(32).toString("base64url");
  sessions.set(key, session);
  // Lax: a form on another site is sent without the cookie.
  response.cookie("session", key, { httpOnly: true, sameSite: "lax", secure: request.secure });
  response.redirect(303, target);
}

// The access token comes from the server itself, so its signature needs no check here.
function ofUser({ user, accessToken }) {
  const { sid } = JSON.parse(Buffer.from(accessToken.split(".")[1], "base64url"));
  return { user: user.id, email: user.email, session: sid };
}

// What to tell the user. A failure of the server is none of theirs.
function reason(error) {
  if (!(error.status >= 400 && error.status < 500)) throw error;
  return error.message;
}

const escape = (text) => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);

function show(response, title, { message, fields = {}, picture, action = "", button = "Continue" }) {
  const inputs = Object.entries(fields)
    .map(([name, type]) => `<p><label>${name} <input name="${name}" type="${type}" required></label></p>`)
    .join("\n");
  response.send(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${escape(title)}</title>
<h1>${escape(title)}</h1>
${message ? `<p role="alert">${escape(message)}</p>` : ""}
${picture ? `<p>Scan this with your authenticator app.</p><img src="${escape(picture)}" alt="QR code">` : ""}
<form method="post" action="${action}">
${inputs}<button>${button}</button></form>
`);
}

app.listen(Number(process.env.PORT || 3000), "127.0.0.1");
