/* Passkeys: the page has the options, a form posts the response (decision 0048).
<form method="post" data-passkey="get" data-passkey-options="{…}">  or "create"; without data-once
  <input type="hidden" name="…" data-passkey-response>  gets it as JSON
  <p role="alert" hidden data-passkey-problem data-canceled="…" data-exists="…" data-failed="…"></p>
  <button hidden data-passkey-only>…</button>
</form>
data-passkey-conditional: on one "get" form: an input with autocomplete="username webauthn" offers it
data-passkey-only: with `hidden`, shown where the browser has passkeys; data-passkey-missing: not there
data-passkey-signals: {"signalUnknownCredential": {…}} */
"use strict";
(() => {
  const api = window.PublicKeyCredential;
  if (!api || !navigator.credentials) return;
  const all = (selector) => document.querySelectorAll(selector);
  // Browsers from before 2025 lack parse…FromJSON and toJSON; some password managers the latter.
  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
  const base64url = (buffer) =>
    btoa(Array.from(new Uint8Array(buffer), (each) => String.fromCharCode(each)).join(""))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
  const parse = (kind, json) => {
    const name = `parse${kind === "create" ? "Creation" : "Request"}OptionsFromJSON`;
    if (api[name]) return api[name](json);
    const options = { ...json, challenge: bytes(json.challenge) };
    if (json.user) options.user = { ...json.user, id: bytes(json.user.id) };
    for (const list of ["allowCredentials", "excludeCredentials"])
      options[list] = (json[list] || []).map((each) => ({ ...each, id: bytes(each.id) }));
    return options;
  };
  const toJSON = (credential) => {
    if (credential.toJSON) return credential.toJSON();
    const response = { transports: credential.response.getTransports?.() };
    for (const name in credential.response)
      if (credential.response[name] instanceof ArrayBuffer) response[name] = base64url(credential.response[name]);
    const { id, type, authenticatorAttachment } = credential;
    const results = credential.getClientExtensionResults();
    return { id, rawId: id, type, response, authenticatorAttachment, clientExtensionResults: results };
  };
  // One request at a time.
  let pending;
  const ask = async (form, mediation) => {
    pending?.abort();
    const own = (pending = new AbortController());
    const kind = form.dataset.passkey;
    try {
      const publicKey = parse(kind, JSON.parse(form.dataset.passkeyOptions));
      const credential = await navigator.credentials[kind]({ publicKey, mediation, signal: own.signal });
      form.querySelector("[data-passkey-response]").value = JSON.stringify(toJSON(credential));
      form.submit();
    } catch (error) {
      if (own !== pending) return; // aborted
      pending = undefined;
      if (!mediation) fail(form, error);
    }
  };
  const offer = async () => {
    const form = document.querySelector("[data-passkey-conditional]");
    if (form && (await api.isConditionalMediationAvailable?.()) && !pending) ask(form, "conditional");
  };
  const fail = (form, error) => {
    const problem = form.querySelector("[data-passkey-problem]");
    const { canceled, exists, failed } = problem.dataset;
    problem.textContent = { NotAllowedError: canceled, InvalidStateError: exists }[error.name] || failed;
    problem.hidden = false;
    offer();
  };
  for (const form of all("[data-passkey]"))
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      form.querySelector("[data-passkey-problem]").hidden = true;
      ask(form);
    });
  for (const each of all("[data-passkey-only]")) each.hidden = false;
  for (const each of all("[data-passkey-missing]")) each.hidden = true;
  for (const each of all("[data-passkey-signals]"))
    for (const [name, argument] of Object.entries(JSON.parse(each.dataset.passkeySignals)))
      if (name.startsWith("signal")) api[name]?.(argument).catch(() => {});
  offer();
})();
