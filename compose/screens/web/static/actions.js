// What can be done: first the plan in the command's own words, then, when it is confirmed, the command itself.

import { h } from "./dom.js";

const dialog = document.getElementById("action");
let opener = "";

// The browser gives the focus back to the button that opened the dialog; when the page was drawn anew meanwhile, that is another element.
dialog.addEventListener("close", () => {
  const active = document.activeElement;
  if (active && active !== document.body && !dialog.contains(active)) return;
  const again = [...document.querySelectorAll("button[data-key]")].find((one) => one.getAttribute("data-key") === opener);
  (again || document.getElementById("main")).focus();
});

export function actions(state, project, service, names) {
  if (state.about.read_only) return h("p", { class: "quiet" }, "This page only shows (--read-only).");
  return h("div", { class: "bar", role: "group", "aria-label": "Actions" }, names.map((name) =>
    h("button", { type: "button", "data-key": `do ${name}`, onclick: () => start(state, project, service, name) }, name)));
}

// The output of one request as it comes. A preview is let go of when the thing itself is done.
async function run(body, place, signal) {
  let text = "";
  try {
    const answer = await fetch("/act", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) break;
      text += value;
      place.textContent = text.slice(-200000);
      if (!body.preview) place.scrollTop = place.scrollHeight;
    }
  } catch (error) {
    if (!signal.aborted) place.textContent = `${text}\nThe server of this page is gone: ${error.message}`;
  }
  // `plan` ends with 2 when there is something to do: no news for somebody who reads what.
  if (body.preview && !signal.aborted) place.textContent = place.textContent.replace(/\n*exit code [02]\s*$/, "\n");
}

// A row of a table and what can be done with it: the value is chosen already.
export const choices = (state, project, value, names) => !state.about.read_only && h("span", { class: "bar" }, names.map((name) =>
  h("button", { type: "button", "data-key": `do ${name} ${value}`, "aria-label": `${name} ${value}`, onclick: () => start(state, project, "", name, value) }, name.split(" ").pop())));

function start(state, project, service, name, chosen = "") {
  const { value: takes, to: sends, shows } = state.about.actions[name];
  const wants = takes && !chosen;
  const output = h("pre", { tabindex: "0", "aria-live": "polite", "aria-label": "Output" }, (wants || sends) && shows ? "" : "Asking what would be done…");
  const goal = sends && h("input", { id: "to", required: true, autocomplete: "off", maxlength: "200", placeholder: "registry.example/team/name:tag" });
  const input = wants && h("input", { id: "value", required: true, autocomplete: "off", maxlength: "100" });
  const what = `${name} ${chosen || service || project}`.trim();
  const title = h("p", { class: "quiet" }, "What would be done:");
  const go = h("button", { type: "button", class: "main" }, `Do it: ${what}`);
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close");
  const body = (preview) => ({ action: name, project, service, value: input ? input.value : chosen, to: goal ? goal.value : "", preview });
  let current = new AbortController();
  const next = (shown) => { current.abort(); current = new AbortController(); return run(body(shown), output, current.signal); };
  const preview = () => next(true);
  go.addEventListener("click", async () => {
    if ([input, goal].some((one) => one && !one.reportValidity())) return;
    go.disabled = true;
    title.textContent = "What is done:";
    output.textContent = "Running…";
    await next(false);
    dispatchEvent(new Event("acted"));
    close.focus();
  });
  for (const one of [input, goal]) if (one && shows) one.addEventListener("change", () => { if ([input, goal].every((each) => !each || each.value)) preview(); });
  dialog.replaceChildren(...[h("h2", { id: "action-title" }, what), input && h("p", null, h("label", { for: "value" }, name === "scale" ? "Number of containers " : "Name "), input), goal && h("p", null, h("label", { for: "to" }, "Name at the registry "), goal),
    title, output, h("div", { class: "bar" }, go, close)].filter(Boolean));
  opener = `do ${name}${chosen && ` ${chosen}`}`;
  dialog.showModal();
  if (!(wants || goal) || !shows) preview();
}
