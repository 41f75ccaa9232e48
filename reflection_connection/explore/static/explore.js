// The explorer's face: draws what Python computes, and tells Python what was done.
// All text goes in as text, never as HTML.

// ---- elements and numbers

function setProperty(element, name, value) {
  if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
  else if (name in element && name !== 'list') element[name] = value;
  else element.setAttribute(name, value);
}

function el(tag, properties = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) setProperty(element, name, value);
  element.append(...inside.filter((part) => part !== null && part !== undefined));
  return element;
}

const button = (className, text, onclick, more = {}) =>
  el('button', { className, onclick, ...more }, text);

const choices = (values, names = values) =>
  values.map((value, i) => el('option', { value }, names[i]));

const clamp = (value, lo, hi) => Math.min(Math.max(value, lo), hi);

function picture(source) {
  return new Promise((done) => {
    if (!source) return done(null);
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => done(null);
    image.src = source;
  });
}

function niceStep(span, parts) {
  const raw = span / parts;
  const power = 10 ** Math.floor(Math.log10(raw));
  const first = raw / power;
  if (first < 1.5) return power;
  if (first < 3.5) return 2 * power;
  return first < 7.5 ? 5 * power : 10 * power;
}

const VIRIDIS = [
  '#440154',
  '#482878',
  '#3e4a89',
  '#31688e',
  '#26838f',
  '#1f9d8a',
  '#6cce5a',
  '#b6de2b',
  '#fee825',
];
// [red, green, blue] of 256 steps from the lowest value to the highest
const RAMP = Array.from({ length: 256 }, (_, i) => {
  const at = (i / 255) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mix = (k) => part(VIRIDIS[low], k) * (1 - at + low) + part(VIRIDIS[low + 1], k) * (at - low);
  return [0, 1, 2].map(mix);
});
const MEANT = '#0072b2';
const NOT_MEANT = '#d55e00';
const HIT = '#8a6100';
const FOLLOWED = '#a3006d';
const DRAWN = '#009e73';

function shade(value) {
  if (value === null || value === undefined) return '#999';
  return VIRIDIS[clamp(Math.floor(value * VIRIDIS.length), 0, VIRIDIS.length - 1)];
}

// ---- drawing

// the context of a canvas, cleared, in CSS pixels whatever the screen's resolution
function context(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const g = canvas.getContext('2d');
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  return { g, width, height };
}

function trace(g, points) {
  g.beginPath();
  points.forEach((point, i) => g[i ? 'lineTo' : 'moveTo'](...point));
}

// grey levels of a picture, 0: no data
function levelsOf(image) {
  const canvas = el('canvas', { width: image.width, height: image.height });
  const g = canvas.getContext('2d', { willReadFrequently: true });
  g.drawImage(image, 0, 0);
  const { data } = g.getImageData(0, 0, image.width, image.height);
  return { canvas, levels: Uint8Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]) };
}

// colours values by how high they are; below `cut` (a share of the range) they are clear
function colourise({ canvas, levels }, cut) {
  const g = canvas.getContext('2d');
  const image = g.createImageData(canvas.width, canvas.height);
  levels.forEach((level, i) => {
    const share = (level - 1) / 254;
    if (!level || share < cut) return;
    image.data.set(RAMP[level], 4 * i);
    image.data[4 * i + 3] = 255 * (0.25 + (0.75 * (share - cut)) / Math.max(1 - cut, 0.01));
  });
  g.putImageData(image, 0, 0);
}

// a function from data to pixels, and its inverse; `same`: the same scale along both axes
function fit(points, width, height, same) {
  const pad = 18;
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  const lo = [Math.min(...xs), Math.min(...ys)];
  const span = [Math.max(...xs) - lo[0], Math.max(...ys) - lo[1]];
  const room = [width - 2 * pad, height - 2 * pad];
  let scale = room.map((pixels, i) => pixels / Math.max(span[i], 1e-9));
  if (same) scale = scale.map(() => Math.min(...scale));
  const spare = room.map((pixels, i) => (pixels - span[i] * scale[i]) / 2);
  const at = (p) => [
    pad + (p[0] - lo[0]) * scale[0] + spare[0],
    height - pad - (p[1] - lo[1]) * scale[1] - spare[1],
  ];
  at.inverse = ([x, y]) => [
    lo[0] + (x - pad - spare[0]) / scale[0],
    lo[1] + (height - pad - spare[1] - y) / scale[1],
  ];
  return at;
}

// ---- messages to Python

// a list of the model's state; what was not sent yet is empty
function listOf(model, name) {
  const value = model.get(name);
  return Array.isArray(value) ? value : [];
}

// numbers messages, so that the page knows what is done and what is waited for
function makeSender(model) {
  const name = Math.random().toString(36).slice(2, 12);
  const waiting = new Map(); // number of a message -> when it was sent; those one waits for
  const flying = new Map(); // action -> number of its message, of which only the newest counts
  const wanted = new Map(); // action -> arguments to send as soon as the one before is answered
  let last = 0;

  function pass(action, given, quiet = false) {
    last += 1;
    if (!quiet) waiting.set(last, performance.now());
    model.send({ action, ...given, ticket: [name, last] });
    return last;
  }

  // at most one message of an action on its way; of those that come meanwhile, the newest
  function latest(action, given, quiet) {
    if (flying.has(action)) wanted.set(action, { given, quiet });
    else flying.set(action, pass(action, given, quiet));
  }

  function flush() {
    for (const [action, { given, quiet }] of wanted) flying.set(action, pass(action, given, quiet));
    wanted.clear();
  }

  function send(action, given = {}) {
    flush(); // what was wanted before comes before
    if (action === 'cancel') model.send({ action });
    else pass(action, given);
  }

  function onAnswered() {
    const [whose, number] = listOf(model, 'answered');
    if (whose !== name) return;
    for (const n of [...waiting.keys()]) if (n <= number) waiting.delete(n);
    for (const [action, n] of [...flying]) {
      if (n > number) continue;
      flying.delete(action);
      if (!wanted.has(action)) continue;
      const { given, quiet } = wanted.get(action);
      wanted.delete(action);
      latest(action, given, quiet);
    }
  }

  // seconds that the oldest message has waited; 0: nothing is waited for
  function waited() {
    const oldest = Math.min(...waiting.values());
    return waiting.size ? (performance.now() - oldest) / 1000 : 0;
  }

  return { send, latest, onAnswered, waited, isWanted: (action) => wanted.has(action) };
}

function isInside([x, y], polygon) {
  let inside = false;
  let [lastX, lastY] = polygon[polygon.length - 1];
  for (const [nextX, nextY] of polygon) {
    const crosses = nextY > y !== lastY > y;
    if (crosses && x < ((lastX - nextX) * (y - nextY)) / (lastY - nextY) + nextX) inside = !inside;
    [lastX, lastY] = [nextX, nextY];
  }
  return inside;
}

// ---- controls

// a range or number field with its value written beside it
function range(className, [min, max, step], value, more = {}) {
  return el('input', { type: 'range', className, min, max, step, value, ...more });
}

function numberField(className, [min, max, step], value, more = {}) {
  return el('input', { type: 'number', className, min, max, step, value, ...more });
}

