/**
 * The peer connection (RFC 9429): the client always offers, one offer at a time; receive sections are slots; ICE restarts.
 */

/** A lost path may recover by itself. The browser waits for seconds before it reports the loss. */
const GRACE = 1_000;
/** Milliseconds between ICE restarts that failed, and the maximum number of restarts. */
const RESTART_INTERVAL = 4_000;
const MAX_RESTARTS = 5;

/**
 * @typedef {object} PeerEvents
 * @property {(sdp: string, tracks: Record<string, string>) => Promise<{sdp: string, mids: Record<string, string>}>} offer
 *   Sends an offer with the `cid` of each sending section, and yields the answer.
 * @property {() => boolean} isReachable Whether an offer would reach the server now. When it does again, `restart` is called.
 * @property {() => RTCIceServer[] | undefined} iceServers The STUN and TURN servers, with credentials that are valid now.
 * @property {(state: RTCPeerConnectionState) => void} state
 * @property {() => void} failed The connection cannot be restored: a new one is needed.
 */

export class Peer {
  /** The `cid` of the track of each sending transceiver. @type {Map<RTCRtpTransceiver, string>} */
  #sending = new Map();
  /** @type {Promise<any> | null} The offer and answer in progress. */
  #running = null;
  /** @type {Promise<any> | null} The exchange that begins when it ends. */
  #next = null;
  #timer = 0;
  #restarts = 0;
  #isClosed = false;

  /**
   * @param {PeerEvents} events
   * @param {RTCConfiguration} [configuration]
   */
  constructor(events, configuration) {
    this.events = events;
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle', ...configuration });
    this.pc.onconnectionstatechange = () => this.#handleState();
  }

  get state() {
    return this.pc.connectionState;
  }

  /** Adds receive sections. The next offer has them. */
  addSlots({ audio, video }) {
    for (let n = 0; n < audio; n++) this.pc.addTransceiver('audio', { direction: 'recvonly' });
    for (let n = 0; n < video; n++) {
      wantDependencyDescriptor(this.pc.addTransceiver('video', { direction: 'recvonly' }));
    }
  }

  /** The media that arrives in a receive section. @param {string} mid @returns {MediaStreamTrack | null} */
  received(mid) {
    return this.#find(mid)?.receiver.track ?? null;
  }

  /**
   * @param {MediaStreamTrack | 'audio' | 'video'} track Or its kind, if there is no track yet.
   * @param {string} cid
   * @param {RTCRtpEncodingParameters[]} encodings
   * @param {RTCRtpCodec[] | null} codecs In the order of preference.
   */
  addSender(track, cid, encodings, codecs) {
    const transceiver = this.pc.addTransceiver(track, { direction: 'sendonly', sendEncodings: encodings });
    if (codecs?.length) transceiver.setCodecPreferences(codecs);
    this.#sending.set(transceiver, cid);
    return transceiver;
  }

  /**
   * Ends a sending section by stopping its transceiver. An inactive section could be reused, but Chromium would
   * continue with the same SSRCs and omit MID and RID, by which the server recognises a new track. The browser itself
   * reuses the m-line of a stopped section.
   *
   * @param {RTCRtpTransceiver} transceiver
   */
  removeSender(transceiver) {
    if (this.#sending.delete(transceiver) && !this.#isClosed) transceiver.stop();
  }

  /**
   * Makes an offer after the one in progress. Calls that wait share one offer.
   *
   * @returns {Promise<Record<string, string> | null>} The track of each accepted sending section, by mid. Null: closed.
   */
  negotiate() {
    if (this.#next) return this.#next;
    const before = this.#running ?? Promise.resolve();
    const next = before.catch(() => {}).then(async () => {
      this.#running = next;
      this.#next = null;
      return this.#exchange();
    });
    this.#next = next;
    return next;
  }

  /** Restarts ICE with new credentials. Media keeps the old path until a check of the new one succeeds. */
  restart() {
    clearTimeout(this.#timer);
    if (this.#isClosed || !this.events.isReachable()) return;
    if (this.#restarts++ >= MAX_RESTARTS) {
      this.events.failed();
      return;
    }
    this.#renewIceServers();
    this.pc.restartIce();
    // A refusal or a disconnect is handled elsewhere. Here it must not end the restarts.
    this.negotiate().catch(() => {});
    this.#timer = setTimeout(() => this.#isWell() || this.restart(), RESTART_INTERVAL);
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }

  async #exchange() {
    if (this.#isClosed) return null;
    await this.pc.setLocalDescription();
    /** @type {Record<string, string>} */
    const tracks = {};
    for (const [transceiver, cid] of this.#sending) {
      if (transceiver.mid !== null) tracks[transceiver.mid] = cid;
    }
    let answer;
    try {
      // The server learns addresses from connectivity checks, so the offer does not wait for candidates.
      answer = await this.events.offer(this.pc.localDescription?.sdp ?? '', tracks);
    } catch (error) {
      if (this.pc.signalingState === 'have-local-offer') await this.pc.setLocalDescription({ type: 'rollback' });
      throw error;
    }
    if (this.#isClosed) return null;
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    return answer.mids;
  }

  /** Only before a restart: with other servers the next offer would restart ICE anyway (RFC 9429 s4.1.18). */
  #renewIceServers() {
    try {
      this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers: this.events.iceServers() });
    } catch (error) {
      // The previous credentials may still be valid, and the path may need no TURN server.
      console.warn('sfu: the ICE servers cannot be renewed', error);
    }
  }

  #find(mid) {
    return this.pc.getTransceivers().find((transceiver) => transceiver.mid === mid);
  }

  #isWell() {
    return this.pc.connectionState === 'connected';
  }

  #handleState() {
    const state = this.pc.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#restarts = 0;
    } else if (state === 'failed') {
      this.restart();
    } else if (state === 'disconnected') {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#isWell() || this.restart(), GRACE);
    }
    this.events.state(state);
  }
}

/**
 * Lets the server send AV1 and VP9 layers with their dependency descriptor: Chromium offers the header extension only
 * where it sends layers itself, and does not decode several spatial layers without the extension.
 *
 * @param {RTCRtpTransceiver & {getHeaderExtensionsToNegotiate?: Function, setHeaderExtensionsToNegotiate?: Function}} transceiver
 */
function wantDependencyDescriptor(transceiver) {
  if (!transceiver.getHeaderExtensionsToNegotiate || !transceiver.setHeaderExtensionsToNegotiate) return;
  const extensions = transceiver.getHeaderExtensionsToNegotiate();
  for (const extension of extensions) {
    if (/dependency-descriptor/.test(extension.uri)) extension.direction = 'sendrecv';
  }
  try {
    transceiver.setHeaderExtensionsToNegotiate(extensions);
  } catch {
    // Older browsers lack this form of the methods. Other codecs do not need the extension.
  }
}
