// What can be done: first the plan in the command's own words, then, when it is confirmed, the command itself.

import { h } from "./dom.js";

const dialog = document.getElementById("action");

export function actions(state, project, service, names) {
  if (state.about.read_only) return h("p", { class: "quiet" }, "This page only shows (--read-only).");
  return h("div", { class: "bar", role: "group", "aria-label": "Actions" }, names.map((name) =>
    h("button", { type: "button", "data-key": `do ${name}`, onclick: () => start(state, project, service, name) }, name)));
}

async function run(body, place) {
  const answer = await fetch("/act", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    place.textContent = text.slice(-200000);
    place.scrollTop = place.scrollHeight;
  }
  return answer.ok;
}

function start(state, project, service, name) {
  const wants = state.about.actions[name].value;
  const output = h("pre", { tabindex: "0", "aria-live": "polite", "aria-label": "Output" }, wants ? "" : "Asking what would be done…");
  const input = wants && h("input", { id: "value", required: true, autocomplete: "off", maxlength: "100" });
  const what = `${name} ${service || project}`.trim();
  const go = h("button", { type: "button", class: "main" }, `Do it: ${what}`);
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const body = (preview) => ({ action: name, project, service, value: input ? input.value : "", preview });
  const preview = () => run(body(true), output);
  go.addEventListener("click", async () => {
    if (input && !input.reportValidity()) return;
    go.disabled = true;
    output.textContent = "Running…";
    await run(body(false), output);
    close.focus();
  });
  if (input) input.addEventListener("change", () => { if (input.value) preview(); });
  dialog.replaceChildren(...[h("h2", { id: "action-title" }, what), input && h("p", null, h("label", { for: "value" }, name === "scale" ? "Number of containers " : "Name "), input),
    h("p", { class: "quiet" }, "What would be done:"), output, h("div", { class: "bar" }, go, close)].filter(Boolean));
  dialog.showModal();
  if (!wants || name.startsWith("snapshot")) preview();
}