// which line is shown
function makeLineControls(page) {
  const { info, send, latest } = page;
  let dragging = false; // the slider's thumb is held
  const showLine = (i) => {
    const lines = page.lines();
    if (!lines.length) return;
    const wanted = lines[clamp(i, 0, lines.length - 1)];
    number.value = wanted;
    page.showNow(wanted);
    latest('show', { number: wanted });
  };
  const survey = el(
    'select',
    { className: 'rc-survey', onchange: () => send('show', { source: survey.value }) },
    ...choices(info.sources, info.names),
  );
  const kind = el('select', {
    className: 'rc-kind',
    ariaLabel: 'type of line',
    onchange: () => send('show', { kind: kind.value }),
  });
  const slider = el('input', {
    type: 'range',
    className: 'rc-slider',
    ariaLabel: 'line, by its place',
    min: 0,
    oninput: () => showLine(+slider.value),
    onpointerdown: () => (dragging = true),
    onchange: () => (dragging = false),
    onpointerup: () => (dragging = false),
  });
  const number = el('input', {
    type: 'number',
    className: 'rc-line',
    ariaLabel: 'number of the line',
    onchange: () => send('show', { number: +number.value }),
  });

  function onSection(section) {
    survey.value = section.source;
    kind.replaceChildren(...choices(page.kinds()));
    kind.value = section.kind;
    slider.max = page.lines().length - 1;
    if (page.sender.isWanted('show')) return; // another line is on its way
    if (!dragging) slider.value = page.lines().indexOf(section.line);
    number.value = section.line;
  }

  const parts = [el('label', {}, 'survey', survey), el('label', {}, 'line', kind, slider, number)];
  const place = () => page.lines().indexOf(+number.value); // of the line that is wanted
  return { parts, showLine, place, onSection };
}

// what counts as similar, and where
function makeQuestionControls(page) {
  const { send, latest } = page;
  const look = range('rc-look', [0, 1, 0.05], 0.5, {
    title:
      'what counts as similar: the same kind of structure, or the same look; ' +
      'double-click: as the encoder weighs them',
    ariaLabel: 'from the same kind of structure to the same look',
    oninput: () => latest('weigh', { look: +look.value }),
    ondblclick: () => send('weigh'),
  });
  const weight = el('label', { className: 'rc-weight' }, 'kind', look, 'look');
  const where = el('input', {
    type: 'text',
    className: 'rc-where',
    placeholder: 'filter: time_ms < 1500',
    size: 18,
    onchange: () => send('filter', { expression: where.value }),
  });
  const form = el(
    'select',
    { className: 'rc-form', ariaLabel: 'format of the map' },
    ...choices(['.sgy', '.npy', '.zarr']),
  );
  const write = button('rc-export', 'write map', () => send('export', { suffix: form.value }));

  function onView(view) {
    where.value = view.expression || '';
    weight.hidden = typeof view.look !== 'number';
    if (!weight.hidden && !page.sender.isWanted('weigh')) look.value = view.look;
  }

  const parts = [
    weight,
    el('label', {}, 'only', where),
    el('label', {}, write, form),
    ...makeTake(page),
    button('rc-clear', 'new question', () => send('clear')),
  ];
  return { parts, onView };
}

// hits, labels and geobodies as files, where Python offers it
function makeTake(page) {
  const takes = page.info.takes;
  if (!takes) return [];
  const what = el(
    'select',
    { className: 'rc-take-what', ariaLabel: 'what to take away' },
    ...choices(takes.what),
  );
  const format = el(
    'select',
    { className: 'rc-take-format', ariaLabel: 'format of the file' },
    ...choices(takes.formats),
  );
  const take = button('rc-take', 'take', () =>
    page.send('take', { what: what.value, format: format.value }),
  );
  return [el('span', { className: 'rc-takes' }, take, what, format)];
}

