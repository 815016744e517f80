// What both JavaScript programs share: one line per step, codes of an authenticator, PNG and token checks.

import { createHmac } from "node:crypto";
import { createRemoteJWKSet, jwtVerify } from "jose";

export const { BASE_URL, API_KEY, CLIENT_ID } = process.env;
export const PASSWORD = "a long and rare passphrase 7!";
export const SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
export const BAD_SECRET = "0189!";

/** Where the server is, in this SDK's words. */
export function place() {
  const url = new URL(BASE_URL);
  return { apiHostname: url.hostname, port: Number(url.port), https: false, clientId: CLIENT_ID };
}

function fromBase32(text) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...text].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  return Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
}

/** The six digits of a base32 secret, some steps from now (RFC 6238). */
export function code(secret, ahead = 0) {
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const digest = createHmac("sha1", fromBase32(secret)).update(step).digest();
  const number = digest.readUInt32BE(digest[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/** Six digits that are no code of this secret for some minutes around now. */
export function wrongCode(secret) {
  const near = new Set(Array.from({ length: 21 }, (_, index) => code(secret, index - 10)));
  return Array.from({ length: 100 }, (_, number) => String(number).padStart(6, "0")).find((digits) => !near.has(digits));
}

/** The width of a square PNG given as a data URI. */
export function pictureWidth(dataUri) {
  const [kind, picture] = dataUri.split(",");
  same("kind of picture", kind, "data:image/png;base64");
  const png = Buffer.from(picture, "base64");
  same("signature", png.toString("latin1", 0, 8), "\x89PNG\r\n\x1a\n");
  same("height", png.readUInt32BE(20), png.readUInt32BE(16));
  return png.readUInt32BE(16);
}

/** The claims of an access token, checked against the published keys. */
export async function claimsOf(accessToken, url) {
  const { payload } = await jwtVerify(accessToken, createRemoteJWKSet(new URL(url)), { algorithms: ["RS256"] });
  return payload;
}

/** A set of recovery codes, which no SDK has a method for. */
export async function recoveryCodes(userId) {
  const answer = await fetch(new URL(`/authfactor/users/${userId}/recovery_codes`, BASE_URL), {
    method: "POST",
    headers: { Authorization: `Bearer ${API_KEY}` },
  });
  same("status", answer.status, 201);
  return (await answer.json()).codes;
}

export function same(what, found, expected) {
  const [left, right] = [JSON.stringify(found), JSON.stringify(expected)];
  if (left !== right) {
    throw new Error(`${what}: ${left} instead of ${right}`);
  }
}

export function ensure(condition, what) {
  if (!condition) {
    throw new Error(what);
  }
}

/** The exception of exactly this class that a call must throw. */
export async function refused(kind, call) {
  let got;
  try {
    got = await call();
  } catch (error) {
    if (error.constructor === kind) {
      return error;
    }
    throw new Error(`${error.name} instead of ${kind.name}: ${error.message}`, { cause: error });
  }
  throw new Error(`no ${kind.name} but ${JSON.stringify(got)}`);
}

/** Run [name, function] pairs in order, one line each; the exit code says whether all went well. */
export async function walk(steps) {
  for (const [name, run] of Object.entries(steps)) {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (error) {
      process.exitCode = 1;
      console.log(`not ok ${name}\n# ${`${error.name}: ${error.message}`.replaceAll(/\s+/g, " ")}`);
    }
  }
}
