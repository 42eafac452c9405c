/** The same video in another codec, in its own section. It is sent while a subscriber needs it. */

import { isOver } from './errors.js';

export class Backup {
  /** The sid of the backup while it is sent. `wanted` refers to it. */
  sid = '';
  /** @type {import('./sending.js').Sending | null} */
  sending = null;
  #isWanted = false;
  /** @type {Promise<void> | null} */
  #running = null;

  /**
   * @param {import('./local.js').LocalTrack} local The primary track.
   * @param {import('./local.js').PublishOptions & {codec: string}} options How it is sent.
   * @param {(options: any, cid: string) => import('./sending.js').Sending | null} addSender
   * @param {import('./publisher.js').Ways} ways
   */
  constructor(local, options, addSender, ways) {
    this.cid = `${local.cid}-backup`;
    this.codec = options.codec;
    this.options = options;
    this.addSender = addSender;
    this.ways = ways;
  }

  /** Starts or stops sending. Resolves when the latest request is carried out. @param {boolean} isWanted */
  want(isWanted) {
    this.#isWanted = isWanted;
    this.#running ??= this.#follow().finally(() => (this.#running = null));
    return this.#running;
  }

  /** Ends the backup with its primary track, whose next offer ends this section, too. */
  end() {
    this.#isWanted = false;
    if (this.sending) this.ways.peer()?.removeSender(this.sending.transceiver);
    this.forget();
  }

  /** The peer connection was replaced: the server requests the backup again if it is needed. */
  forget() {
    this.#isWanted = false;
    this.sending = null;
    this.sid = '';
  }

  async #follow() {
    try {
      while (this.#isWanted !== (this.sending !== null)) await (this.#isWanted ? this.#start() : this.#stop());
    } catch (error) {
      if (isOver(error)) return;
      console.warn(`sfu: the backup could not be ${this.#isWanted ? 'sent' : 'stopped'}`, error);
      this.end();
    }
  }

  async #start() {
    const sending = this.addSender(this.options, this.cid);
    if (!sending) {
      this.#isWanted = false;
      return;
    }
    this.sending = sending;
    const mids = await this.ways.peer()?.negotiate();
    if (this.sending === sending) this.sid = mids?.[sending.transceiver.mid ?? ''] ?? '';
  }

  async #stop() {
    if (this.sending) this.ways.peer()?.removeSender(this.sending.transceiver);
    this.sending = null;
    this.sid = '';
    await this.ways.peer()?.negotiate();
  }
}
