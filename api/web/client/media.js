/** The media of a room: its peer connection, which is replaced or restarted when needed, and its statistics. */

import { isOver } from './errors.js';
import { Peer } from './peer.js';
import { read } from './stats.js';

/**
 * @typedef {object} Ways To the rest of the room.
 * @property {(message: Record<string, any>) => Promise<any>} request
 * @property {() => boolean} isReachable Whether the server can be asked now.
 * @property {(mids: string[]) => void} undeclared Sections that would send but have no track: their media is ignored.
 * @property {() => void} changed `state` changed.
 * @property {() => void} rejoin The connection cannot be restored: a new join is needed.
 */

export class Media {
  /** The current peer connection. @type {Peer | null} */
  peer = null;
  /** The counters of each flow, for its rate. @type {Map<string, import('./stats.js').Flow>} */
  #flows = new Map();
  #wasUp = false;
  /** The network changed: restart ICE when the WebSocket is open. */
  #hasMoved = false;
  /** STUN and TURN servers, with credentials that expire. @type {RTCIceServer[]} */
  #iceServers = [];

  /**
   * @param {Ways} ways
   * @param {RTCConfiguration} [configuration]
   */
  constructor(ways, configuration) {
    this.ways = ways;
    this.configuration = configuration;
  }

  get state() {
    return this.peer?.state ?? 'new';
  }

  /**
   * Replaces the peer connection.
   *
   * @param {{audio: number, video: number}} slots Receive sections in its first offer.
   * @returns {RTCPeerConnection}
   */
  renew(slots) {
    this.peer?.close();
    this.#wasUp = false;
    this.#hasMoved = false;
    this.#flows.clear();
    this.peer = new Peer(
      {
        offer: (sdp, tracks) => this.#offer(sdp, tracks),
        isReachable: this.ways.isReachable,
        state: (state) => {
          this.#wasUp ||= state === 'connected';
          this.ways.changed();
        },
        iceServers: () => this.#configured().iceServers,
        failed: this.ways.rejoin,
      },
      this.#configured(),
    );
    this.peer.addSlots(slots);
    return this.peer.pc;
  }

  /** New credentials for the next peer connection or ICE restart. @param {RTCIceServer[]} [servers] */
  handleIceServers(servers = []) {
    this.#iceServers = servers;
  }

  /** The application's configuration overrides the server's. */
  #configured() {
    return { iceServers: this.#iceServers, ...this.configuration };
  }

  async #offer(sdp, tracks) {
    const answer = await this.ways.request({ type: 'offer', sdp, tracks });
    // The server may not know a named track any more, because it was unpublished meanwhile. That is no error.
    const strange = (answer.undeclared ?? []).filter((mid) => !(mid in tracks));
    if (strange.length > 0) this.ways.undeclared(strange);
    return answer;
  }

  /** The media that arrives in a receive section. @param {string} mid @returns {MediaStreamTrack | null} */
  received(mid) {
    return this.peer?.received(mid) ?? null;
  }

  /** For callers that do not wait: if an offer fails, and the session has not ended, the client joins again. */
  negotiate() {
    const { peer } = this;
    peer?.negotiate().catch((error) => {
      if (isOver(error) || peer !== this.peer) return;
      console.error('negotiation failed: joining again', error);
      this.ways.rejoin();
    });
  }

  /** The network changed. */
  handleMoved() {
    this.#hasMoved = true;
  }

  /** The WebSocket is open again. */
  handleReachable() {
    if (!this.#wasUp || (!this.#hasMoved && this.state === 'connected')) return;
    this.#hasMoved = false;
    this.peer?.restart();
  }

  /** The browser's statistics. Null: there is no connection. */
  async read() {
    return this.peer && read((await this.peer.pc.getStats()).values(), this.#flows);
  }

  close() {
    this.peer?.close();
  }
}
