/** A section in which we send, and which of its encodings run: those that the server says somebody wants (`wanted`). */

/** setParameters fails while a negotiation changes the same sender: then again, milliseconds apart. */
const ATTEMPTS = 10;
const PAUSE = 100;

/** @typedef {{encodings: {rid: string, wanted: boolean}[], paused: boolean}} Wish */

export class Sending {
  /** Which encodings the application lets run at all, in order. @type {boolean[]} */
  #allowed;
  /** @type {Wish | null} */
  #wish = null;
  /** @type {Promise<void> | null} */
  #running = null;

  /**
   * @param {RTCRtpTransceiver} transceiver
   * @param {RTCRtpEncodingParameters[]} encodings As it was made.
   */
  constructor(transceiver, encodings) {
    this.transceiver = transceiver;
    this.#allowed = encodings.map(({ active = true }) => active);
  }

  /** Resolves when the last wish of all is carried out, or cannot be. @param {Wish} wish */
  obey(wish) {
    this.#wish = wish;
    this.#running ??= this.#carryOut().finally(() => (this.#running = null));
    return this.#running;
  }

  async #carryOut() {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const wish = this.#wish;
      if (!wish || this.transceiver.direction === 'stopped') return;
      try {
        const parameters = this.transceiver.sender.getParameters();
        const active = running(parameters.encodings, wish, this.#allowed);
        parameters.encodings.forEach((encoding, index) => (encoding.active = active[index]));
        await this.transceiver.sender.setParameters(parameters);
        if (wish === this.#wish) return;
        attempt = 0;
      } catch (error) {
        if (attempt === ATTEMPTS - 1) console.warn('sfu: the browser did not stop or start an encoding', error);
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
      }
    }
  }
}

/**
 * Which encodings of a sender run. Pure.
 *
 * @param {{rid?: string}[]} encodings As of `getParameters`.
 * @param {Wish} wish One it does not name runs: its server is of another mind than we know.
 * @param {boolean[]} allowed
 * @returns {boolean[]}
 */
export function running(encodings, wish, allowed) {
  return encodings.map(({ rid = '' }, index) => {
    const said = wish.encodings.find((one) => one.rid !== '' && one.rid === rid) ?? wish.encodings[index];
    return (allowed[index] ?? true) && !wish.paused && (said?.wanted ?? true);
  });
}
