/** The chat: JSON over the reliable data channel, to everybody. */

import { isolated } from './words.js';

const TYPE = 'chat';
const KEPT = 500;

export class Chat {
  #unread = 0;
  /** @type {((text: string) => Promise<void>) | null} */
  #send = null;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.panel
   * @param {HTMLElement} parts.log
   * @param {HTMLFormElement} parts.form
   * @param {HTMLInputElement} parts.input
   * @param {HTMLElement} parts.toggle
   * @param {(words: string) => void} parts.complain
   */
  constructor(parts) {
    this.parts = parts;
    parts.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param {(payload: string) => Promise<void>} send */
  open(send) {
    this.#send = send;
    this.parts.log.replaceChildren();
    this.#count(0);
  }

  close() {
    this.#send = null;
    this.toggle(false);
  }

  /** Handles a message of the data channel. Ignores messages that are not chat. */
  receive({ text, participant }) {
    let message;
    try {
      message = JSON.parse(text());
    } catch {
      return;
    }
    if (message?.type !== TYPE || typeof message.text !== 'string') return;
    this.#add(participant?.name ?? 'Somebody', message.text, false);
    if (this.parts.panel.hidden) this.#count(this.#unread + 1);
  }

  /** @param {string} words A notice of the page, such as a join. */
  notice(words) {
    const item = document.createElement('li');
    item.className = 'notice';
    item.textContent = words;
    this.#append(item);
  }

  /** @param {boolean} [shown] */
  toggle(shown = this.parts.panel.hidden) {
    const { panel, toggle, input } = this.parts;
    const hadFocus = panel.contains(document.activeElement);
    panel.hidden = !shown;
    toggle.setAttribute('aria-expanded', String(shown));
    if (shown) {
      this.#count(0);
      input.focus();
    } else if (hadFocus) {
      toggle.focus();
    }
  }

  async #submit() {
    const { input, complain } = this.parts;
    const text = input.value.trim();
    if (!text || !this.#send) return;
    input.value = '';
    try {
      await this.#send(JSON.stringify({ type: TYPE, text }));
      this.#add('You', text, true);
    } catch (error) {
      input.value = text;
      complain(error instanceof Error ? error.message : String(error));
    }
  }

  #add(name, text, isMine) {
    const item = document.createElement('li');
    item.classList.toggle('mine', isMine);
    const who = document.createElement('p');
    who.className = 'who';
    who.textContent = `${isolated(name)} · ${new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}`;
    const words = document.createElement('p');
    words.className = 'text';
    words.textContent = text;
    item.append(who, words);
    this.#append(item);
  }

  #append(item) {
    const { log } = this.parts;
    const wasAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    log.append(item);
    while (log.children.length > KEPT) log.firstElementChild?.remove();
    if (wasAtEnd) log.scrollTop = log.scrollHeight;
  }

  #count(unread) {
    this.#unread = unread;
    const { toggle } = this.parts;
    toggle.querySelector('.badge')?.remove();
    if (unread > 0) {
      const badge = document.createElement('span');
      badge.className = 'badge';
      badge.textContent = unread > 99 ? '99+' : String(unread);
      badge.setAttribute('aria-hidden', 'true');
      toggle.append(badge);
    }
    // Screen readers read only the label of a button, not its content.
    toggle.setAttribute('aria-label', unread > 0 ? `Chat, ${unread} unread` : 'Chat');
  }
}
