/** Audio: one element for each received audio track, and a button if the browser needs a click first. */

export class Sounds {
  /** @type {Map<import('../client.js').RemoteTrack, HTMLAudioElement>} */
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

  /** @param {import('../client.js').RemoteTrack} track */
  add(track) {
    const element = this.#elements.get(track) ?? document.createElement('audio');
    track.attach(element);
    if (!this.#elements.has(track)) this.container.append(element);
    this.#elements.set(track, element);
    this.#play(element);
  }

  /** @param {import('../client.js').RemoteTrack} track */
  remove(track) {
    const element = this.#elements.get(track);
    if (!element) return;
    track.detach(element);
    element.remove();
    this.#elements.delete(track);
  }

  clear() {
    for (const track of [...this.#elements.keys()]) this.remove(track);
    this.button.hidden = true;
  }

  #play(element) {
    element.play().catch((error) => {
      if (error.name === 'NotAllowedError') this.button.hidden = false;
    });
  }
}
