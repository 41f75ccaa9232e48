// The explorer's face: draws what Python computes, and tells Python what was done. All text goes in as text, never as HTML.
const el = (tag, props = {}, ...inside) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) k.startsWith("on") ? e.addEventListener(k.slice(2), v) : k in e && k !== "list" ? (e[k] = v) : e.setAttribute(k, v);
  e.append(...inside.filter((x) => x !== null && x !== undefined));
  return e;
};
const clamp = (v, lo, hi) => Math.min(Math.max(v, lo), hi);
const picture = (src) => new Promise((done) => { if (!src) return done(null); const i = new Image(); i.onload = () => done(i); i.onerror = () => done(null); i.src = src; });
const viridis = ["#440154", "#482878", "#3e4a89", "#31688e", "#26838f", "#1f9d8a", "#6cce5a", "#b6de2b", "#fee825"];
const shade = (v) => (v === null || v === undefined ? "#999" : viridis[clamp(Math.floor(v * viridis.length), 0, viridis.length - 1)]);

function render({ model, el: root }) {
  const info = model.get("info"), send = (action, args = {}) => model.send({ action, ...args });
  const may = info.allow_labels, names = `rc-classes-${Math.random().toString(36).slice(2)}`;
  let box = null, drag = null, images = { section: null, heat: null }, current = -1, lasso = null;

  // controls
  const survey = el("select", { className: "rc-survey", onchange: () => send("show", { source: survey.value }) }, ...info.sources.map((s, i) => el("option", { value: s }, info.names[i])));
  const kind = el("select", { className: "rc-kind", onchange: () => send("show", { kind: kind.value }) });
  const slider = el("input", { type: "range", className: "rc-slider", min: 0, onchange: () => go(+slider.value), oninput: () => { number.value = lines()[+slider.value]; } });
  const number = el("input", { type: "number", className: "rc-line", onchange: () => send("show", { number: +number.value }) });
  const gain = el("input", { type: "range", className: "rc-gain", min: -2, max: 3, step: 0.25, value: 0, onchange: () => send("look", { gain: 2 ** +gain.value }) });
  const cmap = el("select", { className: "rc-cmap", onchange: () => send("look", { cmap: cmap.value }) }, ...info.cmaps.map((c) => el("option", { value: c }, c)));
  const opacity = el("input", { type: "range", className: "rc-opacity", min: 0, max: 1, step: 0.05, value: 0.45, oninput: () => paint() });
  const heat = el("select", { className: "rc-heat", onchange: () => send("look", { heat: heat.value }) });
  const look = el("input", { type: "range", className: "rc-look", min: 0, max: 1, step: 0.05, title: "what counts as similar: the same kind of structure, or the same look; double-click: as the encoder weighs them", onchange: () => send("weigh", { look: +look.value }), ondblclick: () => send("weigh") });
  const weight = el("label", { className: "rc-weight" }, "kind", look, "look");
  const where = el("input", { type: "text", className: "rc-where", placeholder: "filter: time_ms < 1500", size: 18, onchange: () => send("filter", { expression: where.value }) });
  const polygon = el("button", { className: "rc-export", onclick: () => send("export", { suffix: form.value }) }, "write map");
  const form = el("select", { className: "rc-form" }, ...[".sgy", ".npy", ".zarr"].map((s) => el("option", { value: s }, s)));
  const bar = el("div", { className: "rc-bar" },
    el("label", {}, "survey", survey), el("label", {}, "line", kind, slider, number), el("label", {}, "gain", gain), el("label", {}, "colours", cmap),
    el("label", {}, "map", heat, opacity), weight, el("label", {}, "only", where), el("label", {}, polygon, form),
    el("button", { className: "rc-clear", onclick: () => send("clear") }, "new question"));

  // what is going on
  const said = el("span", { className: "rc-said", role: "status" }), progress = el("progress", { max: 1, hidden: true }), cancel = el("button", { className: "rc-cancel", hidden: true, onclick: () => send("cancel") }, "cancel");
  const status = el("div", { className: "rc-status" }, said, progress, cancel);
  const doubts = el("ul", { className: "rc-doubts", role: "note", hidden: !(info.problems || []).length }, ...(info.problems || []).map((p) => el("li", {}, p)));

  // section
  const canvas = el("canvas", { className: "rc-section", tabIndex: 0 }); canvas.setAttribute("aria-label", "section: drag a rectangle to ask where else it looks like this");
  const read = el("div", { className: "rc-read" });
  const gallery = el("div", { className: "rc-gallery" });

  // labels
  const name = el("input", { type: "text", className: "rc-name", placeholder: "class", size: 14, list: names }), classes = el("datalist", { id: names });
  const kept = el("span", { className: "rc-kept" });
  const labels = may ? el("div", { className: "rc-bar rc-labels" }, el("label", {}, "label", name, classes), el("button", { className: "rc-label-box", onclick: () => send("label", { name: name.value }) }, "label the box"),
    el("button", { className: "rc-undo", onclick: () => send("undo") }, "undo"), kept) : el("div", { className: "rc-bar rc-help" }, "read-only: labels are off");

  const map = el("canvas", { className: "rc-map" }), cloud = el("canvas", { className: "rc-cloud" });
  const keys = (k, what) => [el("kbd", {}, k), " " + what + "  "];
  const help = el("div", { className: "rc-bar rc-help" }, el("span", {}, "Drag a rectangle on the section. Keys there: ", ...keys("← →", "line"), ...keys("x", "inline or crossline"), ...keys("b", "box in the middle"), ...keys("shift + arrows", "move it"),
    ...keys("enter", "ask"), ...keys("n p", "next, previous hit"), ...keys("+ −", "like it, not like it"), ...(may ? keys("l", "label it") : [])));
  root.classList.add("refcon-explore");
  root.replaceChildren(bar, status, doubts, el("div", { className: "rc-main" }, canvas, read, labels), el("div", {}, el("h3", { className: "rc-count" }, "hits"), gallery),
    el("div", { className: "rc-charts" }, el("div", {}, el("h3", {}, "map"), map), el("div", {}, el("h3", {}, "all windows: near is alike (first two principal axes); drag around some to list them"), cloud)), help);

  const lines = () => (info.lines[model.get("section").source] || {})[model.get("section").kind] || [];
  const go = (i) => { const n = lines(); if (n.length) send("show", { number: n[clamp(i, 0, n.length - 1)] }); };
  const hits = () => model.get("hits");

  // drawing of the section
  const size = (c) => { const r = c.getBoundingClientRect(), d = window.devicePixelRatio || 1; c.width = Math.max(1, Math.round(r.width * d)); c.height = Math.max(1, Math.round(r.height * d)); const g = c.getContext("2d"); g.setTransform(d, 0, 0, d, 0, 0); return [g, r.width, r.height]; };
  const M = { left: 56, top: 24, right: 6, bottom: 6 };
  const frame = () => { const s = model.get("section"), r = canvas.getBoundingClientRect(), w = Math.max(1, r.width - M.left - M.right), h = Math.max(1, r.height - M.top - M.bottom); return { s, w, h, sx: w / (s.traces || 1), sy: h / (s.samples || 1) }; };
  const nice = (span, n) => { const raw = span / n, p = 10 ** Math.floor(Math.log10(raw)), f = raw / p; return (f < 1.5 ? 1 : f < 3.5 ? 2 : f < 7.5 ? 5 : 10) * p; };
  function paint() {
    const [g, W, H] = size(canvas), { s, w, h, sx, sy } = frame();
    g.clearRect(0, 0, W, H); if (!s.traces) return;
    g.imageSmoothingEnabled = true;
    if (images.section) g.drawImage(images.section, M.left, M.top, w, h);
    if (images.heat && heat.value !== "none") { g.globalAlpha = +opacity.value; g.drawImage(images.heat, M.left, M.top, w, h); g.globalAlpha = 1; }
    g.fillStyle = "#fff"; g.fillRect(0, 0, W, M.top); g.fillRect(0, 0, M.left, H); g.fillStyle = "#222"; g.font = "11px system-ui"; g.textAlign = "right"; g.textBaseline = "middle";
    const dz = nice(s.samples * s.dt, 7); for (let z = Math.ceil(s.t0 / dz) * dz; z <= s.t0 + (s.samples - 1) * s.dt; z += dz) { const y = M.top + ((z - s.t0) / s.dt + .5) * sy; g.fillText(+z.toFixed(3), M.left - 6, y); g.fillRect(M.left - 4, y, 4, 1); }
    g.textAlign = "center"; const dx = Math.max(1, Math.round(nice(s.traces, 9))); for (let i = 0; i < s.traces; i += dx) if (i * sx > 16) g.fillText(s.across[i], M.left + (i + .5) * sx, M.top - 9);
    g.save(); g.translate(10, M.top + h / 2); g.rotate(-Math.PI / 2); g.fillText(s.zname, 0, 0); g.restore();
    g.textAlign = "left"; g.fillText(s.xname, 2, M.top - 9);
    const rect = (b, color, width, text) => { const x = M.left + b[1] * sx, y = M.top + b[0] * sy, ww = (b[3] - b[1]) * sx, hh = (b[2] - b[0]) * sy; g.lineWidth = width + 2; g.strokeStyle = "#fff"; g.strokeRect(x, y, ww, hh); g.lineWidth = width; g.strokeStyle = color; g.strokeRect(x, y, ww, hh);
      if (text) { g.font = "bold 11px system-ui"; const tw = g.measureText(text).width + 6; g.fillStyle = color; g.fillRect(x, y, tw, 15); g.fillStyle = "#fff"; g.textAlign = "left"; g.fillText(text, x + 3, y + 8); } };
    for (const q of model.get("query").boxes || []) if (q.source === s.source && q.kind === s.kind && q.line === s.line) rect(q.box, q.sign < 0 ? "#d55e00" : "#0072b2", 2, q.sign < 0 ? "not" : "asked");
    hits().forEach((q, i) => { if (q.source === s.source && q.line_kind === s.kind && q.line === s.line) rect([q.top, q.left, q.top + q.height, q.left + q.width], "#b8860b", i === current ? 3 : 1.5, String(q.rank)); });
    if (box) rect(box, "#009e73", 2, "");
  }
  const place = (e) => { const r = canvas.getBoundingClientRect(), { s, sx, sy } = frame(); return [clamp(Math.floor((e.clientY - r.top - M.top) / sy), 0, s.samples), clamp(Math.floor((e.clientX - r.left - M.left) / sx), 0, s.traces)]; };
  const between = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]) + 1, Math.max(a[1], b[1]) + 1].map((v, i) => Math.min(v, i % 2 ? model.get("section").traces : model.get("section").samples));
  canvas.addEventListener("pointerdown", (e) => { if (e.button !== 0 || !model.get("section").traces) return; canvas.focus(); canvas.setPointerCapture(e.pointerId); drag = place(e); box = null; paint(); });
  canvas.addEventListener("pointermove", (e) => {
    const { s } = frame(); if (!s.traces) return;
    const p = place(e), i = Math.min(p[1], s.traces - 1); read.textContent = `${s.xname} ${s.across[i]}, ${(s.t0 + Math.min(p[0], s.samples - 1) * s.dt).toFixed(1)} ${s.unit}, sample ${Math.min(p[0], s.samples - 1)}, trace ${i}` + (box ? ` · box ${box[2] - box[0]} samples × ${box[3] - box[1]} traces` : "");
    if (drag) { box = between(drag, p); paint(); }
  });
  const ask = () => { if (box) { send("ask", { box }); box = null; } };
  canvas.addEventListener("pointerup", (e) => { if (!drag) return; const b = between(drag, place(e)); drag = null; if (b[2] - b[0] < 3 && b[3] - b[1] < 3) { box = null; paint(); return; } box = b; paint(); ask(); });
  canvas.addEventListener("keydown", (e) => {
    const { s } = frame(), n = lines(), at = n.indexOf(s.line), arrow = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[e.key];
    if (arrow && e.shiftKey && box) { const [dy, dx] = arrow.map((v) => v * 8), ty = clamp(box[0] + dy, 0, s.samples - (box[2] - box[0])), tx = clamp(box[1] + dx, 0, s.traces - (box[3] - box[1])); box = [ty, tx, ty + box[2] - box[0], tx + box[3] - box[1]]; paint(); }
    else if (e.key === "ArrowLeft") go(at - 1); else if (e.key === "ArrowRight") go(at + 1);
    else if (e.key === "x") { const kinds = Object.keys(info.lines[s.source]).filter((k) => info.lines[s.source][k].length); send("show", { kind: kinds[(kinds.indexOf(s.kind) + 1) % kinds.length] }); }
    else if (e.key === "b") { const [h, w] = [Math.min(info.window[0], s.samples), Math.min(info.window[1], s.traces)], t = Math.floor((s.samples - h) / 2), l = Math.floor((s.traces - w) / 2); box = [t, l, t + h, l + w]; paint(); }
    else if (e.key === "Enter") ask(); else if (e.key === "Escape") { box = null; paint(); }
    else if (e.key === "n" || e.key === "p") { if (hits().length) send("follow", { place: clamp(current + (e.key === "n" ? 1 : -1), 0, hits().length - 1) }); }
    else if ((e.key === "+" || e.key === "-") && current >= 0) send("refine", { place: current, sign: e.key === "+" ? 1 : -1 });
    else if (e.key === "l" && may && current >= 0) { name.focus(); } else return;
    e.preventDefault();
  });
  name.addEventListener("keydown", (e) => { if (e.key === "Enter") send("label", current >= 0 ? { name: name.value, place: current } : { name: name.value }); });

  // gallery
  function list() {
    const all = hits(); root.querySelector(".rc-count").textContent = all.length ? `${all.length} hits` : "hits";
    gallery.replaceChildren(...all.map((h, i) => {
      const card = el("div", { className: `rc-hit${i === current ? " current" : ""}${h.sign > 0 ? " positive" : h.sign < 0 ? " negative" : ""}`, tabIndex: 0 });
      card.dataset.id = h.id;
      const follow = () => send("follow", { place: i });
      card.append(el("img", { src: h.thumb, alt: `hit ${h.rank}`, onclick: follow }), el("div", {},
        el("div", { className: "rc-what" }, `${h.rank}  ${h.label ? h.label + " (labelled)" : h.guess ? `${h.guess} ${h.guess_probability.toFixed(2)}` : ""}`),
        el("div", { className: "rc-where" }, [h.place, h.probability === null ? null : `like it with p = ${h.probability.toFixed(2)}`, `distance ${h.distance.toFixed(3)}`, h.xy].filter((t) => t).join(" · ")),
        el("div", { className: "rc-act" }, el("button", { className: "rc-go", onclick: follow }, "go"), el("button", { className: "rc-plus", title: "like this", onclick: () => send("refine", { place: i, sign: 1 }) }, "+"),
          el("button", { className: "rc-minus", title: "not like this", onclick: () => send("refine", { place: i, sign: -1 }) }, "−"), may ? el("button", { className: "rc-label", onclick: () => send("label", { place: i, name: name.value }) }, "label") : null)));
      return card;
    }));
  }

  // charts
  const fit = (points, w, h, same) => {
    const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]), lo = [Math.min(...xs), Math.min(...ys)], hi = [Math.max(...xs), Math.max(...ys)], pad = 18;
    let kx = (w - 2 * pad) / Math.max(hi[0] - lo[0], 1e-9), ky = (h - 2 * pad) / Math.max(hi[1] - lo[1], 1e-9); if (same) kx = ky = Math.min(kx, ky);
    return (p) => [pad + (p[0] - lo[0]) * kx + ((w - 2 * pad) - (hi[0] - lo[0]) * kx) / 2, h - pad - (p[1] - lo[1]) * ky - ((h - 2 * pad) - (hi[1] - lo[1]) * ky) / 2];
  };
  function chart() {
    const [g, w, h] = size(map), c = model.get("chart"), points = [...(c.outline || []), ...(c.hits || []).map((p) => [p.x, p.y])];
    g.clearRect(0, 0, w, h); if (!points.length) return;
    const at = fit(points, w, h, c.metric); g.font = "11px system-ui"; g.fillStyle = "#555"; g.fillText(c.name, 6, 12);
    if (c.outline && c.outline.length) { g.beginPath(); c.outline.forEach((p, i) => g[i ? "lineTo" : "moveTo"](...at(p))); g.closePath(); g.fillStyle = "#f2f2f2"; g.fill(); g.strokeStyle = "#888"; g.stroke(); }
    if (c.line && c.line.length) { g.beginPath(); c.line.forEach((p, i) => g[i ? "lineTo" : "moveTo"](...at(p))); g.strokeStyle = "#0072b2"; g.lineWidth = 1.5; g.stroke(); g.lineWidth = 1; }
    for (const p of c.hits || []) { const [x, y] = at([p.x, p.y]); g.beginPath(); g.arc(x, y, 5, 0, 7); g.fillStyle = shade(p.p); g.fill(); g.strokeStyle = "#222"; g.stroke(); g.fillStyle = "#222"; g.fillText(p.rank, x + 7, y - 4); }
  }
  let spots = [];
  function scatter() {
    const [g, w, h] = size(cloud), c = model.get("cloud"), s = model.get("shades"); g.clearRect(0, 0, w, h); spots = [];
    if (!(c.points || []).length) return;
    const at = fit(c.points, w, h, false); spots = c.points.map(at);
    const order = spots.map((_, i) => i); if (s.length) order.sort((a, b) => s[a] - s[b]);
    for (const i of order) { g.fillStyle = s.length ? shade(s[i] / 255) : "#8aa"; g.fillRect(spots[i][0] - 1.5, spots[i][1] - 1.5, 3, 3); }
    if (lasso) { g.beginPath(); lasso.forEach((p, i) => g[i ? "lineTo" : "moveTo"](...p)); g.strokeStyle = "#d55e00"; g.lineWidth = 2; g.stroke(); }
  }
  const spot = (e) => { const r = cloud.getBoundingClientRect(); return [e.clientX - r.left, e.clientY - r.top]; };
  const within = (p, poly) => { let on = false; for (let i = 0, j = poly.length - 1; i < poly.length; j = i++) if (poly[i][1] > p[1] !== poly[j][1] > p[1] && p[0] < ((poly[j][0] - poly[i][0]) * (p[1] - poly[i][1])) / (poly[j][1] - poly[i][1]) + poly[i][0]) on = !on; return on; };
  cloud.addEventListener("pointerdown", (e) => { cloud.setPointerCapture(e.pointerId); lasso = [spot(e)]; });
  cloud.addEventListener("pointermove", (e) => { if (lasso && e.buttons) { lasso.push(spot(e)); scatter(); } });
  cloud.addEventListener("pointerup", () => { if (!lasso) return; const rows = model.get("cloud").rows, chosen = lasso.length > 2 ? spots.map((p, i) => (within(p, lasso) ? rows[i] : -1)).filter((i) => i >= 0) : []; lasso = null; scatter(); if (chosen.length) send("lasso", { rows: chosen }); });

  // what Python says
  const onSection = async () => {
    const s = model.get("section"); survey.value = s.source; const kinds = Object.entries(info.lines[s.source] || {}).filter(([, n]) => n.length).map(([k]) => k);
    kind.replaceChildren(...kinds.map((k) => el("option", { value: k }, k))); kind.value = s.kind; slider.max = lines().length - 1; slider.value = lines().indexOf(s.line); number.value = s.line;
    const image = await picture(s.png); images.section = image; if (box && s.moved) box = null; paint();
  };
  const onHeat = async () => { images.heat = await picture(model.get("heat").png); paint(); };
  const onView = () => { const v = model.get("view"); heat.replaceChildren(...v.heats.map((n) => el("option", { value: n }, n))); heat.value = v.heat; cmap.value = v.cmap; where.value = v.expression || ""; weight.hidden = typeof v.look !== "number"; if (!weight.hidden) look.value = v.look; current = v.current; list(); paint(); const card = gallery.querySelector(".current"); if (card) card.scrollIntoView({ block: "nearest" }); };
  const onStatus = () => { const s = model.get("status"); said.textContent = s.text; status.classList.toggle("error", s.kind === "error"); progress.hidden = cancel.hidden = s.progress === null; if (s.progress !== null) progress.value = s.progress; status.dataset.n = s.n; };
  const onLabels = () => { const l = model.get("labels"); kept.textContent = l.text; classes.replaceChildren(...l.classes.map((c) => el("option", { value: c }))); };
  const onHits = () => { if (!hits().length) current = -1; list(); paint(); chart(); };
  const on = { section: onSection, heat: onHeat, view: onView, status: onStatus, labels: onLabels, hits: onHits, query: paint, chart, cloud: scatter, shades: scatter };
  for (const [k, f] of Object.entries(on)) model.on(`change:${k}`, f);
  for (const f of [onView, onSection, onHeat, onStatus, onLabels, chart, scatter]) f();
  const resized = new ResizeObserver(() => { paint(); chart(); scatter(); }); resized.observe(canvas); resized.observe(map);
  return () => { resized.disconnect(); for (const [k, f] of Object.entries(on)) model.off(`change:${k}`, f); };
}
export default { render };
