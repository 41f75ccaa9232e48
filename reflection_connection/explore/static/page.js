// The explorer without a notebook: the model that `render` asks for, over one WebSocket.

import explore from './explore.js';

const AGAIN = [250, 500, 1000, 2000, 4000]; // milliseconds from one try to connect to the next
const SESSION = 'refcon-session';

// the name by which this tab finds its question again
function sessionName() {
  const kept = sessionStorage.getItem(SESSION);
  if (kept) return kept;
  const numbers = crypto.getRandomValues(new Uint8Array(16));
  const name = Array.from(numbers, (n) => n.toString(16).padStart(2, '0')).join('');
  sessionStorage.setItem(SESSION, name);
  return name;
}

// what anywidget's model is to `render`; state is Python's, the page only reads it
class Model {
  constructor(send) {
    this.send = send;
    this.state = {};
    this.listeners = new Map(); // event -> functions
  }

  get(name) {
    return this.state[name] ?? {};
  }

  set(name, value) {
    this.take({ [name]: value });
  }

  save_changes() {}

  on(event, listener) {
    if (!this.listeners.has(event)) this.listeners.set(event, new Set());
    this.listeners.get(event).add(listener);
  }

  off(event, listener) {
    if (listener) this.listeners.get(event)?.delete(listener);
    else this.listeners.delete(event);
  }

  take(changes) {
    Object.assign(this.state, changes);
    for (const name of Object.keys(changes)) {
      for (const listener of [...(this.listeners.get(`change:${name}`) ?? [])]) listener();
    }
  }
}

const root = document.getElementById('page');
const lost = document.getElementById('lost');
const name = sessionName();
let socket = null;
let tries = 0;
let facts = null; // what `render` was told once, as text
let leave = null; // ends what `render` began
const unsent = []; // what was done while the connection was lost

function say(text) {
  lost.textContent = text;
  lost.hidden = !text;
}

function send(content) {
  const message = JSON.stringify(content);
  if (socket.readyState === WebSocket.OPEN) socket.send(message);
  else unsent.push(message);
}

const model = new Model(send);

function draw() {
  if (leave) leave();
  root.replaceChildren();
  leave = explore.render({ model, el: root });
}

function onMessage(event) {
  const { set } = JSON.parse(event.data);
  const told = set.info ? JSON.stringify(set.info) : facts;
  if (told === facts) {
    model.take(set);
    return;
  }
  facts = told;
  Object.assign(model.state, set);
  draw();
}

function onOpen() {
  tries = 0;
  say('');
  for (const message of unsent.splice(0)) socket.send(message);
}

function onClose(event) {
  if (event.code === 1009) say('That was too large to send.');
  else say('The connection is lost. Is refcon explore still running? Trying again …');
  setTimeout(connect, AGAIN[Math.min(tries, AGAIN.length - 1)]);
  tries += 1;
}

function connect() {
  const address = new URL('socket', document.baseURI);
  address.protocol = address.protocol.replace('http', 'ws');
  address.search = new URLSearchParams({ session: name });
  socket = new WebSocket(address);
  socket.onopen = onOpen;
  socket.onmessage = onMessage;
  socket.onclose = onClose;
}

connect();
