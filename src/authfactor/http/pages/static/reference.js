// The API reference: filters the index while typing, and sends the requests of "Try it" forms to this server.
// The API key exists only in its input and in the request's header; it is not stored.
"use strict";

for (const input of document.querySelectorAll("[data-filter]")) {
  const list = document.getElementById(input.dataset.filter);
  const none = document.getElementById(list.dataset.none);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const item of list.querySelectorAll("[data-text]")) {
      item.hidden = !words.every((word) => item.dataset.text.includes(word));
    }
    for (const group of list.querySelectorAll("[data-group]")) {
      group.hidden = !group.querySelector("[data-text]:not([hidden])");
    }
    none.hidden = Boolean(list.querySelector("[data-text]:not([hidden])"));
  });
}

function valueOf(field) {
  const { type } = field.dataset;
  if (type === "integer") return Number(field.value);
  if (type === "boolean") return field.value === "true";
  if (type === "object") return JSON.parse(field.value);
  if (type === "string[]") return field.value.split(",").map((name) => name.trim()).filter(Boolean);
  return field.value;
}

function requestOf(form) {
  const query = new URLSearchParams();
  const body = {};
  let path = form.dataset.path;
  for (const field of form.querySelectorAll("[data-place]")) {
    const { name, place } = field.dataset;
    if (place === "path") path = path.replace(`{${name}}`, encodeURIComponent(field.value.trim()));
    else if (field.value.trim() === "") continue;
    else if (place === "query") query.set(name, field.value.trim());
    else body[name] = valueOf(field);
  }
  const headers = {};
  const key = form.querySelector("[data-key]");
  if (key) headers.Authorization = `Bearer ${key.value.trim()}`;
  const options = { method: form.dataset.method, headers, credentials: "omit", redirect: "manual", cache: "no-store" };
  if (Object.keys(body).length) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const text = query.toString();
  return [text ? `${path}?${text}` : path, options];
}

function show(output, kind, title, text) {
  const badge = document.createElement("span");
  badge.className = `badge ${kind}`;
  badge.textContent = title;
  const line = document.createElement("p");
  line.append(badge);
  output.replaceChildren(line);
  if (text) {
    const block = document.createElement("pre");
    block.className = "code";
    block.tabIndex = 0;
    block.textContent = text;
    output.append(block);
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

for (const form of document.querySelectorAll("form[data-try]")) {
  const output = form.querySelector("[data-response]");
  const button = form.querySelector("button:not([type])");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const [target, options] = requestOf(form);
      const began = performance.now();
      const response = await fetch(target, options);
      const body = await response.text();
      const took = Math.round(performance.now() - began);
      if (response.type === "opaqueredirect") show(output, "ok", `Redirect · ${took} ms`, "");
      else show(output, response.ok ? "ok" : "error", `${response.status} · ${took} ms`, pretty(body) || "The response is empty.");
    } catch (error) {
      show(output, "error", error instanceof SyntaxError ? "Invalid JSON" : "Request failed", String(error.message));
    } finally {
      button.disabled = false;
    }
  });
}