// the browser keeps a file that Python has made, each once
function makeDownloads(page) {
  const taken = () => page.model.get('taken') || {};
  let last = taken().n;

  return function onTaken() {
    const { name, mime, data, n } = taken();
    if (n === undefined || n === last) return;
    last = n;
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const href = URL.createObjectURL(new Blob([bytes], { type: mime }));
    el('a', { href, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  };
}

// amplitudes: brightness, clip, colours, aspect
function makeAmplitudeControls(page) {
  const { send, latest } = page;
  const gain = range('rc-gain', [-2, 3, 0.25], 0, {
    oninput: () => latest('look', { gain: 2 ** +gain.value }),
  });
  const clip = numberField('rc-clip', [50, 100, 0.5], 99, {
    title: 'amplitudes beyond this percentile of the volume are clipped',
    onchange: () => send('look', { clip: +clip.value }),
  });
  const cmap = el(
    'select',
    { className: 'rc-cmap', onchange: () => send('look', { cmap: cmap.value }) },
    ...choices(page.info.cmaps),
  );

  function onView(view) {
    cmap.value = view.cmap;
    clip.value = view.clip;
    if (!page.sender.isWanted('look')) gain.value = Math.log2(view.gain);
  }

  const parts = [
    el('label', {}, 'gain', gain),
    el('label', {}, 'clip', clip, '%'),
    el('label', {}, 'colours', cmap),
  ];
  return { parts, onView };
}

// stretched to fit, or as the earth is
function makeAspectControls(page) {
  const changed = () => page.setAspect();
  const whole = button('rc-whole', 'whole', () => page.whole(), {
    title: 'the whole line (0, or double click on the section)',
  });
  const isTrue = button('rc-aspect', 'true scale', () => {
    isTrue.ariaPressed = String(isTrue.ariaPressed !== 'true');
    more.hidden = isTrue.ariaPressed !== 'true';
    changed();
  });
  isTrue.ariaPressed = 'false';
  const exaggeration = numberField('rc-exaggeration', [0.1, 50, 0.5], 1, { oninput: changed });
  const velocity = numberField('rc-velocity', [300, 9000, 100], 2000, { oninput: changed });
  const speed = el('label', {}, 'velocity', velocity, 'm/s');
  const more = el(
    'span',
    { className: 'rc-scale', hidden: true },
    el('label', {}, 'exaggeration', exaggeration),
    speed,
  );

  function onSection(section) {
    isTrue.disabled = !section.spacing;
    isTrue.title = section.spacing
      ? `traces ${section.spacing.toPrecision(4)} m apart`
      : 'the headers have no coordinates in metres or feet for this line';
    speed.hidden = section.domain !== 'time';
  }

  // pixels a sample for each pixel a trace; null: stretched
  function ratio({ spacing, domain, unit, dt }) {
    if (isTrue.ariaPressed !== 'true' || !spacing) return null;
    const metres =
      domain === 'time'
        ? ((dt / 1000) * +velocity.value) / 2
        : dt * (unit === 'ft' ? 0.3048 : 1);
    return ((metres / spacing) * +exaggeration.value) || null;
  }

  return { parts: [whole, isTrue, more], ratio, onSection };
}

// similarity over the section
function makeHeatControls(page) {
  const { send, latest } = page;
  const heat = el('select', {
    className: 'rc-heat',
    onchange: () => send('look', { heat: heat.value }),
  });
  const opacity = range('rc-opacity', [0, 1, 0.05], 0.6, {
    ariaLabel: 'how strongly the map is drawn',
    oninput: () => page.paint(),
  });
  const cut = range('rc-cut', [0, 1, 0.02], 0.6, {
    oninput: () => {
      page.recolour();
      latest('look', { cut: +cut.value });
    },
  });
  const value = el('output', { className: 'rc-cut-value' });

  function onView(view) {
    heat.replaceChildren(...choices(view.heats));
    heat.value = view.heat;
    if (!page.sender.isWanted('look') && document.activeElement !== cut) cut.value = view.cut;
  }

  function tellCut({ lo, hi }) {
    value.textContent = lo === undefined ? '' : (lo + +cut.value * (hi - lo)).toFixed(2);
  }

  const parts = [
    el('label', {}, 'map', heat, opacity),
    el('label', { title: 'the map is drawn above this value' }, 'above', cut, value),
  ];
  return { parts, heat, opacity, cut, onView, tellCut };
}

function makeControls(page) {
  const line = makeLineControls(page);
  const question = makeQuestionControls(page);
  const amplitude = makeAmplitudeControls(page);
  const aspect = makeAspectControls(page);
  const { heat, opacity, cut, ...overlay } = makeHeatControls(page);
  const bar = (...parts) => el('div', { className: 'rc-bar' }, ...parts);
  return {
    bars: [
      bar(...line.parts, ...question.parts),
      bar(...amplitude.parts, ...overlay.parts, ...aspect.parts),
    ],
    heat,
    opacity,
    cut,
    tellCut: overlay.tellCut,
    showLine: line.showLine,
    place: line.place,
    ratio: aspect.ratio,
    onSection(section) {
      line.onSection(section);
      aspect.onSection(section);
    },
    onView(view) {
      for (const part of [question, amplitude, overlay]) part.onView(view);
    },
  };
}

// ---- what is going on

const PATIENCE = 20; // seconds without an answer after which the page says so

function makeStatus(page) {
  const said = el('span', { className: 'rc-said', role: 'status' });
  const busy = el('span', { className: 'rc-busy', hidden: true }, 'working…');
  const progress = el('progress', { max: 1, hidden: true, ariaLabel: 'how far it is' });
  const stage = el('span', { className: 'rc-stage' });
  const cancel = button('rc-cancel', 'cancel', () => page.send('cancel'), { hidden: true });
  const line = el('div', { className: 'rc-status' }, busy, said, stage, progress, cancel);
  const lost = el('div', { className: 'rc-lost', role: 'alert', hidden: true });
  const problems = page.info.problems || [];
  const doubts = el(
    'ul',
    { className: 'rc-doubts', role: 'note', hidden: !problems.length },
    ...problems.map((problem) => el('li', {}, problem)),
  );

  // how far Python is: by the status line, or by a stage of a search
  function share() {
    const stages = page.model.get('stages');
    if (stages.running) return [stages.done / Math.max(1, stages.total), stages.stage];
    return [page.model.get('status').progress, ''];
  }

  function onStatus() {
    const status = page.model.get('status');
    const [done, name] = share();
    const running = done !== null && done !== undefined;
    said.textContent = status.text;
    stage.textContent = running && name ? `${name}: ${Math.round(100 * done)} %` : '';
    line.classList.toggle('error', status.kind === 'error');
    progress.hidden = !running;
    cancel.hidden = !running;
    if (running) progress.value = done;
    line.dataset.n = status.n;
  }

  function tellLost(text) {
    lost.hidden = !text;
    if (lost.textContent !== text) lost.textContent = text;
  }

  // called twice a second
  function watch() {
    const waited = page.sender.waited();
    const [done] = share();
    busy.hidden = waited < 0.2;
    if (page.isLost) tellLost(LOST);
    else if (waited < PATIENCE || typeof done === 'number') tellLost('');
    else tellLost(`no answer for ${Math.round(waited)} s: Python is still at work, or has stopped`);
  }

  return { line, lost, doubts, onStatus, watch };
}

const LOST =
  'the connection to Python is lost: nothing that you do here arrives; ' +
  'is refcon explore still running? Reload the page when it is';

// ---- the section

const MARGIN = { left: 56, top: 24, right: 6, bottom: 6 };

const CLOSEST = 24; // pixels a sample or trace, at most
const KEPT = 24; // lines that the page keeps

// which part of the section is seen: trace and sample at the upper left, and how large they are
function makeLens(page, controls, canvas) {
  const lens = { zoom: 1, x0: 0, y0: 0 };

  function room() {
    const outer = canvas.getBoundingClientRect();
    return {
      width: Math.max(1, outer.width - MARGIN.left - MARGIN.right),
      height: Math.max(1, outer.height - MARGIN.top - MARGIN.bottom),
    };
  }

  // pixels a trace and a sample when the whole line is seen
  function scales({ width, height }, section) {
    const traces = section.traces || 1;
    const samples = section.samples || 1;
    const ratio = controls.ratio(section);
    if (!ratio) return [width / traces, height / samples];
    const sx = Math.min(width / traces, height / (samples * ratio));
    return [sx, sx * ratio];
  }

  // where the section lies on the canvas
  function frame(section) {
    const { width, height } = room();
    const [sx, sy] = scales({ width, height }, section).map((scale) => scale * lens.zoom);
    const across = width / sx;
    const down = height / sy;
    lens.x0 = clamp(lens.x0, 0, Math.max(0, section.traces - across));
    lens.y0 = clamp(lens.y0, 0, Math.max(0, section.samples - down));
    return {
      width,
      height,
      sx,
      sy,
      x: (trace) => MARGIN.left + (trace - lens.x0) * sx,
      y: (sample) => MARGIN.top + (sample - lens.y0) * sy,
      trace: (x) => lens.x0 + (x - MARGIN.left) / sx,
      sample: (y) => lens.y0 + (y - MARGIN.top) / sy,
      box: [lens.y0, lens.x0, lens.y0 + down, lens.x0 + across],
    };
  }

  // nearer or farther; what lies under (x, y) stays there
  function zoomBy(factor, x, y, section) {
    const before = frame(section);
    const [sample, trace] = [before.sample(y), before.trace(x)];
    const closest = Math.max(1, (CLOSEST * lens.zoom) / Math.min(before.sx, before.sy));
    lens.zoom = clamp(lens.zoom * factor, 1, closest);
    const after = frame(section);
    lens.x0 = trace - (x - MARGIN.left) / after.sx;
    lens.y0 = sample - (y - MARGIN.top) / after.sy;
  }

  function panBy(x, y, section) {
    const { sx, sy } = frame(section);
    lens.x0 -= x / sx;
    lens.y0 -= y / sy;
  }

  // so that a box is seen
  function goTo([top, left, bottom, right], section) {
    const [y0, x0, y1, x1] = frame(section).box;
    if (top >= y0 && left >= x0 && bottom <= y1 && right <= x1) return;
    lens.x0 = (left + right) / 2 - (x1 - x0) / 2;
    lens.y0 = (top + bottom) / 2 - (y1 - y0) / 2;
  }

  const whole = () => Object.assign(lens, { zoom: 1, x0: 0, y0: 0 });
  return { frame, zoomBy, panBy, goTo, whole, isWhole: () => lens.zoom === 1 };
}

// lines that were sent, with their pictures; those to the left and right are fetched ahead
function makeLines(page) {
  const kept = new Map();
  let direction = 1;
  const name = (source, kind, line) => `${source}\n${kind}\n${line}`;

  function keep(section, image) {
    const key = name(section.source, section.kind, section.line);
    kept.delete(key);
    kept.set(key, { section, image });
    if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  }

  const of = ({ source, kind }, line) => kept.get(name(source, kind, line));

  function fetchAhead(section) {
    const lines = page.lines();
    const at = lines.indexOf(section.line);
    const next = [direction, -direction, 2 * direction].map((step) => lines[at + step]);
    const missing = next.find((line) => line !== undefined && !of(section, line));
    if (missing !== undefined) page.latest('peek', { number: missing }, true);
  }

  return {
    keep,
    of,
    fetchAhead,
    clear: () => kept.clear(),
    turn: (step) => (direction = Math.sign(step) || direction),
  };
}

// the pictures that lie on each other, and what is drawn over them
function makePainter(page, controls, canvas, lens) {
  const layers = { image: null, detail: null, heat: null }; // pictures, with where they lie

  function drawPart(g, at, image, [top, left, bottom, right]) {
    const x = at.x(left);
    const y = at.y(top);
    g.drawImage(image, x, y, at.x(right) - x, at.y(bottom) - y);
  }

  function drawHeat(g, at) {
    const { heat } = layers;
    if (!heat || controls.heat.value === 'none' || !page.isShown(heat.at)) return;
    const { step, canvas: coloured, contours } = heat;
    const half = 0.5 - step / 2;
    g.globalAlpha = +controls.opacity.value;
    const far = [half + coloured.height * step, half + coloured.width * step];
    drawPart(g, at, coloured, [half, half, ...far]);
    g.globalAlpha = 1;
    for (const line of contours) {
      trace(g, line.map(([t, s]) => [at.x(t + 0.5), at.y(s + 0.5)]));
      stroked(g, '#111', 3, 0.55);
      stroked(g, '#ffe45c', 1.25, 1);
    }
  }

  function stroked(g, strokeStyle, lineWidth, globalAlpha) {
    Object.assign(g, { strokeStyle, lineWidth, globalAlpha });
    g.stroke();
    g.globalAlpha = 1;
  }

  function drawPictures(g, at, section) {
    g.imageSmoothingEnabled = Math.min(at.sx, at.sy) < 12;
    g.imageSmoothingQuality = 'high';
    const all = [0, 0, section.samples, section.traces];
    if (layers.image) drawPart(g, at, layers.image, all);
    const { detail } = layers;
    if (detail && page.isShown(detail.at)) drawPart(g, at, detail.image, detail.box);
    g.imageSmoothingEnabled = true;
    drawHeat(g, at);
  }

  function drawVerticalAxis(g, at, { t0, dt, samples }) {
    const first = t0 + at.box[0] * dt;
    const last = Math.min(t0 + (at.box[2] - 1) * dt, t0 + (samples - 1) * dt);
    const step = niceStep(last - first, 7);
    g.textAlign = 'right';
    for (let z = Math.ceil(first / step) * step; z <= last; z += step) {
      const y = at.y((z - t0) / dt + 0.5);
      g.fillText(+z.toFixed(3), MARGIN.left - 6, y);
      g.fillRect(MARGIN.left - 4, y, 4, 1);
    }
  }

  function drawTraceAxis(g, at, { traces, across }) {
    const last = Math.min(traces, at.box[3]);
    const step = Math.max(1, Math.round(niceStep(last - at.box[1], 9)));
    g.textAlign = 'center';
    for (let i = Math.ceil(at.box[1] / step) * step; i < last; i += step) {
      const x = at.x(i + 0.5);
      if (x > MARGIN.left + 16) g.fillText(across[i], x, MARGIN.top - 9);
    }
  }

  function drawAxes(g, size, at, section) {
    g.fillStyle = '#fff';
    g.fillRect(0, 0, size.width, MARGIN.top);
    g.fillRect(0, 0, MARGIN.left, size.height);
    g.fillStyle = '#222';
    g.font = '11px system-ui';
    g.textBaseline = 'middle';
    drawVerticalAxis(g, at, section);
    drawTraceAxis(g, at, section);
    g.save();
    g.translate(10, MARGIN.top + at.height / 2);
    g.rotate(-Math.PI / 2);
    g.textAlign = 'center';
    g.fillText(section.zname, 0, 0);
    g.restore();
    g.textAlign = 'left';
    g.fillText(section.xname, 2, MARGIN.top - 9);
  }

  // a number outside the rectangle, so that what is in it stays to be seen
  function drawTag(g, x, y, bottom, color, text) {
    g.font = 'bold 11px system-ui';
    g.textAlign = 'left';
    g.textBaseline = 'middle';
    const above = y - 15 >= MARGIN.top ? y - 15 : bottom + 1;
    g.fillStyle = color;
    g.fillRect(x - 1, above, g.measureText(text).width + 7, 14);
    g.fillStyle = '#fff';
    g.fillText(text, x + 2.5, above + 7.5);
  }

  function drawRectangle(g, at, [top, left, bottom, right], color, width, text) {
    const [x, y] = [at.x(left), at.y(top)];
    const [wide, high] = [at.x(right) - x, at.y(bottom) - y];
    for (const [lineWidth, strokeStyle] of [
      [width + 2, 'rgba(255, 255, 255, 0.85)'],
      [width, color],
    ]) {
      Object.assign(g, { lineWidth, strokeStyle });
      g.strokeRect(x, y, wide, high);
    }
    if (text) drawTag(g, x, y, y + high, color, text);
  }

  function drawHits(g, at) {
    const drawOne = (hit, i) => {
      if (!page.isShown([hit.source, hit.line_kind, hit.line])) return;
      const place = [hit.top, hit.left, hit.top + hit.height, hit.left + hit.width];
      const followed = i === page.current;
      const [color, width] = followed ? [FOLLOWED, 3.5] : [HIT, 1.5];
      drawRectangle(g, at, place, color, width, String(hit.rank));
    };
    const hits = page.hits();
    for (let i = hits.length - 1; i >= 0; i--) if (i !== page.current) drawOne(hits[i], i);
    if (hits[page.current]) drawOne(hits[page.current], page.current);
  }

  function drawAsked(g, at) {
    for (const asked of page.model.get('query').boxes || []) {
      if (!page.isShown([asked.source, asked.kind, asked.line])) continue;
      const meant = asked.sign >= 0;
      drawRectangle(g, at, asked.box, meant ? MEANT : NOT_MEANT, 2, meant ? 'asked' : 'not');
    }
  }

  function drawMarks(g, at) {
    for (const mark of page.marks('horizon')) {
      trace(g, mark.points.map(([t, s]) => [at.x(t + 0.5), at.y(s + 0.5)]));
      stroked(g, '#fff', 4, 0.7);
      stroked(g, mark.colour, 2, 1);
    }
  }

  // the level of the map
  function drawLevel(g, at) {
    const plane = page.model.get('plane_shown');
    if (!['level', 'amplitude'].includes(plane.what)) return;
    const y = at.y(plane.sample + 0.5);
    trace(g, [
      [MARGIN.left, y],
      [MARGIN.left + at.width, y],
    ]);
    g.setLineDash([6, 4]);
    stroked(g, '#fff', 3, 0.8);
    stroked(g, '#0b5', 1.25, 1);
    g.setLineDash([]);
  }

  function paint(section, box) {
    const { g, ...size } = context(canvas);
    if (!section.traces) return;
    const at = lens.frame(section);
    g.save();
    g.beginPath();
    g.rect(MARGIN.left, MARGIN.top, at.width, at.height);
    g.clip();
    drawPictures(g, at, section);
    drawMarks(g, at);
    drawLevel(g, at);
    drawAsked(g, at);
    drawHits(g, at);
    if (box) drawRectangle(g, at, box, DRAWN, 2, '');
    g.restore();
    drawAxes(g, size, at, section);
    canvas.dataset.view = JSON.stringify({ left: at.x(0), top: at.y(0), sx: at.sx, sy: at.sy });
  }

  return { layers, paint };
}

// amplitudes and similarity by their colours
function makeColourBar(page, controls) {
  const canvas = el('canvas', { className: 'rc-colours' });
  canvas.setAttribute('aria-label', 'colour bars of amplitude and similarity');

  function drawScale(g, [top, bottom], colours, [lo, hi], name) {
    const gradient = g.createLinearGradient(0, bottom, 0, top);
    colours.forEach((colour, i) => gradient.addColorStop(i / (colours.length - 1), colour));
    g.fillStyle = gradient;
    g.fillRect(4, top, 14, bottom - top);
    g.strokeStyle = '#777';
    g.strokeRect(4.5, top + 0.5, 13, bottom - top - 1);
    g.fillStyle = '#222';
    g.fillText(name, 4, top - 9);
    const step = niceStep(hi - lo, 4);
    for (let v = Math.ceil(lo / step) * step; v <= hi + 1e-9; v += step) {
      const y = bottom - ((v - lo) / (hi - lo)) * (bottom - top);
      g.fillText(Number(v.toPrecision(3)).toLocaleString('en'), 22, clamp(y, top + 5, bottom - 5));
    }
  }

  function markCut(g, [top, bottom], cut) {
    const y = bottom - cut * (bottom - top);
    g.fillStyle = '#111';
    g.fillRect(2, y - 1, 18, 2);
  }

  function draw(section) {
    const { g, height } = context(canvas);
    if (!section.traces) return;
    Object.assign(g, { font: '10.5px system-ui', textBaseline: 'middle', textAlign: 'left' });
    const heat = page.model.get('heat');
    const half = height * (heat.png ? 0.55 : 0.94);
    drawScale(g, [22, half], section.colours, [-section.top, section.top], 'amplitude');
    if (!heat.png) return;
    const place = [half + 30, height - 6];
    drawScale(g, place, VIRIDIS, [heat.lo, heat.hi], controls.heat.value.slice(0, 11));
    markCut(g, place, +controls.cut.value);
  }

  return { canvas, draw };
}

function makeSection(page, controls) {
  const canvas = el('canvas', { className: 'rc-section', tabIndex: 0 });
  canvas.setAttribute(
    'aria-label',
    'section: drag a rectangle to ask where else it looks like this; ' +
      'the wheel zooms, shift and drag moves, double click shows the whole line',
  );
  const read = el('div', { className: 'rc-read' });
  const lens = makeLens(page, controls, canvas);
  const lines = makeLines(page);
  const painter = makePainter(page, controls, canvas, lens);
  const colours = makeColourBar(page, controls);
  let shown = {}; // the line that is drawn; Python may already be at another
  let early = null; // number of a line that is drawn before Python has answered
  let box = null; // [top, left, bottom, right]
  let start = null; // [sample, trace] where a rectangle begins
  let held = null; // [x, y] of the pointer while it moves the section
  let later = null; // timer of what is done when nothing moves any more

  const section = () => shown;

  function paint() {
    painter.paint(shown, box);
    colours.draw(shown);
  }

  function setBox(value) {
    box = value;
    paint();
  }

  function ask() {
    if (!box) return;
    page.send('ask', { box });
    box = null;
  }

  // when nothing moves: the detail of what is seen, and the lines to the left and right
  function settle() {
    clearTimeout(later);
    later = setTimeout(() => {
      if (shown.reduced) askForDetail();
      lines.fetchAhead(shown);
    }, 150);
  }

  function askForDetail() {
    const at = lens.frame(shown);
    const [top, left, bottom, right] = at.box;
    const seen = [Math.floor(top), Math.floor(left), Math.ceil(bottom), Math.ceil(right)];
    const ratio = window.devicePixelRatio || 1;
    const size = [at.height, at.width].map((pixels) => Math.round(pixels * ratio));
    page.latest('zoom', { box: seen, size }, true);
  }

  function moved() {
    paint();
    settle();
  }

  function zoomBy(factor, x, y) {
    lens.zoomBy(factor, x, y, shown);
    moved();
  }

  function whole() {
    lens.whole();
    moved();
  }

  // sample and trace under the pointer
  function under(event) {
    const outer = canvas.getBoundingClientRect();
    const at = lens.frame(shown);
    return [
      clamp(Math.floor(at.sample(event.clientY - outer.top)), 0, shown.samples),
      clamp(Math.floor(at.trace(event.clientX - outer.left)), 0, shown.traces),
    ];
  }

  function between(a, b) {
    const { samples, traces } = section();
    return [
      Math.min(a[0], b[0], samples),
      Math.min(a[1], b[1], traces),
      Math.min(Math.max(a[0], b[0]) + 1, samples),
      Math.min(Math.max(a[1], b[1]) + 1, traces),
    ];
  }

  function readOut([s, t]) {
    const { samples, traces, across, t0, dt, unit, xname } = section();
    const sample = Math.min(s, samples - 1);
    const trace = Math.min(t, traces - 1);
    const parts = [
      `${xname} ${across[trace]}`,
      `${(t0 + sample * dt).toFixed(1)} ${unit}`,
      `sample ${sample}`,
      `trace ${trace}`,
    ];
    const size = box && ` · box ${box[2] - box[0]} samples × ${box[3] - box[1]} traces`;
    read.textContent = parts.join(', ') + (size || '');
  }

  // ---- pointer

  function press(event) {
    if (event.button > 1 || !shown.traces) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    if (event.button === 1 || event.shiftKey) {
      held = [event.clientX, event.clientY];
      return;
    }
    start = under(event);
    setBox(null);
  }

  function move(event) {
    if (!shown.traces) return;
    if (held) {
      lens.panBy(event.clientX - held[0], event.clientY - held[1], shown);
      held = [event.clientX, event.clientY];
      moved();
      return;
    }
    const place = under(event);
    readOut(place);
    if (start) setBox(between(start, place));
  }

  function release(event) {
    held = null;
    if (!start) return;
    const drawn = between(start, under(event));
    start = null;
    const click = drawn[2] - drawn[0] < 3 && drawn[3] - drawn[1] < 3;
    setBox(click ? null : drawn);
    ask();
  }

  function turnWheel(event) {
    if (!shown.traces) return;
    event.preventDefault();
    const outer = canvas.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 30 : 1; // some mice count lines
    const factor = 2 ** (-clamp(event.deltaY * lines, -200, 200) / 200);
    zoomBy(factor, event.clientX - outer.left, event.clientY - outer.top);
  }

  // ---- keys

  const ARROWS = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
  };

  function panByKey([down, right]) {
    const { width, height } = lens.frame(shown);
    lens.panBy((-right * width) / 8, (-down * height) / 8, shown);
    moved();
  }

  function zoomByKey(factor) {
    const { width, height } = lens.frame(shown);
    zoomBy(factor, MARGIN.left + width / 2, MARGIN.top + height / 2);
  }

  function moveBox([down, right]) {
    const { samples, traces } = section();
    const [height, width] = [box[2] - box[0], box[3] - box[1]];
    const top = clamp(box[0] + 8 * down, 0, samples - height);
    const left = clamp(box[1] + 8 * right, 0, traces - width);
    setBox([top, left, top + height, left + width]);
  }

  function boxInTheMiddle() {
    const { samples, traces } = section();
    const height = Math.min(page.info.window[0], samples);
    const width = Math.min(page.info.window[1], traces);
    const top = Math.floor((samples - height) / 2);
    const left = Math.floor((traces - width) / 2);
    setBox([top, left, top + height, left + width]);
  }

  function otherKind() {
    const kinds = page.kinds();
    const next = (kinds.indexOf(section().kind) + 1) % kinds.length;
    page.send('show', { kind: kinds[next] });
  }

  function followNext(step) {
    const n = page.hits().length;
    if (n) page.send('follow', { place: clamp(page.current + step, 0, n - 1) });
  }

  function nextLine(step) {
    lines.turn(step);
    controls.showLine(controls.place() + step);
  }

  const refine = (sign) => page.send('refine', { place: page.current, sign });

  const KEYS = {
    ArrowLeft: () => nextLine(-1),
    ArrowRight: () => nextLine(1),
    x: otherKind,
    b: boxInTheMiddle,
    Enter: ask,
    Escape: () => setBox(null),
    i: () => zoomByKey(1.5),
    o: () => zoomByKey(1 / 1.5),
    0: whole,
    n: () => followNext(1),
    p: () => followNext(-1),
  };
  const KEYS_OF_A_HIT = {
    '+': () => refine(1),
    '-': () => refine(-1),
    ...(page.may ? { l: () => page.focusName() } : {}),
  };

  function onKey(event) {
    const arrow = ARROWS[event.key];
    let act = KEYS[event.key];
    if (!act && page.current >= 0) act = KEYS_OF_A_HIT[event.key];
    if (arrow && event.shiftKey) act = () => (box ? moveBox(arrow) : panByKey(arrow));
    if (!act) return;
    act();
    event.preventDefault();
  }

  canvas.addEventListener('pointerdown', press);
  canvas.addEventListener('pointermove', move);
  canvas.addEventListener('pointerup', release);
  canvas.addEventListener('pointercancel', () => (start = held = null));
  canvas.addEventListener('wheel', turnWheel, { passive: false });
  canvas.addEventListener('dblclick', whole);
  canvas.addEventListener('mousedown', (event) => event.button === 1 && event.preventDefault());
  canvas.addEventListener('keydown', onKey);

  // ---- what comes from Python

  function display({ section: next, image }) {
    if (next.source !== shown.source || next.kind !== shown.kind) {
      lens.whole();
      setBox(null);
    }
    shown = next;
    painter.layers.image = image;
    controls.onSection(shown);
    moved();
  }

  // a line that was already sent is drawn before Python answers
  function showNow(line) {
    const known = lines.of(shown, line);
    early = known ? line : null;
    if (known) display(known);
  }

  async function onSection() {
    const sent = page.model.get('section');
    if (!sent.png) return;
    const image = await picture(sent.png); // the old picture stays until this one is there
    if (sent !== page.model.get('section')) return;
    lines.keep(sent, image);
    const isLate = early !== null && sent.line !== early && page.sender.isWanted('show');
    if (!isLate) {
      early = null;
      display({ section: sent, image });
    }
    showFollowed();
  }

  function showFollowed() {
    const hit = page.hits()[page.current];
    if (!hit || lens.isWhole() || !page.isShown([hit.source, hit.line_kind, hit.line])) return;
    lens.goTo([hit.top, hit.left, hit.top + hit.height, hit.left + hit.width], shown);
    moved();
  }

  async function onAhead() {
    const sent = page.model.get('ahead');
    if (!sent.png) return;
    lines.keep(sent, await picture(sent.png));
    settle();
  }

  async function onDetail() {
    const sent = page.model.get('detail');
    if (!sent.png) return;
    const image = await picture(sent.png);
    painter.layers.detail = { image, box: sent.box, at: sent.at };
    paint();
  }

  async function onHeat() {
    const sent = page.model.get('heat');
    const image = await picture(sent.png);
    if (sent !== page.model.get('heat')) return;
    painter.layers.heat = image && { ...sent, ...levelsOf(image) };
    recolour();
  }

  function recolour() {
    const { heat } = painter.layers;
    controls.tellCut(heat || {});
    if (heat) colourise(heat, +controls.cut.value);
    paint();
  }

  return {
    element: el('div', { className: 'rc-picture' }, canvas, colours.canvas),
    canvas,
    read,
    section,
    paint,
    whole,
    moved,
    recolour,
    showNow,
    showFollowed,
    forget: lines.clear,
    onSection,
    onAhead,
    onDetail,
    onHeat,
  };
}

// ---- labels

function makeLabels(page) {
  const names = `rc-classes-${Math.random().toString(36).slice(2)}`;
  const name = el('input', {
    type: 'text',
    className: 'rc-name',
    placeholder: 'class',
    size: 14,
    list: names,
  });
  const classes = el('datalist', { id: names });
  const kept = el('span', { className: 'rc-kept' });
  const label = (place) =>
    page.send('label', { name: name.value, ...(place === undefined ? {} : { place }) });
  const bar = page.may
    ? el(
        'div',
        { className: 'rc-bar rc-labels' },
        el('label', {}, 'label', name, classes),
        button('rc-label-box', 'label the box', () => label()),
        button('rc-undo', 'undo', () => page.send('undo')),
        kept,
      )
    : el('div', { className: 'rc-bar rc-help' }, 'read-only: labels are off');

  name.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') label(page.current >= 0 ? page.current : undefined);
  });

  function onLabels() {
    const labels = page.model.get('labels');
    kept.textContent = labels.text;
    classes.replaceChildren(...labels.classes.map((value) => el('option', { value })));
  }

  return { bar, label, focus: () => name.focus(), onLabels };
}

