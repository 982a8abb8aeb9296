// One project: what broke first, the graph, services, timeline, jobs, events.

import { actions } from "./actions.js";
import { ask, h, link, put, table, word } from "./dom.js";
import { eventList, ports } from "./engine.js";
import { graph, timeline } from "./graph.js";
import { LogView } from "./logs.js";

export class Project {
  constructor(main, state, name) {
    this.state = state; this.name = name; this.reports = {};
    this.places = Object.fromEntries(["head", "alarm", "graph", "services", "timeline", "events"].map((one) => [one, h("section", null)]));
    this.logs = h("section", null);
    this.log = null;
    main.replaceChildren(...Object.values(this.places).slice(0, 5), this.logs, this.places.events);
  }

  update() {
    const found = this.state.project, { places, state } = this;
    if (found === undefined) return;
    const bar = actions(state, this.name, "", ["up", "rebuild", "start", "stop", "restart", "down", "snapshot save", "snapshot restore"]);
    if (found === null) {
      put(places.head, h("h1", null, this.name), h("p", null, "This project has no containers."), actions(state, this.name, "", ["up"]));
      for (const name of ["alarm", "graph", "services", "timeline"]) put(places[name]);
      return;
    }
    put(places.head, h("h1", null, this.name, " ", word(found.condition)), h("p", { class: "quiet" }, `${found.running} of ${found.total} containers run · ${found.files || found.directory}`), bar);
    this.alarm(found);
    put(places.graph, h("h2", null, "Graph"), graph(this.name, found.graph));
    put(places.services, h("h2", null, "Services"), table("Services", ["Service", "State", "Containers", "Ports", "Image"], found.services.map((one) => [
      h("a", { href: link("p", this.name, "s", one.name) }, one.name), word(one.condition, one.detail), String(one.containers.length),
      one.containers.map(ports), [...new Set(one.containers.map((each) => each.image))].join(", ")])),
    found.jobs.length > 0 && [h("h2", null, "Jobs"), table("Jobs", ["Name", "State", "Image"], found.jobs.map((one) => [one.name, word(one.condition, one.status || one.condition), one.image]))]);
    put(places.timeline, found.timeline.length > 0 && [h("h2", null, "Last start"), timeline(found.timeline)]);
    put(places.events, h("h2", null, "Events"), eventList(state.events.filter((one) => one.project === this.name)));
    const ids = found.services.flatMap((one) => one.containers.map((each) => each.id));
    if (!this.log && ids.length) { this.log = new LogView(ids); this.logs.replaceChildren(h("h2", null, "Logs of all services"), this.log.element); }
    else if (this.log) this.log.follow(ids);
  }

  alarm(found) {
    const broken = found.services.filter((one) => one.blamed);
    for (const one of broken) for (const each of one.containers) this.report(each);
    put(this.places.alarm, broken.map((one) => h("div", { class: "alarm" },
      h("h2", null, h("a", { href: link("p", this.name, "s", one.name) }, one.name), `: ${one.detail}`),
      this.waiting(found, one.name),
      one.containers.map((each) => this.reports[this.key(each)] && h("pre", { tabindex: "0", "aria-label": `Report of ${each.name}` }, this.reports[this.key(each)])))));
  }

  waiting(found, name) {
    const after = found.services.filter((one) => one.needs.some((need) => need.service === name)).map((one) => one.name);
    return after.length > 0 && h("p", null, `waited for by ${after.join(", ")}`);
  }

  key(one) { return `${one.id} ${one.condition} ${one.exit_code}`; }

  async report(one) {
    const key = this.key(one);
    if (key in this.reports) return;
    this.reports[key] = "";
    const details = await ask(`/container/${encodeURIComponent(one.id)}`);
    this.reports[key] = (details.report || [details.error]).join("\n");
    if (this.state.project) this.alarm(this.state.project);
  }

  close() { if (this.log) this.log.close(); }
}
