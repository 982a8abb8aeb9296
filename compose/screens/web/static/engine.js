// Views of the whole engine: projects, images, volumes, networks, events.

import { actions, choices } from "./actions.js";
import { underWay } from "./builds.js";
import { ask, clock, fold, h, link, moment, put, redraw, size, table, word } from "./dom.js";

export function projects(state) {
  const here = state.about.here;
  const absent = here && !state.projects.some((one) => one.name === here);
  const down = state.down.filter((one) => one.name !== here);
  const kept = (name) => state.leases.filter((one) => one.project === name);
  return [
    h("h1", null, "Projects"), underWay(state.building),
    !state.projects.length && !absent && !down.length && h("p", null, "Nothing runs yet. Start ", h("code", null, "pycompose ui"), " beside a compose.yaml, or ", h("code", null, "pycompose up"), "."),
    h("ul", { class: "cards" },
      absent && h("li", null, h("h2", null, here), h("p", null, word("absent"), " the project of this directory"), actions(state, here, "", ["up"])),
      state.projects.map((one) => h("li", null,
        h("h2", null, h("a", { href: link("p", one.name) }, one.name)),
        h("p", null, word(one.condition), ` ${one.running} of ${one.total} containers run`),
        one.blame.length > 0 && h("p", { class: "bad" }, "look first at ", one.blame.map((name, at) => [at ? ", " : "", h("a", { href: link("p", one.name, "s", name) }, name)])),
        kept(one.name).map((lease) => h("p", { class: "quiet" }, `kept for ${lease.owner}${lease.state === "held" ? "" : ", which has ended"}`)),
        h("p", { class: "quiet" }, one.directory))),
      down.map((one) => h("li", null, h("h2", null, h("a", { href: link("p", one.name) }, one.name)), h("p", null, word("absent", "down"), " was here since this page's server was started"), actions(state, one.name, "", ["up"])))),
    state.others.length > 0 && [h("h2", null, "Containers of no project"),
      table("Containers of no project", ["Name", "State", "Image", "Ports"], state.others.map((one) => [one.name, [word(one.condition), " ", one.status], one.image, ports(one)]))],
  ];
}

export const ports = (one) => one.ports.map((port, at) => [at ? ", " : "", port.url ? h("a", { href: port.url.replace("//127.0.0.1:", "//localhost:"), rel: "noreferrer noopener", target: "_blank" }, port.text) : port.text]);

// The engine itself: what it is, what the disk holds, whom it keeps stacks for. Asked for anew when something has happened.
export class EngineView {
  constructor(main, state) {
    this.state = state; this.disk = null; this.seen = -1; this.at = 0;
    this.place = h("section", null);
    main.replaceChildren(this.place);
  }

  update() {
    const last = this.state.events.length ? this.state.events[this.state.events.length - 1].number : 0;
    if (last !== this.seen && Date.now() - this.at > 2000) { this.seen = last; this.at = Date.now(); this.look(); }
    this.draw();
  }

  acted() { this.at = Date.now(); this.look(); }

  async look() {
    this.disk = await ask("/disk");
    this.draw();
  }

  draw() {
    const { engine, about } = this.state;
    if (!engine) return;
    put(this.place, h("h1", null, "Engine"),
      h("dl", null, [["Name", engine.name], ["Engine", `${engine.own ? "pycompose" : "Docker"} ${engine.version}`], ["Address", engine.address], ["Processors", String(engine.processors)], ["Memory", size(engine.memory)], ["This page", about.read_only ? "only shows" : "shows and changes"]]
        .map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
      h("h2", null, "Disk"),
      !this.disk ? h("p", { class: "quiet" }, "The engine is adding up what is on the disk…") : this.disk.error ? h("p", { class: "bad" }, this.disk.error)
        : table("Disk", ["What", "Number", "In use", "Size", "Can be freed"], this.disk.rows.map((one) => [one.Type, one.TotalCount, one.Active, one.Size, one.Reclaimable])),
      actions(this.state, "", "", ["prune"]),
      h("h2", null, "Leases"), leases(this.state, this.state.leases));
  }

  close() {}
}

export function leases(state, found) {
  if (!found.length) return h("p", { class: "quiet" }, "No stack is bound to an owner.");
  return table("Leases", ["Project", "Owner", "State", "Since", ""], found.map((one) => [
    one.project ? h("a", { href: link("p", one.project) }, one.project) : "", [one.owner, one.until > 0 && ` until ${moment(one.until * 1000)}`], [word(one.state === "held" ? "running" : "starting", one.state), " ", one.reason], moment(one.at * 1000), choices(state, "", one.id, ["lease release", "lease end"])]));
}

const known = new Map();

export function images(state) {
  return [h("h1", null, "Images"), table("Images", ["Tags", "Size", "Id", "Layers"], state.images.map((one) => [
    one.tags.join(", ") || "(no tag)", size(one.size), h("code", null, one.id.replace("sha256:", "").slice(0, 12)),
    fold(`layers ${one.id}`, "layers", layers(known.get(one.id)), () => look(one.id)),
  ]))];
}

function layers(found) {
  if (!found) return h("p", { class: "quiet" }, "Asking…");
  if (found.error) return h("p", { class: "bad" }, found.error);
  return h("ol", null, found.layers.map((one) => h("li", null, `${size(one.size)}  `, h("code", null, one.by || one.tags.join(", ") || "(not told)"))));
}

async function look(id) {
  if (known.has(id)) return;
  known.set(id, null);
  known.set(id, await ask("/image", { ref: id }));
  redraw();
}

const users = (state, test) => (state.projects || []).map((one) => one.name).filter(test);

export function volumes(state) {
  return [h("h1", null, "Volumes"), table("Volumes", ["Name", "Driver", "Project"], state.volumes.map((one) => [one.name, one.driver, owner(state, one.project)]))];
}

export function networks(state) {
  return [h("h1", null, "Networks"), table("Networks", ["Name", "Driver", "Subnets", "Project"], state.networks.map((one) => [one.name, one.driver, one.subnets.join(", "), owner(state, one.project)]))];
}

const owner = (state, name) => users(state, (one) => one === name).length ? h("a", { href: link("p", name) }, name) : name;

export function events(state) { return [h("h1", null, "Events"), eventList(state.events)]; }

// Of one project its name is left out: it is at the top of the page.
export function eventList(found, project) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Events" }, h("table", null, h("tbody", null,
    found.slice(-150).reverse().map((one) => h("tr", null, h("td", { class: "quiet when" }, clock(one.at)), h("td", { class: one.grave ? "bad" : null }, one.words), !project && h("td", { class: "quiet wide" }, one.project))))));
}