// ---- horizons and polygons

function makeMarks(page) {
  const element = el('div', { className: 'rc-marks', role: 'group', hidden: true });
  element.setAttribute('aria-label', 'horizons and polygons');
  const off = new Set(); // names of those that are not drawn

  function switchFor({ name, colour }) {
    const box = el('input', {
      type: 'checkbox',
      checked: !off.has(name),
      onchange: () => {
        if (box.checked) off.delete(name);
        else off.add(name);
        page.repaint();
      },
    });
    const swatch = el('span', { className: 'rc-swatch' });
    swatch.style.background = colour;
    return el('label', {}, box, swatch, name);
  }

  // hits between two horizons alone
  const top = el('select', { className: 'rc-top', onchange: limit });
  const base = el('select', { className: 'rc-base', onchange: limit });
  const limits = el('label', { className: 'rc-between' }, 'hits between', top, 'and', base);

  function limit() {
    if (top.value && base.value) page.send('between', { top: top.value, base: base.value });
    else if (!top.value && !base.value) page.send('between');
  }

  function offerLimits() {
    const names = page.model.get('info').horizons || [];
    limits.hidden = names.length < 2;
    if (top.options.length === names.length + 1) return;
    for (const select of [top, base]) {
      select.replaceChildren(...choices(['', ...names], ['any', ...names]));
    }
  }

  function onMarks() {
    const marks = listOf(page.model, 'marks');
    const names = new Map(marks.map((mark) => [mark.name, mark])); // in parts, one switch
    element.hidden = !marks.length;
    offerLimits();
    element.replaceChildren(...[...names.values()].map(switchFor), limits);
    page.repaint();
  }

  const drawn = (kind) =>
    listOf(page.model, 'marks').filter((mark) => mark.kind === kind && !off.has(mark.name));
  return { element, onMarks, drawn };
}

