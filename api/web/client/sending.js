/** A section that sends. Runs only the encodings that the server wants (message `wanted`). */

/** setParameters fails while a negotiation changes the same sender. Milliseconds between attempts. */
const ATTEMPTS = 10;
const PAUSE = 100;

/** @typedef {{encodings: {rid: string, wanted: boolean}[], paused: boolean}} Wish */

export class Sending {
  /** Which encodings the application allows, in order. @type {boolean[]} */
  #allowed;
  /** @type {Wish | null} */
  #wish = null;
  /** @type {Promise<void> | null} */
  #running = null;

  /**
   * @param {RTCRtpTransceiver} transceiver
   * @param {RTCRtpEncodingParameters[]} encodings As in `addTransceiver`.
   */
  constructor(transceiver, encodings) {
    this.transceiver = transceiver;
    this.#allowed = encodings.map(({ active = true }) => active);
  }

  /** Applies a wish. Resolves when the newest wish is applied, or cannot be. @param {Wish} wish */
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
 * Returns which encodings of a sender run. Pure.
 *
 * @param {{rid?: string}[]} encodings As of `getParameters`.
 * @param {Wish} wish Encodings that it does not name run.
 * @param {boolean[]} allowed
 * @returns {boolean[]}
 */
export function running(encodings, wish, allowed) {
  return encodings.map(({ rid = '' }, index) => {
    const said = wish.encodings.find((one) => one.rid !== '' && one.rid === rid) ?? wish.encodings[index];
    return (allowed[index] ?? true) && !wish.paused && (said?.wanted ?? true);
  });
}
