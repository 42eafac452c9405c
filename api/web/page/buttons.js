/** The buttons under a call, their words, and the keys that press them. */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

const KEYS = { m: 'microphone', v: 'camera', s: 'screen', c: 'chat-toggle', i: 'stats-toggle' };

/** @param {Record<string, () => unknown>} actions By the id of the button. @param {AbortSignal} [signal] */
export function wire(actions, signal) {
  for (const [id, act] of Object.entries(actions)) element(id).addEventListener('click', act, { signal });
  document.addEventListener('keydown', (event) => press(event, actions), { signal });
}

/** Shows which buttons are on. @param {{isHeard: boolean, isSeen: boolean, isSharing: boolean, withStats: boolean}} now */
export function show({ isHeard, isSeen, isSharing, withStats }) {
  look('microphone', isHeard ? 'mic' : 'mic-off', isHeard ? 'Mute (m)' : 'Unmute (m)', 'Microphone', isHeard, !isHeard);
  look('camera', isSeen ? 'camera' : 'camera-off', isSeen ? 'Camera off (v)' : 'Camera on (v)', 'Camera', isSeen, !isSeen);
  look('screen', 'screen', isSharing ? 'Stop sharing (s)' : 'Share your screen (s)', 'Share your screen', isSharing);
  look('chat-toggle', 'chat', 'Chat (c)'); // chat.js sets its label, which counts unread messages.
  look('stats-toggle', 'stats', 'Figures in the tiles (i)', 'Figures in the tiles', withStats);
}

function press(event, actions) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || target.closest('input, textarea')) return;
  const id = KEYS[event.key.toLowerCase()];
  if (!id || !actions[id]) return;
  event.preventDefault();
  actions[id]();
}

function look(id, icon, title, label = '', isPressed = undefined, isOff = false) {
  const button = element(id);
  button.title = title;
  if (label) button.setAttribute('aria-label', label);
  button.classList.toggle('off', isOff);
  if (isPressed !== undefined) button.setAttribute('aria-pressed', String(isPressed));
  const use = button.querySelector('use');
  if (use) use.setAttribute('href', `#icon-${icon}`);
  else button.insertAdjacentHTML('afterbegin', `<svg class="icon" aria-hidden="true"><use href="#icon-${icon}"/></svg>`);
}