// ---- examples

function makeExamples(page) {
  const element = el('div', { className: 'rc-examples', role: 'list', hidden: true });
  element.setAttribute('aria-label', 'examples of the question');

  function example({ thumb, name, sign }, place) {
    const what = sign > 0 ? 'meant' : 'not meant';
    return el(
      'div',
      { className: sign > 0 ? 'rc-example' : 'rc-example not', role: 'listitem', title: name },
      el('img', { src: thumb, alt: `${what}: ${name}` }),
      el('span', {}, what),
      button('rc-drop', '×', () => page.send('drop', { place }), {
        title: 'take it out of the question',
        ariaLabel: `take out: ${what}, ${name}`,
      }),
    );
  }

  function onQuery() {
    const examples = page.model.get('query').examples || [];
    element.hidden = !examples.length;
    element.replaceChildren(...examples.map(example));
  }

  return { element, onQuery };
}

// ---- hits

// hits by survey and geobody, in the order of the best hit of each
function grouped(hits) {
  const groups = new Map();
  hits.forEach((hit, i) => {
    const key = `${hit.survey || ''}\n${hit.body || ''}`;
    if (!groups.has(key)) groups.set(key, { key, hit, places: [] });
    groups.get(key).places.push(i);
  });
  return [...groups.values()];
}

