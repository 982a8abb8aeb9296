// One service: logs, plots, probes, environment with origins, mounts, files, terminal.

import { actions } from "./actions.js";
import { ask, h, link, moment, put, size, table, word } from "./dom.js";
import { ports } from "./engine.js";
import { LogView } from "./logs.js";
import { Plots } from "./plots.js";
import { Terminal } from "./terminal.js";

const TABS = ["logs", "stats", "health", "environment", "mounts", "files", "terminal"];

export class Service {
  constructor(main, state, project, name) {
    this.state = state; this.project = project; this.name = name; this.tab = null; this.part = null; this.container = null;
    this.head = h("section", null);
    this.tabs = h("div", { class: "bar", role: "tablist", "aria-label": "Views of the service" }, TABS.map((one) =>
      h("button", { type: "button", role: "tab", id: `tab-${one}`, "aria-controls": "panel", "aria-selected": "false", tabindex: one === "logs" ? "0" : "-1", onclick: () => this.open(one), onkeydown: (event) => this.arrow(event, one) }, one)));
    this.panel = h("section", { id: "panel", role: "tabpanel", "aria-labelledby": "tab-logs", tabindex: "0" });
    main.replaceChildren(this.head, this.tabs, this.panel);
  }

  arrow(event, name) {
    const at = TABS.indexOf(name), last = TABS.length - 1;
    const to = { ArrowRight: at < last ? at + 1 : 0, ArrowLeft: at ? at - 1 : last, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = TABS[to];
    document.getElementById(`tab-${next}`).focus();
    this.open(next);
  }

  get service() { return this.state.project && this.state.project.services.find((one) => one.name === this.name); }

  update() {
    if (this.state.project === undefined) return;
    const found = this.service;
    const back = h("a", { href: link("p", this.project) }, this.project);
    if (!found) { put(this.head, h("h1", null, back, " / ", this.name), h("p", null, "This service has no containers.")); return; }
    put(this.head, h("h1", null, back, " / ", this.name, " ", word(found.condition, found.detail)),
      found.needs.length > 0 && h("p", null, "waits for ", found.needs.map((one, at) => [at ? ", " : "", h("a", { href: link("p", this.project, "s", one.service) }, one.service), ` (${one.condition})`])),
      actions(this.state, this.project, this.name, ["up", "rebuild", "start", "stop", "restart", "scale", "run"]),
      found.containers.length > 0 && table("Containers", ["Container", "State", "Ports", "Image"], found.containers.map((one) => [
        found.containers.length > 1 ? h("button", { type: "button", "aria-pressed": String(one.id === this.container), onclick: () => { this.container = one.id; this.open(this.tab || "logs"); this.update(); } }, one.name) : one.name,
        word(one.condition, one.status || one.condition), ports(one), one.image])));
    const ids = found.containers.map((one) => one.id);
    if (!ids.includes(this.container)) { this.container = ids[0] || null; if (this.container) this.open(this.tab || "logs"); }
    if (this.part && this.part.follow) this.part.follow(ids);
    if (this.part && this.part.usage) this.part.usage(this.state.usage[this.container]);
  }

  async open(name) {
    if (this.part && this.part.close) this.part.close();
    this.part = null; this.tab = name;
    for (const one of this.tabs.children) { const own = one.id === `tab-${name}`; one.setAttribute("aria-selected", String(own)); one.setAttribute("tabindex", own ? "0" : "-1"); }
    this.panel.setAttribute("aria-labelledby", `tab-${name}`);
    if (!this.container) { put(this.panel, h("p", null, "There is no container to look at.")); return; }
    if (name === "logs") { this.part = new LogView(this.service.containers.map((one) => one.id), this.project); this.panel.replaceChildren(this.part.element); return; }
    if (name === "terminal") { this.part = new Terminal(this.container, this.state.about.read_only); this.panel.replaceChildren(this.part.element); return; }
    put(this.panel, h("p", { class: "quiet" }, "Reading from the engine…"));
    if (name === "files") { this.files("/"); return; }
    const id = this.container, found = await ask(`/container/${encodeURIComponent(id)}`);
    if (this.tab !== name || this.container !== id) return;
    if (found.error) { put(this.panel, h("p", { class: "bad" }, found.error)); return; }
    if (name === "stats") { this.part = new Plots(found.usage); this.panel.replaceChildren(this.part.element); return; }
    put(this.panel, { health: () => this.health(found), environment: () => this.environment(found), mounts: () => this.mounts() }[name]());
  }

  health(found) {
    return [h("p", null, found.test.length ? ["test ", h("code", null, found.test.join(" ")), found.failing ? ` · failed ${found.failing} times in a row` : ""] : "This container has no health check."),
      h("p", { class: "quiet" }, `started ${moment(found.started) || "never"} · restart policy ${found.restart} · restarted ${found.restarts} times`),
      found.probes.length > 0 && table("Probes", ["At", "Exit code", "Output"], found.probes.slice().reverse().map((one) => [moment(one.at), h("span", { class: one.code ? "bad" : null }, String(one.code)), h("code", null, one.output)])),
      found.report.length > 0 && [h("h3", null, "Report"), h("pre", { tabindex: "0", "aria-label": "Report" }, found.report.join("\n"))]];
  }

  environment(found) {
    return [h("p", { class: "quiet" }, "Values that look secret are hidden. Choose a variable to see which file and line sets it."),
      table("Environment", ["Variable", "Value", "Origin"], found.environment.map(([name, value]) => [h("code", null, name), h("code", null, value), h("details", { ontoggle: (event) => this.explain(event.target, `environment.${name}`) }, h("summary", null, "origin"), h("pre", { tabindex: "0", "aria-label": `Origin of ${name}` }, "Asking…"))])),
      h("h3", null, "Command"), h("pre", { tabindex: "0", "aria-label": "Command" }, found.command.join(" "))];
  }

  async explain(place, path) {
    if (!place.open || place.dataset.asked) return;
    place.dataset.asked = "yes";
    place.lastChild.textContent = (await ask("/explain", { project: this.project, path: `services.${this.name}.${path}` })).text;
  }

  mounts() {
    const one = this.service.containers.find((each) => each.id === this.container);
    return one && one.mounts.length ? table("Mounts", ["Path", "Kind", "What", "Writable"], one.mounts.map((each) => [h("code", null, each.target), each.kind, h("code", null, each.name || each.source), each.writable ? "yes" : "no"])) : h("p", null, "Nothing is mounted.");
  }

  async files(path) {
    const id = this.container, found = await ask(`/container/${encodeURIComponent(id)}/directory`, { path });
    if (this.tab !== "files") return;
    const up = path.replace(/\/[^/]*\/?$/, "") || "/";
    const join = (name) => `${path === "/" ? "" : path}/${name}`;
    const archive = (where) => h("a", { href: `/container/${encodeURIComponent(id)}/archive?${new URLSearchParams({ path: where })}`, download: "files.tar" }, "download");
    put(this.panel, h("p", null, h("code", null, path), " ", path !== "/" && h("button", { type: "button", onclick: () => this.files(up) }, "up"), " ", archive(path)),
      found.error ? h("p", { class: "bad" }, found.error) : table("Files", ["Name", "Size", "Changed", ""], found.entries.map((one) => [
        one.kind === "directory" ? h("button", { type: "button", onclick: () => this.files(join(one.name)) }, `${one.name}/`) : one.kind === "file" ? h("button", { type: "button", onclick: () => this.look(join(one.name), path) }, one.name) : one.name, one.kind === "file" ? size(one.size) : one.kind, moment(one.at * 1000), archive(join(one.name))])),
      found.whole === false && h("p", { class: "quiet" }, "There is more than is shown here."));
  }

  async look(path, back) {
    const id = this.container, found = await ask(`/container/${encodeURIComponent(id)}/file`, { path });
    if (this.tab !== "files" || this.container !== id) return;
    put(this.panel, h("p", null, h("code", null, path), " ", h("button", { type: "button", onclick: () => this.files(back) }, "back"), " ", h("a", { href: `/container/${encodeURIComponent(id)}/archive?${new URLSearchParams({ path })}`, download: "files.tar" }, "download")),
      found.error ? h("p", { class: "bad" }, found.error) : found.binary ? h("p", null, `${size(found.size)} of binary data.`) : [!found.whole && h("p", { class: "quiet" }, `The first part of ${size(found.size)}.`), h("pre", { class: "file", tabindex: "0", "aria-label": `Content of ${path}` }, found.text)]);
  }

  close() { if (this.part && this.part.close) this.part.close(); }
}
