// Optional enhancements: marks the page as scripted, and makes copy buttons work.
"use strict";
// Prevent a double click from submitting a form twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!("once" in form.dataset)) return;
  if (form.dataset.once === "sent") event.preventDefault();
  form.dataset.once = "sent";
});
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-once]")) form.dataset.once = "";
});
document.documentElement.classList.add("scripted");
// Times in the reader's own zone.
for (const time of document.querySelectorAll("time[data-local]")) {
  const style = { dateStyle: "long", timeStyle: "short" };
  const own = navigator.languages.find((tag) => tag.startsWith(document.documentElement.lang));
  time.textContent = new Date(time.dateTime).toLocaleString(own || document.documentElement.lang, style);
}
document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const text = button.dataset.copyText || (source ? source.textContent.trim() : "");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    if (source) getSelection().selectAllChildren(source);
    return;
  }
  const label = button.textContent;
  button.textContent = button.dataset.copied || label;
  setTimeout(() => { button.textContent = label; }, 2000);
});