function makeGallery(page, labels) {
  const count = el('h3', { className: 'rc-count' }, 'hits');
  const cards = el('div', { className: 'rc-gallery' });
  const folded = new Set(); // keys of groups

  function className(hit, i) {
    const names = ['rc-hit'];
    if (i === page.current) names.push('current');
    if (hit.sign > 0) names.push('positive');
    if (hit.sign < 0) names.push('negative');
    return names.join(' ');
  }

  function whatItIs(hit) {
    if (hit.label) return `${hit.label} (labelled)`;
    return hit.guess ? `${hit.guess} ${hit.guess_probability.toFixed(2)}` : '';
  }

  function whereItIs(hit) {
    const likely = hit.probability;
    const parts = [
      hit.place,
      likely === null ? null : `like it with p = ${likely.toFixed(2)}`,
      `similarity ${hit.similarity.toFixed(3)}`,
      hit.xy,
    ];
    return parts.filter((part) => part).join(' · ');
  }

  function card(hit, i) {
    const follow = () => page.send('follow', { place: i });
    const refine = (sign) => () => page.send('refine', { place: i, sign });
    const made = el(
      'div',
      {
        className: className(hit, i),
        tabIndex: 0,
        onkeydown: (event) => event.key === 'Enter' && event.target === made && follow(),
      },
      el('img', { src: hit.thumb, alt: `hit ${hit.rank}`, onclick: follow }),
      el(
        'div',
        {},
        el('div', { className: 'rc-what' }, `${hit.rank}  ${whatItIs(hit)}`),
        el('div', { className: 'rc-where' }, whereItIs(hit)),
        el(
          'div',
          { className: 'rc-act' },
          button('rc-go', 'go', follow),
          button('rc-plus', '+', refine(1), { title: 'like this' }),
          button('rc-minus', '−', refine(-1), { title: 'not like this' }),
          page.may ? button('rc-label', 'label', () => labels.label(i)) : null,
        ),
      ),
    );
    made.dataset.id = hit.id;
    return made;
  }

  function group({ key, hit, places }) {
    const hits = page.hits();
    const many = places.length === 1 ? '1 hit' : `${places.length} hits`;
    const name = [hit.survey, hit.body || 'in no geobody', many].filter((part) => part).join(' · ');
    const made = el(
      'details',
      {
        className: 'rc-group',
        open: !folded.has(key),
        ontoggle: () => (made.open ? folded.delete(key) : folded.add(key)),
      },
      el('summary', {}, name),
      ...places.map((i) => card(hits[i], i)),
    );
    return made;
  }

  let listed = null; // hits that the cards show

  function list() {
    const hits = page.hits();
    if (hits === listed) return showSigns();
    listed = hits;
    count.textContent = hits.length ? `${hits.length} hits` : 'hits';
    cards.replaceChildren(...grouped(hits).map(group));
  }

  // the same cards, when only another one is followed
  function showSigns() {
    const made = new Map([...cards.querySelectorAll('.rc-hit')].map((e) => [e.dataset.id, e]));
    page.hits().forEach((hit, i) => (made.get(hit.id).className = className(hit, i)));
  }

  function showCurrent() {
    const current = cards.querySelector('.current');
    if (!current) return;
    current.closest('details').open = true;
    current.scrollIntoView({ block: 'nearest' });
  }

  return { element: el('div', {}, count, cards), list, showCurrent };
}

