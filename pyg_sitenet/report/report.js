"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  // Plotly would offer to send the data to a server of its makers.
  // Its buttons would cover the menus on a phone.
  const config = { responsive: true, displaylogo: false, showSendToCloud: false,
    displayModeBar: window.innerWidth < 600 ? false : "hover" };
  const at = (id) => document.getElementById(id);

  read("figure-data").forEach((figure, number) => {
    Plotly.newPlot(at(`plot-${number}`), figure.data, figure.layout, config);
  });

  const views = read("view-data");
  if (views.length === 0) return;

  // Plotly reads a part of HTML in the texts it draws.
  const SIGNS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  const plain = (text) => String(text).replace(/[&<>"]/g, (sign) => SIGNS[sign]);
  const SYMBOLS = ["circle", "square", "diamond", "cross", "x",
    "circle-open", "square-open", "diamond-open"];
  const EDGES = [[0, 1], [0, 2], [0, 4], [1, 3], [1, 5], [2, 3], [2, 6], [3, 7],
    [4, 5], [4, 6], [5, 7], [6, 7]];
  const ROWS = 12;
  const scene = at("crystal-scene");
  let drawn = null;  // the view on the screen

  const fill = (select, labels) => {
    select.replaceChildren(...labels.map((text, value) => new Option(text, value)));
  };
  const siteName = (view, site) => `${site + 1} ${view.elements[site]}`;
  const now = () => {
    const view = views[at("crystal").value];
    const site = Number(at("site").value);
    return {
      view, site, around: view.sites[site], reach: Number(at("distance").value),
      weights: view.sites[site].attention[at("block").value][at("head").value],
    };
  };

  // Atoms within the distance, the site itself first.
  const within = ({ around, reach }) =>
    around.distance.map((_, atom) => atom)
      .filter((atom) => around.distance[atom] <= reach);

  const cellTrace = (view) => {
    const axis = (k) => EDGES.flatMap(([from, to]) =>
      [view.corners[from][k], view.corners[to][k], null]);
    return { type: "scatter3d", mode: "lines", x: axis(0), y: axis(1), z: axis(2),
      line: { color: "#888", width: 2 }, hoverinfo: "skip", name: "primitive cell" };
  };

  const selfTrace = ({ view, site, around }) => ({
    type: "scatter3d", mode: "markers+text", x: [around.x[0]], y: [around.y[0]],
    z: [around.z[0]], text: ["site"], textposition: "top center", hoverinfo: "text",
    hovertext: [`the site, ${plain(siteName(view, site))}`], customdata: [site],
    marker: { size: 22, color: "#D55E00", symbol: "circle-open" },
    name: "the site that attends",
  });

  const elementTrace = (state, atoms, element, number, top) => {
    const { view, around, weights } = state;
    const pick = (values) => atoms.map((atom) => values[atom]);
    return {
      type: "scatter3d", mode: "markers", name: element,
      x: pick(around.x), y: pick(around.y), z: pick(around.z),
      customdata: pick(around.sender), hoverinfo: "text",
      hovertext: atoms.map((atom) =>
        `${plain(siteName(view, around.sender[atom]))}, ` +
        `${around.distance[atom].toFixed(2)} Å, attention ${weights[atom].toPrecision(3)}`),
      marker: { symbol: SYMBOLS[number % SYMBOLS.length], color: pick(weights), opacity: 1,
        colorscale: "Cividis", cmin: 0, cmax: top, showscale: number === 0,
        colorbar: { thickness: 12, len: 0.8, title: { text: "attention" } },
        size: atoms.map((atom) => 5 + 13 * Math.sqrt(weights[atom] / top)),
        line: { color: "#333", width: 0.5 } },
    };
  };

  const traces = (state, atoms, top) => {
    const kinds = [...new Set(state.view.elements)];
    const parts = kinds.map((element, number) => elementTrace(
      state,
      atoms.filter((atom) => state.view.elements[state.around.sender[atom]] === element),
      element, number, top));
    return [cellTrace(state.view), ...parts, selfTrace(state)];
  };

  const AXIS = { visible: false };
  const away = scene.clientWidth < 500 ? 1.3 : 0.85;  // all atoms fit on a phone
  const LAYOUT = {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    legend: { orientation: "h", y: 0, yanchor: "top", itemsizing: "constant" },
    scene: { aspectmode: "data", xaxis: AXIS, yaxis: AXIS, zaxis: AXIS,
      camera: { eye: { x: 1.2 * away, y: away, z: 0.6 * away } } },
  };

  const update = (all) => {
    const names = ["x", "y", "z", "customdata", "hovertext", "marker"];
    const values = names.map((name) => [name, all.map((trace) => trace[name])]);
    Plotly.restyle(scene, Object.fromEntries(values));
  };

  // Equal atoms at one distance are a row.
  const shells = ({ view, around, weights }, atoms) => {
    const found = new Map();
    for (const atom of atoms) {
      const name = siteName(view, around.sender[atom]);
      const distance = around.distance[atom];
      const key = `${name} ${distance.toFixed(2)} ${weights[atom].toPrecision(3)}`;
      const shell = found.get(key) ?? { name, distance, weight: weights[atom], count: 0 };
      shell.count += 1;
      found.set(key, shell);
    }
    return [...found.values()].sort((a, b) => b.weight - a.weight).slice(0, ROWS);
  };

  const showTable = (state, atoms) => {
    let sum = 0;
    const rows = shells(state, atoms).map(({ name, distance, weight, count }) => {
      sum += weight * count;
      return [name, distance.toFixed(2), count, weight.toPrecision(3), sum.toFixed(3)];
    });
    at("neighbours").tBodies[0].replaceChildren(...rows.map((texts) => {
      const row = document.createElement("tr");
      texts.forEach((text, column) => {
        const cell = row.insertCell();
        cell.textContent = text;
        if (column > 0) cell.className = "number";
      });
      return row;
    }));
  };

  const draw = () => {
    const state = now();
    const atoms = within(state);
    const top = Math.max(...state.weights);
    at("reach").textContent = state.reach.toFixed(1);
    at("chosen").textContent = `Site ${siteName(state.view, state.site)} attends to ` +
      `${atoms.length} of ${state.weights.length} atoms shown, with ` +
      `${(100 * atoms.reduce((sum, atom) => sum + state.weights[atom], 0)).toFixed(1)} ` +
      "% of its attention.";
    showTable(state, atoms);
    const all = traces(state, atoms, top);
    if (drawn === state.view) {
      update(all);  // keeps the reader's point of view
    } else {
      Plotly.newPlot(scene, all, LAYOUT, config);
      scene.on("plotly_click", onClick);
      drawn = state.view;
    }
  };

  // Redrawing inside the handler would leave the scene in the middle of its own event.
  const onClick = (event) => {
    const site = event.points[0].customdata;
    if (site === undefined || site === null) return;
    setTimeout(() => { at("site").value = site; draw(); });
  };

  const choose = () => {
    const view = views[at("crystal").value];
    const attention = view.sites[0].attention;
    const count = (label, length) =>
      Array.from({ length }, (_, k) => `${label}${k + 1}`);
    const kept = { block: at("block").value, head: at("head").value };
    fill(at("site"), view.elements.map((_, site) => siteName(view, site)));
    fill(at("block"), count("", attention.length));
    fill(at("head"), count("", attention[0].length));
    at("block").value = kept.block || attention.length - 1;
    at("head").value = kept.head || 0;
    const far = Math.max(...view.sites.map((site) => site.distance.at(-1)));
    at("distance").max = (Math.ceil(far * 10) / 10).toFixed(1);
    at("distance").value = at("distance").max;
    at("values").textContent = Object.entries(view.values)
      .map(([name, value]) => `${name}: ${value}`).join("; ");
    draw();
  };

  fill(at("crystal"), views.map((view) => `${view.formula}, ${view.id}`));
  at("crystal").addEventListener("change", choose);
  for (const id of ["site", "block", "head"]) at(id).addEventListener("change", draw);
  at("distance").addEventListener("input", draw);
  for (const button of document.querySelectorAll("button.look")) {
    button.addEventListener("click", () => {
      at("crystal").value = button.dataset.view;
      choose();
      at("viewer").scrollIntoView();
    });
  }
  choose();
})();
