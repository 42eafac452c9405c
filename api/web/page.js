/** The try-it page: the lobby, joining and leaving a call. page/ has the view of a call. */

import { SfuError, join } from './client.js';
import { show, wire } from './page/buttons.js';
import { Call } from './page/call.js';
import { Chat } from './page/chat.js';
import { NoDevToken, devToken } from './page/token.js';

const TOAST = 5_000;

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

/** @type {Call | null} */
let call = null;
let withStats = true;
let toastTimer = 0;

const chat = new Chat({
  panel: element('chat'),
  log: element('messages'),
  form: element('chat-form'),
  input: element('chat-text'),
  toggle: element('chat-toggle'),
  complain: toast,
});

/** Fills the form with its last values, and the room of the link. */
function prepare() {
  const { elements } = element('join');
  const address = new URLSearchParams(location.search);
  elements.name.value = address.get('name') ?? localStorage.getItem('sfu.name') ?? '';
  elements.room.value = address.get('room') ?? localStorage.getItem('sfu.room') ?? '';
  (elements.name.value ? (elements.room.value ? element('join').querySelector('[type=submit]') : elements.room) : elements.name).focus();
}

async function enter(event) {
  event.preventDefault();
  const form = event.target;
  const { name, room, token, microphone, camera } = form.elements;
  const button = form.querySelector('[type=submit]');
  button.disabled = true;
  complain('');
  try {
    const pasted = token.value.trim();
    const joined = await join({ url: new URL('.', location.href).href, room: room.value.trim(), token: pasted || (await devToken(room.value.trim(), name.value.trim())) });
    localStorage.setItem('sfu.name', name.value.trim());
    localStorage.setItem('sfu.room', room.value.trim());
    begin(joined, { microphone: microphone.checked, camera: camera.checked });
  } catch (error) {
    if (error instanceof NoDevToken) {
      element('token-details').open = true;
      token.focus();
    }
    complain(error instanceof SfuError || error instanceof NoDevToken ? error.message : sentence(error));
  } finally {
    button.disabled = false;
  }
}

/** @param {import('./client.js').Room} room */
function begin(room, devices) {
  element('lobby').hidden = true;
  element('call').hidden = false;
  element('room-name').textContent = room.info.name;
  document.title = `${room.info.name} — SFU`;
  history.replaceState(null, '', `?room=${encodeURIComponent(room.info.name)}`);
  chat.open((payload) => room.sendReliable(payload));
  call = new Call(room, {
    view: element('call'),
    tiles: element('tiles'),
    sounds: element('sounds'),
    unmute: element('unmute-page'),
    status: element('status'),
    chat,
    tell: toast,
    changed: refreshButtons,
    over: finish,
  });
  refreshButtons();
  attempt(() => call?.devices.start(devices));
  // For experiments in the console.
  Object.assign(globalThis, { room });
}

function finish(why) {
  call?.end();
  call = null;
  chat.close();
  element('call').hidden = true;
  element('lobby').hidden = false;
  document.title = 'SFU — try it';
  complain(why);
  element('join').querySelector('[type=submit]').focus();
}

function refreshButtons() {
  const { isHeard = false, isSeen = false, isSharing = false } = call?.devices ?? {};
  element('call').classList.toggle('with-stats', withStats);
  show({ isHeard, isSeen, isSharing, withStats });
}

async function attempt(change) {
  try {
    await change();
  } catch (error) {
    toast(sentence(error));
  }
}

function sentence(error) {
  switch (error?.name) {
    case 'NotAllowedError':
      return 'The browser, or you, did not allow that device.';
    case 'NotFoundError':
      return 'There is no such device.';
    case 'NotReadableError':
      return 'The device is in use by another program.';
    default:
      return error?.message ?? String(error);
  }
}

function complain(words) {
  element('join-error').textContent = words;
  element('join-error').hidden = !words;
}

function toast(words) {
  element('toast').textContent = words;
  element('toast').hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (element('toast').hidden = true), TOAST);
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    toast('The link is copied.');
  } catch {
    toast(location.href);
  }
}

const inCall = (act) => () => call && attempt(() => act(call));
wire({
  microphone: inCall((now) => now.devices.toggleMicrophone()),
  camera: inCall((now) => now.devices.toggleCamera()),
  screen: inCall((now) => now.devices.toggleScreen()),
  'chat-toggle': inCall(() => chat.toggle()),
  'chat-close': () => chat.toggle(false),
  'stats-toggle': inCall(() => {
    withStats = !withStats;
    refreshButtons();
  }),
  leave: inCall((now) => now.room.leave()),
  link: copyLink,
});
document.addEventListener('keydown', ({ key }) => key === 'Escape' && !element('chat').hidden && chat.toggle(false));
element('join').addEventListener('submit', enter);
// The page is closed, not suspended: leave, so that the others need not wait for the resume window.
addEventListener('pagehide', ({ persisted }) => !persisted && call?.room.leave());
prepare();
refreshButtons();
