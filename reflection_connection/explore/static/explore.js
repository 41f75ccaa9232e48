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
const MEANT = '#0072b2';
const NOT_MEANT = '#d55e00';
const HIT = '#b8860b';
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

// a function from data to pixels; `same`: the same scale along both axes
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
  return (p) => [
    pad + (p[0] - lo[0]) * scale[0] + spare[0],
    height - pad - (p[1] - lo[1]) * scale[1] - spare[1],
  ];
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

function makeControls(page) {
  const { info, send } = page;
  const showLine = (i) => {
    const lines = page.lines();
    if (lines.length) send('show', { number: lines[clamp(i, 0, lines.length - 1)] });
  };
  const survey = el(
    'select',
    { className: 'rc-survey', onchange: () => send('show', { source: survey.value }) },
    ...choices(info.sources, info.names),
  );
  const kind = el('select', {
    className: 'rc-kind',
    onchange: () => send('show', { kind: kind.value }),
  });
  const slider = el('input', {
    type: 'range',
    className: 'rc-slider',
    min: 0,
    onchange: () => showLine(+slider.value),
    oninput: () => {
      number.value = page.lines()[+slider.value];
    },
  });
  const number = el('input', {
    type: 'number',
    className: 'rc-line',
    onchange: () => send('show', { number: +number.value }),
  });
  const gain = el('input', {
    type: 'range',
    className: 'rc-gain',
    min: -2,
    max: 3,
    step: 0.25,
    value: 0,
    onchange: () => send('look', { gain: 2 ** +gain.value }),
  });
  const cmap = el(
    'select',
    { className: 'rc-cmap', onchange: () => send('look', { cmap: cmap.value }) },
    ...choices(info.cmaps),
  );
  const opacity = el('input', {
    type: 'range',
    className: 'rc-opacity',
    min: 0,
    max: 1,
    step: 0.05,
    value: 0.45,
    oninput: () => page.paint(),
  });
  const heat = el('select', {
    className: 'rc-heat',
    onchange: () => send('look', { heat: heat.value }),
  });
  const look = el('input', {
    type: 'range',
    className: 'rc-look',
    min: 0,
    max: 1,
    step: 0.05,
    title:
      'what counts as similar: the same kind of structure, or the same look; ' +
      'double-click: as the encoder weighs them',
    onchange: () => send('weigh', { look: +look.value }),
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
  const form = el('select', { className: 'rc-form' }, ...choices(['.sgy', '.npy', '.zarr']));
  const write = button('rc-export', 'write map', () => send('export', { suffix: form.value }));
  const bar = el(
    'div',
    { className: 'rc-bar' },
    el('label', {}, 'survey', survey),
    el('label', {}, 'line', kind, slider, number),
    el('label', {}, 'gain', gain),
    el('label', {}, 'colours', cmap),
    el('label', {}, 'map', heat, opacity),
    weight,
    el('label', {}, 'only', where),
    el('label', {}, write, form),
    button('rc-clear', 'new question', () => send('clear')),
  );

  function onSection(section) {
    survey.value = section.source;
    kind.replaceChildren(...choices(page.kinds()));
    kind.value = section.kind;
    slider.max = page.lines().length - 1;
    slider.value = page.lines().indexOf(section.line);
    number.value = section.line;
  }

  function onView(view) {
    heat.replaceChildren(...choices(view.heats));
    heat.value = view.heat;
    cmap.value = view.cmap;
    where.value = view.expression || '';
    weight.hidden = typeof view.look !== 'number';
    if (!weight.hidden) look.value = view.look;
  }

  return { bar, heat, opacity, showLine, onSection, onView };
}

// ---- what is going on

function makeStatus(page) {
  const said = el('span', { className: 'rc-said', role: 'status' });
  const progress = el('progress', { max: 1, hidden: true });
  const cancel = button('rc-cancel', 'cancel', () => page.send('cancel'), { hidden: true });
  const line = el('div', { className: 'rc-status' }, said, progress, cancel);
  const problems = page.info.problems || [];
  const doubts = el(
    'ul',
    { className: 'rc-doubts', role: 'note', hidden: !problems.length },
    ...problems.map((problem) => el('li', {}, problem)),
  );

  function onStatus() {
    const status = page.model.get('status');
    const busy = status.progress !== null;
    said.textContent = status.text;
    line.classList.toggle('error', status.kind === 'error');
    progress.hidden = !busy;
    cancel.hidden = !busy;
    if (busy) progress.value = status.progress;
    line.dataset.n = status.n;
  }

  return { line, doubts, onStatus };
}

// ---- the section

const MARGIN = { left: 56, top: 24, right: 6, bottom: 6 };

function makeSection(page, controls) {
  const canvas = el('canvas', { className: 'rc-section', tabIndex: 0 });
  canvas.setAttribute(
    'aria-label',
    'section: drag a rectangle to ask where else it looks like this',
  );
  const read = el('div', { className: 'rc-read' });
  const images = { section: null, heat: null };
  let box = null; // [top, left, bottom, right]
  let start = null; // [sample, trace] where a rectangle begins

  const section = () => page.model.get('section');

  // where the section lies on the canvas, and pixels a trace and a sample
  function frame() {
    const { traces, samples } = section();
    const outer = canvas.getBoundingClientRect();
    const width = Math.max(1, outer.width - MARGIN.left - MARGIN.right);
    const height = Math.max(1, outer.height - MARGIN.top - MARGIN.bottom);
    return { width, height, sx: width / (traces || 1), sy: height / (samples || 1) };
  }

  function drawPictures(g, { width, height }) {
    g.imageSmoothingEnabled = true;
    if (images.section) g.drawImage(images.section, MARGIN.left, MARGIN.top, width, height);
    if (!images.heat || controls.heat.value === 'none') return;
    g.globalAlpha = +controls.opacity.value;
    g.drawImage(images.heat, MARGIN.left, MARGIN.top, width, height);
    g.globalAlpha = 1;
  }

  function drawVerticalAxis(g, { sy }) {
    const { t0, dt, samples } = section();
    const step = niceStep(samples * dt, 7);
    const last = t0 + (samples - 1) * dt;
    g.textAlign = 'right';
    for (let z = Math.ceil(t0 / step) * step; z <= last; z += step) {
      const y = MARGIN.top + ((z - t0) / dt + 0.5) * sy;
      g.fillText(+z.toFixed(3), MARGIN.left - 6, y);
      g.fillRect(MARGIN.left - 4, y, 4, 1);
    }
  }

  function drawTraceAxis(g, { sx }) {
    const { traces, across } = section();
    const step = Math.max(1, Math.round(niceStep(traces, 9)));
    g.textAlign = 'center';
    for (let i = 0; i < traces; i += step) {
      if (i * sx > 16) g.fillText(across[i], MARGIN.left + (i + 0.5) * sx, MARGIN.top - 9);
    }
  }

  function drawAxes(g, size, at) {
    g.fillStyle = '#fff';
    g.fillRect(0, 0, size.width, MARGIN.top);
    g.fillRect(0, 0, MARGIN.left, size.height);
    g.fillStyle = '#222';
    g.font = '11px system-ui';
    g.textBaseline = 'middle';
    drawVerticalAxis(g, at);
    drawTraceAxis(g, at);
    g.save();
    g.translate(10, MARGIN.top + at.height / 2);
    g.rotate(-Math.PI / 2);
    g.fillText(section().zname, 0, 0);
    g.restore();
    g.textAlign = 'left';
    g.fillText(section().xname, 2, MARGIN.top - 9);
  }

  function drawRectangle(g, { sx, sy }, [top, left, bottom, right], color, width, text) {
    const x = MARGIN.left + left * sx;
    const y = MARGIN.top + top * sy;
    for (const [lineWidth, strokeStyle] of [
      [width + 2, '#fff'],
      [width, color],
    ]) {
      Object.assign(g, { lineWidth, strokeStyle });
      g.strokeRect(x, y, (right - left) * sx, (bottom - top) * sy);
    }
    if (!text) return;
    g.font = 'bold 11px system-ui';
    g.fillStyle = color;
    g.fillRect(x, y, g.measureText(text).width + 6, 15);
    g.fillStyle = '#fff';
    g.textAlign = 'left';
    g.fillText(text, x + 3, y + 8);
  }

  function drawBoxes(g, at) {
    const { source, kind, line } = section();
    const isHere = (s, k, n) => s === source && k === kind && n === line;
    for (const asked of page.model.get('query').boxes || []) {
      if (!isHere(asked.source, asked.kind, asked.line)) continue;
      const meant = asked.sign >= 0;
      drawRectangle(g, at, asked.box, meant ? MEANT : NOT_MEANT, 2, meant ? 'asked' : 'not');
    }
    page.hits().forEach((hit, i) => {
      if (!isHere(hit.source, hit.line_kind, hit.line)) return;
      const place = [hit.top, hit.left, hit.top + hit.height, hit.left + hit.width];
      drawRectangle(g, at, place, HIT, i === page.current ? 3 : 1.5, String(hit.rank));
    });
    if (box) drawRectangle(g, at, box, DRAWN, 2, '');
  }

  function paint() {
    const { g, ...size } = context(canvas);
    if (!section().traces) return;
    const at = frame();
    drawPictures(g, at);
    drawAxes(g, size, at);
    drawBoxes(g, at);
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

  // sample and trace under the pointer
  function under(event) {
    const outer = canvas.getBoundingClientRect();
    const { samples, traces } = section();
    const { sx, sy } = frame();
    return [
      clamp(Math.floor((event.clientY - outer.top - MARGIN.top) / sy), 0, samples),
      clamp(Math.floor((event.clientX - outer.left - MARGIN.left) / sx), 0, traces),
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

  function startRectangle(event) {
    if (event.button !== 0 || !section().traces) return;
    canvas.focus();
    canvas.setPointerCapture(event.pointerId);
    start = under(event);
    setBox(null);
  }

  function moveRectangle(event) {
    if (!section().traces) return;
    const place = under(event);
    readOut(place);
    if (start) setBox(between(start, place));
  }

  function endRectangle(event) {
    if (!start) return;
    const drawn = between(start, under(event));
    start = null;
    const click = drawn[2] - drawn[0] < 3 && drawn[3] - drawn[1] < 3;
    setBox(click ? null : drawn);
    ask();
  }

  // ---- keys

  const ARROWS = {
    ArrowLeft: [0, -1],
    ArrowRight: [0, 1],
    ArrowUp: [-1, 0],
    ArrowDown: [1, 0],
  };

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

  const nextLine = (step) => controls.showLine(page.lines().indexOf(section().line) + step);
  const refine = (sign) => page.send('refine', { place: page.current, sign });

  const KEYS = {
    ArrowLeft: () => nextLine(-1),
    ArrowRight: () => nextLine(1),
    x: otherKind,
    b: boxInTheMiddle,
    Enter: ask,
    Escape: () => setBox(null),
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
    if (arrow && event.shiftKey && box) act = () => moveBox(arrow);
    if (!act) return;
    act();
    event.preventDefault();
  }

  canvas.addEventListener('pointerdown', startRectangle);
  canvas.addEventListener('pointermove', moveRectangle);
  canvas.addEventListener('pointerup', endRectangle);
  canvas.addEventListener('keydown', onKey);

  async function onSection() {
    const shown = section();
    controls.onSection(shown);
    images.section = await picture(shown.png);
    if (shown.moved) box = null;
    paint();
  }

  async function onHeat() {
    images.heat = await picture(page.model.get('heat').png);
    paint();
  }

  return { canvas, read, paint, onSection, onHeat };
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

// ---- hits

function makeGallery(page, labels) {
  const count = el('h3', { className: 'rc-count' }, 'hits');
  const cards = el('div', { className: 'rc-gallery' });

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
      { className: className(hit, i), tabIndex: 0 },
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

  function list() {
    const hits = page.hits();
    count.textContent = hits.length ? `${hits.length} hits` : 'hits';
    cards.replaceChildren(...hits.map(card));
  }

  function showCurrent() {
    const current = cards.querySelector('.current');
    if (current) current.scrollIntoView({ block: 'nearest' });
  }

  return { element: el('div', {}, count, cards), list, showCurrent };
}

// ---- charts

function makeMap(page) {
  const canvas = el('canvas', { className: 'rc-map' });

  function drawOutline(g, points) {
    trace(g, points);
    g.closePath();
    g.fillStyle = '#f2f2f2';
    g.fill();
    g.strokeStyle = '#888';
    g.stroke();
  }

  function drawLine(g, points) {
    trace(g, points);
    g.strokeStyle = MEANT;
    g.lineWidth = 1.5;
    g.stroke();
    g.lineWidth = 1;
  }

  function drawHit(g, [x, y], hit) {
    g.beginPath();
    g.arc(x, y, 5, 0, 7);
    g.fillStyle = shade(hit.p);
    g.fill();
    g.strokeStyle = '#222';
    g.stroke();
    g.fillStyle = '#222';
    g.fillText(hit.rank, x + 7, y - 4);
  }

  function draw() {
    const { g, width, height } = context(canvas);
    const { outline = [], line = [], hits = [], metric, name } = page.model.get('chart');
    const points = [...outline, ...hits.map((hit) => [hit.x, hit.y])];
    if (!points.length) return;
    const at = fit(points, width, height, metric);
    g.font = '11px system-ui';
    g.fillStyle = '#555';
    g.fillText(name, 6, 12);
    if (outline.length) drawOutline(g, outline.map(at));
    if (line.length) drawLine(g, line.map(at));
    for (const hit of hits) drawHit(g, at([hit.x, hit.y]), hit);
  }

  return { canvas, draw };
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
      ...key('x', 'inline or crossline'),
      ...key('b', 'box in the middle'),
      ...key('shift + arrows', 'move it'),
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
  const page = {
    model,
    info,
    may: info.allow_labels,
    current: -1, // the hit that is followed
    send: (action, given = {}) => model.send({ action, ...given }),
    hits: () => model.get('hits'),
    linesOf: () => info.lines[model.get('section').source] || {},
    lines: () => page.linesOf()[model.get('section').kind] || [],
    kinds: () => Object.keys(page.linesOf()).filter((kind) => page.linesOf()[kind].length),
  };
  return page;
}

function layOut(root, page, { controls, status, section, labels, gallery, map, cloud }) {
  const all =
    'all windows: near is alike (first two principal axes); drag around some to list them';
  root.classList.add('refcon-explore');
  root.replaceChildren(
    controls.bar,
    status.line,
    status.doubts,
    el('div', { className: 'rc-main' }, section.canvas, section.read, labels.bar),
    gallery.element,
    el(
      'div',
      { className: 'rc-charts' },
      el('div', {}, el('h3', {}, 'map'), map.canvas),
      el('div', {}, el('h3', {}, all), cloud.canvas),
    ),
    makeHelp(page.may),
  );
}

function render({ model, el: root }) {
  const page = makePage(model);
  const controls = makeControls(page);
  const status = makeStatus(page);
  const section = makeSection(page, controls);
  const labels = makeLabels(page);
  const gallery = makeGallery(page, labels);
  const map = makeMap(page);
  const cloud = makeCloud(page);
  page.paint = section.paint;
  page.focusName = labels.focus;
  layOut(root, page, { controls, status, section, labels, gallery, map, cloud });

  function onView() {
    const view = model.get('view');
    controls.onView(view);
    page.current = view.current;
    gallery.list();
    section.paint();
    gallery.showCurrent();
  }

  function onHits() {
    if (!page.hits().length) page.current = -1;
    gallery.list();
    section.paint();
    map.draw();
  }

  const changes = {
    section: section.onSection,
    heat: section.onHeat,
    view: onView,
    status: status.onStatus,
    labels: labels.onLabels,
    hits: onHits,
    query: section.paint,
    chart: map.draw,
    cloud: cloud.draw,
    shades: cloud.draw,
  };
  for (const [name, react] of Object.entries(changes)) model.on(`change:${name}`, react);
  for (const name of ['view', 'section', 'heat', 'status', 'labels', 'chart', 'cloud']) {
    changes[name]();
  }

  const resized = new ResizeObserver(() => {
    section.paint();
    map.draw();
    cloud.draw();
  });
  resized.observe(section.canvas);
  resized.observe(map.canvas);
  return () => {
    resized.disconnect();
    for (const [name, react] of Object.entries(changes)) model.off(`change:${name}`, react);
  };
}

export default { render };