// ---- charts

// what the map shows beside lines and hits
function makePlaneControls(page) {
  const names = {
    none: 'outline',
    level: 'similarity at a level',
    strongest: 'strongest similarity',
    amplitude: 'amplitude at a level',
  };
  const what = el(
    'select',
    { className: 'rc-plane', ariaLabel: 'what the map shows', onchange: () => ask() },
    ...choices(Object.keys(names), Object.values(names)),
  );
  const slider = range('rc-level', [0, 1, 1], 0, {
    ariaLabel: 'level of the map',
    oninput: () => {
      tell();
      ask({ sample: +slider.value });
    },
  });
  const value = el('output', { className: 'rc-level-value' });
  const level = el('span', { hidden: true }, slider, value);
  const element = el('span', { className: 'rc-planes' }, what, level);

  function ask(more = {}) {
    page.latest('plane', { what: what.value, ...more });
  }

  function tell() {
    const { t0, dt, unit } = page.section();
    value.textContent = `${+(t0 + +slider.value * dt).toFixed(1)} ${unit}`;
  }

  function onPlane() {
    const plane = page.model.get('plane_shown');
    level.hidden = !['level', 'amplitude'].includes(plane.what);
    if (plane.what && !page.sender.isWanted('plane')) what.value = plane.what;
    if (plane.sample === undefined) return;
    slider.max = page.section().samples - 1;
    if (!page.sender.isWanted('plane')) slider.value = plane.sample;
    tell();
  }

  // what lies below may have changed: another question, another volume
  function again() {
    const lines = page.linesOf();
    element.hidden = !(lines.inline && lines.inline.length);
    if (what.value !== 'none' && !element.hidden) page.latest('plane', {}, true);
  }

  return { element, onPlane, again };
}

function makeMap(page) {
  const canvas = el('canvas', { className: 'rc-map' });
  canvas.setAttribute('aria-label', 'map: click to go to the line there, with shift the crossing one');
  const plane = makePlaneControls(page);
  const layers = { base: null, heat: null };
  let at = null; // from coordinates to pixels

  function drawOutline(g, points) {
    trace(g, points);
    g.closePath();
    g.fillStyle = '#f2f2f2';
    g.fill();
    drawPlane(g, points);
    trace(g, points);
    g.closePath();
    g.strokeStyle = '#888';
    g.stroke();
  }

  // a picture of inlines (down) and crosslines (across) between the corners of the survey
  function drawBetween(g, image, [down, across, halfDown, halfAcross], [first, right, , below]) {
    const side = (to) => [to[0] - first[0], to[1] - first[1]];
    const [x, y] = [side(right), side(below)];
    g.save();
    g.transform(x[0], x[1], y[0], y[1], first[0], first[1]);
    const place = [-halfAcross, -halfDown, across + 2 * halfAcross, down + 2 * halfDown];
    g.drawImage(image, ...place);
    g.restore();
  }

  function drawPlane(g, corners) {
    if (corners.length !== 4 || page.model.get('plane_shown').what === 'none') return;
    if (layers.base) drawBetween(g, layers.base.image, layers.base.span, corners);
    if (!layers.heat) return;
    g.globalAlpha = layers.base ? page.opacity() : 1;
    drawBetween(g, layers.heat.canvas, layers.heat.span, corners);
    g.globalAlpha = 1;
  }

  function drawLine(g, points) {
    trace(g, points);
    g.strokeStyle = '#fff';
    g.lineWidth = 4;
    g.stroke();
    g.strokeStyle = MEANT;
    g.lineWidth = 2;
    g.stroke();
    g.lineWidth = 1;
  }

  // whether a hit lies at the level that is shown
  function isNear(hit) {
    const { what, sample } = page.model.get('plane_shown');
    const of = page.hits().find(({ rank }) => rank === hit.rank);
    if (!of || !['level', 'amplitude'].includes(what)) return true;
    return of.top <= sample && sample < of.top + of.height;
  }

  function drawHit(g, [x, y], hit) {
    const near = isNear(hit);
    g.beginPath();
    g.arc(x, y, near ? 5 : 3, 0, 7);
    g.fillStyle = near ? shade(hit.p) : 'rgba(255, 255, 255, 0.6)';
    g.fill();
    g.strokeStyle = '#222';
    g.stroke();
    if (!near) return;
    g.lineWidth = 3;
    g.strokeStyle = 'rgba(255, 255, 255, 0.85)';
    g.strokeText(hit.rank, x + 7, y - 4);
    g.lineWidth = 1;
    g.fillStyle = '#111';
    g.fillText(hit.rank, x + 7, y - 4);
  }

  function drawPolygon(g, { points, colour }) {
    trace(g, points.map(at));
    g.closePath();
    g.strokeStyle = colour;
    g.lineWidth = 2;
    g.stroke();
    g.lineWidth = 1;
  }

  function draw() {
    const { g, width, height } = context(canvas);
    const { outline = [], line = [], hits = [], metric, name } = page.model.get('chart');
    const points = [...outline, ...hits.map((hit) => [hit.x, hit.y])];
    at = null;
    if (!points.length) return;
    at = fit(points, width, height, metric);
    g.font = '11px system-ui';
    if (outline.length) drawOutline(g, outline.map(at));
    for (const polygon of page.marks('polygon')) drawPolygon(g, polygon);
    if (line.length) drawLine(g, line.map(at));
    for (const hit of hits) drawHit(g, at([hit.x, hit.y]), hit);
    g.fillStyle = '#555';
    g.fillText(name, 6, 12);
  }

  // how far a point is along inlines and crosslines, 0 to 1
  function shares([x, y]) {
    const [first, right, , below] = page.model.get('chart').outline;
    const [ax, ay] = [right[0] - first[0], right[1] - first[1]];
    const [bx, by] = [below[0] - first[0], below[1] - first[1]];
    const [px, py] = [x - first[0], y - first[1]];
    const area = ax * by - ay * bx;
    return { crossline: (px * by - py * bx) / area, inline: (ax * py - ay * px) / area };
  }

  function goThere(event) {
    const lines = page.linesOf();
    const { outline = [] } = page.model.get('chart');
    if (!at || outline.length !== 4 || !(lines.inline || []).length) return;
    const outer = canvas.getBoundingClientRect();
    const where = shares(at.inverse([event.clientX - outer.left, event.clientY - outer.top]));
    const crossing = page.section().kind === 'inline' ? 'crossline' : 'inline';
    const kind = event.shiftKey ? crossing : page.section().kind;
    if (!(where[kind] > -0.05 && where[kind] < 1.05)) return;
    const numbers = lines[kind];
    const number = numbers[Math.round(clamp(where[kind], 0, 1) * (numbers.length - 1))];
    page.send('show', { kind, number });
  }

  canvas.addEventListener('click', goThere);

  function recolour() {
    if (layers.heat) colourise(layers.heat, page.cut());
    draw();
  }

  async function onPlane() {
    const sent = page.model.get('plane_shown');
    plane.onPlane();
    page.repaint();
    if (sent.waiting) return;
    const [base, heat] = await Promise.all([picture(sent.base), picture(sent.heat)]);
    if (sent !== page.model.get('plane_shown')) return;
    layers.base = base && { image: base, span: sent.base_span };
    layers.heat = heat && { span: sent.heat_span, ...levelsOf(heat) };
    recolour();
  }

  return { canvas, controls: plane.element, again: plane.again, draw, recolour, onPlane };
}

