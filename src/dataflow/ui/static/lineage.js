// The picture of all tables: drawn of what the page holds as data, placed by the server; found, chosen and followed here.
// The list below it says the same, so nothing is lost without this script.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("lineage-data").textContent);
  const byId = (id) => document.getElementById(id);
  const rows = [...document.querySelectorAll("#edges tbody tr")];
  const canvas = byId("canvas");
  const MOST_CHOICES = 12;
  const OLD = 30; // days
  const READABLE = 0.6; // from this zoom on every name is drawn

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
      ink: of("ink"), line: of("dim"), card: of("card"), mark: of("mark"), markbg: of("markbg"), paper: of("paper"),
      origins: { recorded: of("good"), deployed: of("deployed"), checkout: of("warn"), openlineage: of("busy") },
    };
  }

  function styles() {
    const its = colours();
    return [
      { selector: "node", style: {
        shape: "round-rectangle", width: "data(width)", height: "data(height)", label: "data(name)", color: its.ink,
        "background-color": its.card, "border-width": 1, "border-color": its.line, "font-size": 13,
        "font-family": "system-ui, sans-serif", "text-valign": "center", "text-halign": "center",
        "text-wrap": "ellipsis", "text-max-width": "data(room)", "min-zoomed-font-size": 7,
      } },
      { selector: "node.small", style: { "background-color": its.line, "border-width": 0 } },
      { selector: "node.named", style: {
        "font-weight": 600, "min-zoomed-font-size": 0, "text-max-width": 4000, "text-outline-color": its.paper, "z-index": 5,
      } },
      { selector: "edge", style: {
        width: 1.4, "line-color": "data(colour)", "target-arrow-color": "data(colour)", "target-arrow-shape": "triangle",
        "arrow-scale": 0.8, "curve-style": "bezier", "source-endpoint": "50% 0", "target-endpoint": "-50% 0", opacity: 0.75,
      } },
      { selector: "edge[?bends]", style: {
        "curve-style": "round-segments", "segment-weights": "data(weights)", "segment-distances": "data(distances)",
        "edge-distances": "endpoints", "segment-radii": 30,
      } },
      { selector: "edge[?old]", style: { "line-style": "dashed" } },
      { selector: ".far", style: { opacity: 0.12 } },
      { selector: "node.near", style: { "border-width": 2, "border-color": its.mark } },
      { selector: "edge.near", style: { width: 2.4, opacity: 1, "z-index": 9 } },
      { selector: "node.here", style: { "background-color": its.markbg, "border-width": 3, "border-color": its.mark } },
    ];
  }

  // A bend of an edge as this library has it: how far along, and how far beside the straight line.
  function bends(from, to, points) {
    const dx = to[0] - from[0], dy = to[1] - from[1], long = Math.hypot(dx, dy);
    if (!points.length || !long) return null;
    return {
      weights: points.map(([x, y]) => ((x - from[0]) * dx + (y - from[1]) * dy) / (long * long)),
      distances: points.map(([x, y]) => ((x - from[0]) * dy - (y - from[1]) * dx) / -long),
    };
  }

  function elements() {
    const its = colours(), boxes = new Map(data.boxes.map((box) => [box[0], box]));
    const nodes = data.boxes.map(([table, left, top, width, height]) => ({
      data: { id: `t${table}`, table, name: data.tables[table], width, height, room: width - 12 },
      position: { x: left + width / 2, y: top + height / 2 },
    }));
    const edges = data.edges.map(([source, target, origin, points, days], place) => {
      const from = boxes.get(source), to = boxes.get(target), name = data.origins[origin];
      const bent = bends([from[1] + from[3], from[2] + from[4] / 2], [to[1], to[2] + to[4] / 2], points);
      return { data: {
        id: `e${place}`, old: days > OLD, source: `t${source}`, target: `t${target}`, origin: name, colour: its.origins[name],
        bends: Boolean(bent), ...(bent || {}),
      } };
    });
    return [...nodes, ...edges];
  }

  byId("map").hidden = false;
  byId("find").hidden = false;
  const cy = cytoscape({
    container: canvas, elements: elements(), style: styles(), layout: { name: "preset", padding: 20 },
    minZoom: 0.02, maxZoom: 3, boxSelectionEnabled: false, autoungrabify: true, textureOnViewport: data.tables.length > 300,
    hideEdgesOnViewport: data.edges.length > 4000,
  });

  const byDegree = cy.nodes().toArray().sort((a, b) => b.degree() - a.degree());
  let named = cy.collection();

  // However far away one is, some names stay readable: of the tables with most neighbours, those that have room.
  function nameSome() {
    const zoom = cy.zoom(), view = cy.extent();
    cy.batch(() => {
      named.removeClass("named").removeStyle("font-size text-outline-width");
      cy.nodes().toggleClass("small", zoom < READABLE / 2);
      if (zoom >= READABLE) return;
      const size = 11 / zoom, taken = [];
      const found = [];
      const here = cy.nodes(".here").toArray(), lit = cy.nodes(".near").nonempty();
      for (const node of [...here, ...byDegree]) {
        if (found.length >= 60) break;
        if (lit && !node.hasClass("near") && !node.hasClass("here")) continue; // of what is chosen alone
        const { x, y } = node.position(), half = (node.data("name").length * size * 0.31);
        if (x < view.x1 || x > view.x2 || y < view.y1 || y > view.y2) continue;
        if (taken.some(([u, v, w]) => Math.abs(u - x) < w + half && Math.abs(v - y) < size * 1.3)) continue;
        taken.push([x, y, half]);
        found.push(node);
      }
      named = cy.collection(found);
      named.addClass("named").style({ "font-size": size, "text-outline-width": size / 5 });
    });
  }

  let waiting = 0;
  function nameSoon() {
    clearTimeout(waiting);
    waiting = setTimeout(nameSome, 80);
  }

  function fit(some) {
    cy.fit(some || cy.elements(), 24);
    if (cy.zoom() > 1) { cy.zoom(1); cy.center(some || cy.elements()); }
  }

  // ------------------------------------------------------------------------------------------- what is chosen

  const said = byId("find-said"), chosen = byId("chosen");

  function nothing() {
    cy.elements().removeClass("far near here");
    chosen.hidden = true;
    chosen.replaceChildren();
    for (const row of rows) row.hidden = false;
    said.textContent = "";
    byId("find-more").replaceChildren();
  }

  function light(nodes, edges, here) {
    cy.batch(() => {
      cy.elements().removeClass("near here").addClass("far");
      nodes.removeClass("far").addClass("near");
      edges.removeClass("far").addClass("near");
      here.removeClass("far").addClass("here");
    });
    fit(nodes.union(here));
  }

  function element(name, text, parent) {
    const made = document.createElement(name);
    made.textContent = text;
    parent.append(made);
    return made;
  }

  function describe(heading, shown) {
    chosen.replaceChildren();
    element("h2", heading, chosen);
    if (!shown.length) return;
    const table = document.createElement("table");
    table.className = "cards-when-narrow";
    table.append(document.querySelector("#edges thead").cloneNode(true), document.createElement("tbody"));
    for (const row of shown) {
      const copy = row.cloneNode(true);
      copy.hidden = false;
      table.lastChild.append(copy);
    }
    chosen.append(table);
  }

  function chooseTable(table) {
    const here = cy.getElementById(`t${table}`);
    const edges = here.predecessors("edge").union(here.successors("edge"));
    const nodes = here.predecessors("node").union(here.successors("node"));
    const mine = rows.filter((row) => [row.dataset.source, row.dataset.target].includes(String(table)));
    if (here.nonempty()) light(nodes, edges, here);
    describe(data.tables[table], mine);
    columnsOf(table);
    chosen.hidden = false;
    const up = here.predecessors("node").length, down = here.successors("node").length;
    said.textContent = `${data.tables[table]}: ${count(up, "table")} before it, ${count(down, "table")} after it`;
    for (const row of rows) row.hidden = !mine.includes(row);
  }

  function chooseEdge(edge) {
    const ends = [edge.source().data("table"), edge.target().data("table")];
    const mine = rows.filter((row) => row.dataset.source === String(ends[0]) && row.dataset.target === String(ends[1]));
    light(edge.connectedNodes(), edge, cy.collection());
    describe(`${data.tables[ends[0]]} → ${data.tables[ends[1]]}`, mine);
    chosen.hidden = false;
    said.textContent = "";
    for (const row of rows) row.hidden = !mine.includes(row);
  }

  function count(number, noun) {
    return `${number} ${noun}${number === 1 ? "" : "s"}`;
  }

  function columnsOf(table) {
    const names = data.columns[table].map((name, place) => [name, place]).filter(([name]) => name);
    if (!names.length) return;
    const list = element("ul", "", chosen);
    list.className = "choices";
    list.setAttribute("aria-label", "Follow a column");
    for (const [name, place] of names.sort()) {
      element("button", name, element("li", "", list)).addEventListener("click", () => chooseColumn(table, place));
    }
  }

  // Links by the column that they lead from, and to: [table, column] as `table:column`.
  const links = { after: new Map(), before: new Map() };
  for (const link of data.links) {
    const [a, b, c, d] = link, from = `${a}:${b}`, to = `${c}:${d}`;
    if (!links.after.has(from)) links.after.set(from, []);
    if (!links.before.has(to)) links.before.set(to, []);
    links.after.get(from).push(link);
    links.before.get(to).push(link);
  }

  function follow(start, way) {
    const found = [], seen = new Set([start]), next = [start];
    while (next.length) {
      for (const link of links[way].get(next.shift()) || []) {
        found.push(link);
        const end = way === "after" ? `${link[2]}:${link[3]}` : `${link[0]}:${link[1]}`;
        const decides = way === "after" && !data.columns[link[2]][link[3]];
        if (!seen.has(end) && !decides) { seen.add(end); next.push(end); }
      }
    }
    return found;
  }

  function columnName(table, column) {
    const name = data.columns[table][column];
    return name ? `${data.tables[table]}.${name}` : data.tables[table];
  }

  function chooseColumn(table, column) {
    const start = `${table}:${column}`;
    const before = follow(start, "before"), after = follow(start, "after");
    const tables = new Set(), pairs = new Set();
    for (const [a, , c] of [...before, ...after]) { tables.add(a).add(c); pairs.add(`t${a}>t${c}`); }
    const nodes = cy.nodes().filter((node) => tables.has(node.data("table")));
    const edges = cy.edges().filter((edge) => pairs.has(`${edge.data("source")}>${edge.data("target")}`));
    light(nodes, edges, cy.getElementById(`t${table}`));
    describe(columnName(table, column), []);
    for (const [heading, found] of [["Where it comes from", before], ["Who takes it", after]]) {
      element("h3", heading, chosen);
      const list = element("ul", "", chosen);
      for (const [a, b, c, d, kind] of found.slice(0, 200)) {
        const does = data.kinds[kind] ? ` (${data.kinds[kind]})` : "";
        element("li", `${columnName(a, b)} → ${columnName(c, d)}${does}`, list);
      }
      if (!found.length) element("li", "nothing that is known", list);
    }
    const back = element("button", `All of ${data.tables[table]}`, chosen);
    back.addEventListener("click", () => chooseTable(table));
    chosen.hidden = false;
    said.textContent = `${columnName(table, column)}: ${count(before.length, "step")} before it, ${count(after.length, "step")} after it`;
  }

  // ------------------------------------------------------------------------------------------- finding

  function matches(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const found = [];
    data.tables.forEach((name, table) => {
      const at = name.toLowerCase().indexOf(wanted);
      if (at >= 0) found.push({ name, table, rank: name.toLowerCase() === wanted ? 0 : at === 0 ? 1 : 2 });
      data.columns[table].forEach((column, place) => {
        const whole = `${name}.${column}`;
        if (column && whole.toLowerCase().includes(wanted) && at < 0) {
          found.push({ name: whole, table, column: place, rank: column.toLowerCase() === wanted ? 3 : 4 });
        }
      });
    });
    return found.sort((a, b) => a.rank - b.rank || a.name.length - b.name.length || (a.name < b.name ? -1 : 1));
  }

  function choose(it) {
    if (it.column === undefined) chooseTable(it.table);
    else chooseColumn(it.table, it.column);
  }

  function find(text) {
    const found = matches(text), more = byId("find-more");
    more.replaceChildren();
    if (!found.length) {
      nothing();
      said.textContent = text.trim() ? `Nothing is called ${text.trim()}` : "";
      return;
    }
    choose(found[0]);
    if (found.length > 1) {
      for (const it of found.slice(0, MOST_CHOICES)) {
        element("button", it.name, element("li", "", more)).addEventListener("click", () => choose(it));
      }
      said.textContent += `; ${found.length} are called alike`;
    }
  }

  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    find(byId("find-name").value);
  });
  byId("find-none").addEventListener("click", () => {
    byId("find-name").value = "";
    nothing();
    fit();
  });
  cy.on("tap", "node", (event) => chooseTable(event.target.data("table")));
  cy.on("tap", "edge", (event) => chooseEdge(event.target));
  cy.on("tap", (event) => { if (event.target === cy) nothing(); });

  // ------------------------------------------------------------------------------------------- moving

  function zoom(by) {
    cy.zoom({ level: cy.zoom() * by, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
  }

  const KEYS = {
    ArrowLeft: () => cy.panBy({ x: 80, y: 0 }), ArrowRight: () => cy.panBy({ x: -80, y: 0 }),
    ArrowUp: () => cy.panBy({ x: 0, y: 80 }), ArrowDown: () => cy.panBy({ x: 0, y: -80 }),
    "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: () => fit(), Escape: nothing,
  };
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  const BUTTONS = { in: () => zoom(1.5), out: () => zoom(1 / 1.5), fit: () => fit() };
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", BUTTONS[button.dataset.zoom]);
  }

  function recolour() {
    const its = colours();
    cy.batch(() => cy.edges().forEach((edge) => { edge.data("colour", its.origins[edge.data("origin")]); }));
    cy.style(styles());
    nameSome();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  addEventListener("beforeprint", recolour);
  addEventListener("afterprint", recolour);

  const WORDS = { recorded: "recorded by a run", deployed: "in a deployed bundle", checkout: "in files here", openlineage: "imported from OpenLineage" };
  for (const name of new Set(data.edges.map((edge) => data.origins[edge[2]]))) {
    const item = element("li", "", byId("legend"));
    const sample = element("span", "", item);
    sample.className = `sample origin-${name}`;
    sample.setAttribute("aria-hidden", "true");
    item.append(WORDS[name]);
  }

  if (data.edges.some((edge) => edge[4] > OLD)) {
    const item = element("li", "", byId("legend"));
    element("span", "", item).className = "sample old";
    item.append(`seen more than ${OLD} days ago`);
  }

  cy.on("viewport", nameSoon);
  fit();
  nameSome();
  if (byId("find-name").value) find(byId("find-name").value);
  window.lineage = cy; // for who looks into it: tests, and a console
})();
