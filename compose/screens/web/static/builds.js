// Builds of images: those under way with the steps as they go, and the last that ended.

import { fold, h, link, moment, put, word } from "./dom.js";

const STATES = { running: "starting", done: "done", cached: "done", failed: "failed" };
const took = (seconds) => `${seconds.toFixed(1)} s`;

// One line for each build that runs, for whatever page is looked at.
export function underWay(found) {
  return found.map((one) => h("p", { class: "building" }, word("starting", "building"), " ", h("a", { href: "#/builds" }, one.name || one.id),
    one.total ? `: ${one.done} of ${one.total} steps` : "", one.step && [" · ", h("code", null, one.step)]));
}

export class Builds {
  constructor(main, state) { this.state = state; this.place = h("section", null); main.replaceChildren(this.place); this.clock = setInterval(() => this.update(), 1000); }

  update() {
    const { builds, engine } = this.state;
    if (!builds || !engine) return;
    put(this.place, h("h1", null, "Builds"),
      !engine.own ? h("p", null, "A Docker engine does not tell what its builds do. One that is begun on this page shows its steps there.")
        : !builds.length ? h("p", null, "Nothing was built since the engine was started.")
          : builds.map((one) => this.build(one)));
  }

  build(one) {
    const done = one.steps.filter((step) => step.state === "done" || step.state === "cached").length;
    const cached = one.steps.filter((step) => step.state === "cached").length;
    const end = one.finished ? `, took ${took(one.finished - one.began)}` : "";
    return h("article", { class: "build", "data-build": one.name || one.id, "aria-label": `Build of ${one.name || one.id}` },
      h("h2", null, one.name || `without a name (${one.id.slice(0, 8)})`, " ", word(STATES[one.state], one.state)),
      h("p", { class: "quiet" }, `begun ${moment(one.began * 1000)}${end} · ${done} of ${Math.max(one.total, one.steps.length)} steps done, ${cached} from the cache`,
        one.project && [" · ", h("a", { href: link("p", one.project) }, one.project)]),
      one.error && h("pre", { class: "bad", tabindex: "0", "aria-label": "Why it failed" }, one.error),
      one.state === "running" ? this.steps(one) : fold(`steps ${one.id}`, `${one.steps.length} steps`, this.steps(one)));
  }

  steps(one) {
    return h("ol", { class: "steps" }, one.steps.map((step) => h("li", null,
      h("div", { class: "step" }, word(STATES[step.state], step.state), " ", step.stage && h("span", { class: "quiet" }, `${step.stage} `), h("code", null, step.text),
        h("span", { class: "quiet" }, ` ${step.state === "cached" ? "" : took(step.state === "running" ? Math.max(0, Date.now() / 1000 - step.began) : step.seconds)}`)),
      step.output && (one.state !== "done" && (step.state === "running" || step.state === "failed")
        ? h("pre", { tabindex: "0", "aria-label": `Output of step ${step.number}` }, step.output)
        : fold(`output ${one.id} ${step.number}`, "output", h("pre", { tabindex: "0", "aria-label": `Output of step ${step.number}` }, step.output))))));
  }

  close() { clearInterval(this.clock); }
}