function makeCloud(page) {
  const canvas = el('canvas', { className: 'rc-cloud' });
  let spots = []; // where windows are drawn
  let lasso = null; // what is being drawn around them

  function drawSpots(g, shades) {
    const order = spots.map((_, i) => i);
    if (shades.length) order.sort((a, b) => shades[a] - shades[b]);
    for (const i of order) {
      g.fillStyle = shades.length ? shade(shades[i] / 255) : '#8aa';
      g.fillRect(spots[i][0] - 1.5, spots[i][1] - 1.5, 3, 3);
    }
  }

  function draw() {
    const { g, width, height } = context(canvas);
    const { points = [] } = page.model.get('cloud');
    spots = [];
    if (!points.length) return;
    spots = points.map(fit(points, width, height, false));
    drawSpots(g, page.model.get('shades'));
    if (!lasso) return;
    trace(g, lasso);
    g.strokeStyle = NOT_MEANT;
    g.lineWidth = 2;
    g.stroke();
  }

  function under(event) {
    const outer = canvas.getBoundingClientRect();
    return [event.clientX - outer.left, event.clientY - outer.top];
  }

  function startLasso(event) {
    canvas.setPointerCapture(event.pointerId);
    lasso = [under(event)];
  }

  function moveLasso(event) {
    if (!lasso || !event.buttons) return;
    lasso.push(under(event));
    draw();
  }

  function endLasso() {
    if (!lasso) return;
    const around = lasso;
    lasso = null;
    draw();
    if (around.length < 3) return;
    const all = page.model.get('cloud').rows;
    const rows = all.filter((_, i) => isInside(spots[i], around));
    if (rows.length) page.send('lasso', { rows });
  }

  canvas.addEventListener('pointerdown', startLasso);
  canvas.addEventListener('pointermove', moveLasso);
  canvas.addEventListener('pointerup', endLasso);

  return { canvas, draw };
}

// ---- the page

function makeHelp(may) {
  const key = (name, what) => [el('kbd', {}, name), ` ${what}  `];
  return el(
    'div',
    { className: 'rc-bar rc-help' },
    el(
      'span',
      {},
      'Drag a rectangle on the section. Keys there: ',
      ...key('← →', 'line'),
      ...key('i o 0', 'nearer, farther, whole'),
      ...key('wheel', 'zoom'),
      ...key('shift + drag', 'move the section'),
      ...key('x', 'inline or crossline'),
      ...key('b', 'box in the middle'),
      ...key('shift + arrows', 'move it, or the section'),
      ...key('enter', 'ask'),
      ...key('n p', 'next, previous hit'),
      ...key('+ −', 'like it, not like it'),
      ...(may ? key('l', 'label it') : []),
    ),
  );
}

// what all parts of the page share
function makePage(model) {
  const info = model.get('info');
  const sender = makeSender(model);
  const page = {
    model,
    info,
    may: info.allow_labels,
    current: -1, // the hit that is followed
    isLost: false,
    sender,
    send: sender.send,
    latest: sender.latest,
    hits: () => listOf(model, 'hits'),
    section: () => model.get('section'), // the one that is drawn, once there is a picture
    linesOf: () => info.lines[page.section().source] || {},
    lines: () => page.linesOf()[page.section().kind] || [],
    isShown: ([source, kind, line]) => {
      const shown = page.section();
      return source === shown.source && kind === shown.kind && line === shown.line;
    },
    kinds: () => Object.keys(page.linesOf()).filter((kind) => page.linesOf()[kind].length),
  };
  return page;
}

function layOut(root, page, parts) {
  const { controls, status, section, labels, gallery, map, cloud, examples, marks } = parts;
  const all =
    'all windows: near is alike (first two principal axes); drag around some to list them';
  const underSection = [section.element, section.read, marks.element, labels.bar];
  root.classList.add('refcon-explore');
  root.replaceChildren(
    ...controls.bars,
    status.line,
    status.lost,
    status.doubts,
    el('div', { className: 'rc-main' }, ...underSection),
    el('div', { className: 'rc-side' }, examples.element, gallery.element),
    el(
      'div',
      { className: 'rc-charts' },
      el('div', {}, el('h3', {}, 'map ', map.controls), map.canvas),
      el('div', {}, el('h3', {}, all), cloud.canvas),
    ),
    makeHelp(page.may),
  );
}

// what parts of the page need of each other
function connect(page, { controls, section, labels, map, marks }) {
  Object.assign(page, {
    section: () => (section.section().png ? section.section() : page.model.get('section')),
    marks: marks.drawn,
    paint: section.paint,
    whole: section.whole,
    setAspect: section.whole,
    showNow: section.showNow,
    opacity: () => +controls.opacity.value,
    cut: () => +controls.cut.value,
    focusName: labels.focus,
    repaint: () => {
      section.paint();
      map.draw();
    },
    recolour: () => {
      section.recolour();
      map.recolour();
    },
  });
}

// what happens when Python changes a piece of the page's state
function reactions(page, { controls, status, section, labels, gallery, map, cloud, examples, marks }) {
  let look = ''; // how lines are drawn

  function onView() {
    const view = page.model.get('view');
    const looks = [view.gain, view.clip, view.cmap].join();
    if (looks !== look) section.forget();
    look = looks;
    controls.onView(view);
    page.current = view.current;
    gallery.list();
    section.showFollowed();
    section.paint();
    gallery.showCurrent();
  }

  function onHits() {
    if (!page.hits().length) page.current = -1;
    gallery.list();
    section.paint();
    map.draw();
  }

  function onQuery() {
    examples.onQuery();
    section.paint();
  }

  async function onSection() {
    const { source } = page.section();
    await section.onSection();
    if (page.section().source !== source) map.again();
  }

  async function onHeat() {
    map.again();
    await section.onHeat();
  }

  return {
    view: onView,
    section: onSection,
    heat: onHeat,
    detail: section.onDetail,
    ahead: section.onAhead,
    status: status.onStatus,
    stages: status.onStatus,
    labels: labels.onLabels,
    hits: onHits,
    query: onQuery,
    chart: map.draw,
    plane_shown: map.onPlane,
    marks: marks.onMarks,
    taken: makeDownloads(page),
    cloud: cloud.draw,
    shades: cloud.draw,
    answered: page.sender.onAnswered,
  };
}

function makeParts(page) {
  const controls = makeControls(page);
  const labels = makeLabels(page);
  return {
    controls,
    labels,
    status: makeStatus(page),
    section: makeSection(page, controls),
    gallery: makeGallery(page, labels),
    map: makeMap(page),
    cloud: makeCloud(page),
    examples: makeExamples(page),
    marks: makeMarks(page),
  };
}

function render({ model, el: root }) {
  const page = makePage(model);
  const parts = makeParts(page);
  connect(page, parts);
  layOut(root, page, parts);
  const changes = reactions(page, parts);
  for (const [name, react] of Object.entries(changes)) model.on(`change:${name}`, react);
  for (const [name, react] of Object.entries(changes)) if (name !== 'answered') react();
  const onLost = () => (page.isLost = true);
  const onBack = () => (page.isLost = false);
  for (const name of LOST_EVENTS) model.on(name, onLost);
  model.on('connection:back', onBack);

  const { section, map, cloud, status } = parts;
  const watching = setInterval(status.watch, 500);
  const resized = new ResizeObserver(() => {
    section.moved();
    map.draw();
    cloud.draw();
  });
  resized.observe(section.canvas);
  resized.observe(map.canvas);
  return () => {
    clearInterval(watching);
    resized.disconnect();
    for (const [name, react] of Object.entries(changes)) model.off(`change:${name}`, react);
    for (const name of LOST_EVENTS) model.off(name, onLost);
    model.off('connection:back', onBack);
  };
}

const LOST_EVENTS = ['connection:lost', 'comm:close'];

export default { render };
