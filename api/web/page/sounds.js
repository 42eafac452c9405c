/** What is heard: an audio element for each sound that reaches us, and a button where the browser wants a click first. */

export class Sounds {
  /** @type {Map<string, HTMLAudioElement>} By the sid of the track. */
  #elements = new Map();

  /** @param {HTMLElement} container @param {HTMLElement} button */
  constructor(container, button) {
    this.container = container;
    this.button = button;
    button.onclick = () => {
      button.hidden = true;
      for (const element of this.#elements.values()) this.#play(element);
    };
  }

  /** @param {string} sid @param {MediaStreamTrack} track */
  add(sid, track) {
    const element = this.#elements.get(sid) ?? document.createElement('audio');
    element.srcObject = new MediaStream([track]);
    if (!this.#elements.has(sid)) this.container.append(element);
    this.#elements.set(sid, element);
    this.#play(element);
  }

  /** @param {string} sid */
  remove(sid) {
    const element = this.#elements.get(sid);
    if (!element) return;
    element.srcObject = null;
    element.remove();
    this.#elements.delete(sid);
  }

  clear() {
    for (const sid of [...this.#elements.keys()]) this.remove(sid);
    this.button.hidden = true;
  }

  #play(element) {
    element.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.button.hidden = false;
    });
  }
}
