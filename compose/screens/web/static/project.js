// One project: what broke first, the graph, services, timeline, jobs, events.

import { actions, choices } from "./actions.js";
import { underWay } from "./builds.js";
import { ask, fold, h, link, moment, put, table, word } from "./dom.js";
import { eventList, leases, ports } from "./engine.js";
import { graph, timeline } from "./graph.js";
import { LogView } from "./logs.js";

export class Project {
  constructor(main, state, name) {
    this.state = state; this.name = name; this.reports = {};
    this.places = Object.fromEntries(["head", "alarm", "graph", "services", "jobs", "timeline", "snapshots", "events"].map((one) => [one, h("section", null)]));
    this.logs = h("section", null);
    this.log = null;
    main.replaceChildren(...Object.values(this.places).slice(0, 7), this.logs, this.places.events);
  }

  update() {
    const found = this.state.project, { places, state } = this;
    if (found === undefined) return;
    const bar = actions(state, this.name, "", ["up", "rebuild", "start", "stop", "restart", "down", ...(state.engine && state.engine.own ? ["snapshot save"] : [])]);
    if (found === null) {
      put(places.head, h("h1", null, this.name), h("p", null, "This project has no containers."), actions(state, this.name, "", ["up"]));
      for (const name of ["alarm", "graph", "services", "timeline"]) put(places[name]);
      this.held();
      return;
    }
    put(places.head, h("h1", null, this.name, " ", word(found.condition)), h("p", { class: "quiet" }, `${found.running} of ${found.total} containers run · ${found.files || found.directory}`), bar, underWay(state.building.filter((one) => one.project === this.name)));
    this.alarm(found);
    put(places.graph, h("h2", null, "Graph"), graph(this.name, found.graph));
    put(places.services, h("h2", null, "Services"), table("Services", ["Service", "State", "Containers", "Ports", "Image"], found.services.map((one) => [
      h("a", { href: link("p", this.name, "s", one.name) }, one.name), word(one.condition, one.detail), String(one.containers.length),
      one.containers.map(ports), [...new Set(one.containers.map((each) => each.image))].join(", ")])),
    found.jobs.length > 0 && [h("h2", null, "Containers of jobs and runs"), table("Containers of jobs and runs", ["Name", "State", "Image"], found.jobs.map((one) => [one.name, word(one.condition, one.status || one.condition), one.image]))]);
    put(places.timeline, found.timeline.length > 0 && [h("h2", null, "Last start"), timeline(found.timeline)]);
    put(places.events, h("h2", null, "Events"), eventList(state.events.filter((one) => one.project === this.name), this.name));
    this.held();
    const ids = found.services.flatMap((one) => one.containers.map((each) => each.id));
    if (!this.log && ids.length) { this.log = new LogView(ids, this.name); this.logs.replaceChildren(h("h2", null, "Logs of all services"), this.log.element); }
    else if (this.log) this.log.follow(ids);
  }

  // Jobs and snapshots of the project, and its leases.
  held() {
    const { held, leases: all } = this.state, own = all.filter((one) => one.project === this.name);
    if (!held) return;
    put(this.places.jobs, held.jobs.length > 0 && this.jobs(held.jobs));
    put(this.places.snapshots, held.snapshots.length > 0 && [h("h2", null, "Snapshots"), table("Snapshots", ["Name", "Saved", "Volumes", ""], held.snapshots.map((one) => [
      one.name, moment(one.at * 1000), one.volumes.join(", "), choices(this.state, this.name, one.name, ["snapshot restore", "snapshot push", "snapshot rm"])]))],
    own.length > 0 && [h("h2", null, "Leases"), leases(this.state, own)]);
  }

  jobs(found) {
    const ended = (one) => (one.state === "failed" ? "failed" : one.state === "succeeded" ? "done" : "starting");
    const words = (one) => `${one.state}${one.code ? `, exit code ${one.code}` : ""}`;
    const left = (one) => [one.skipped && `${one.skipped} left out while another ran`, one.missed && `${one.missed} missed while no engine ran`].filter(Boolean).join(", ");
    return [h("h2", null, "Jobs"), table("Jobs", ["Job", "Runs", "Last run", "Next run", ""], found.map((one) => [
      [one.name, one.paused && [" ", word("paused", "paused")]], [h("span", { class: "whole" }, one.trigger), left(one) && h("div", { class: "quiet" }, left(one))], one.runs.length ? word(ended(one.runs[0]), words(one.runs[0])) : "never", h("span", { class: "whole" }, one.paused ? "" : moment(one.next * 1000) || "by hand"),
      choices(this.state, this.name, one.name, ["job trigger", one.paused ? "job resume" : "job pause", ...(one.state === "idle" ? [] : ["job cancel"]), "job logs"])])),
    found.filter((one) => one.runs.length).map((one) => fold(`history ${this.name} ${one.name}`, `History of ${one.name} (${one.runs.length})`,
      table(`History of ${one.name}`, ["Run", "State", "Started by", "Attempts", "Started", "Took"], one.runs.map((each) => [
        String(each.number), [word(ended(each), words(each)), " ", each.error], each.trigger, String(each.attempts), h("span", { class: "whole" }, moment(each.started * 1000)), took(each)]))))];
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

  key(one) { return `${one.id} ${one.condition} ${one.exit_code} ${one.error}`; }

  async report(one) {
    const key = this.key(one);
    if (key in this.reports) return;
    this.reports[key] = "";
    const details = await ask(`/container/${encodeURIComponent(one.id)}`);
    this.reports[key] = (details.report || [details.error]).join("\n");
    if (this.state.project) this.alarm(this.state.project);
  }

  close() { this.closed = true; if (this.log) this.log.close(); }
}

const took = (run) => (run.started && run.finished ? `${(run.finished - run.started).toFixed(1)} s` : "");
