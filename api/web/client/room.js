/** A room as one participant sees it: joins, publishes, subscribes, and stays in over cut connections. */

import { Data, addresses, seal } from './data.js';
import { Demand, handleRefusal } from './demand.js';
import { SfuError, unlessOver } from './errors.js';
import { Media } from './media.js';
import { trackNamed } from './named.js';
import { watchNetwork } from './network.js';
import { Publisher } from './publisher.js';
import { Others, Participant } from './remote.js';
import { Signal } from './signal.js';
import { overall } from './state.js';
import { byTrack } from './stats.js';
import { Wishes } from './wishes.js';

/** @typedef {import('./remote.js').RemoteTrack | string} Named A track or its sid; what is neither is an error. */

export class Room extends EventTarget {
  /** @type {'connecting' | 'connected' | 'reconnecting' | 'closed'} */
  state = 'connecting';
  /** The server's RoomInfo. @type {any} */
  info = null;
  /** Oneself; what one publishes is in `localTracks`. @type {Participant | null} */
  you = null;

  #signal;
  #media;
  #publisher;
  #others = new Others();
  #data = new Data((sender, payload, reliable) => this.#handleData(sender, payload, reliable));
  #wishes = new Wishes({ request: (message) => this.#signal.request(message), isThere: (sid) => this.#others.find(sid) !== null });
  #demand = new Demand((track, wish) => this.#wishes.set(track, wish).catch(handleRefusal));
  #watch = new AbortController();
  /** @type {{resolve: (value?: any) => void, reject: (error: Error) => void} | null} */
  #joining = null;

  /** @param {import('../client.js').JoinOptions} options */
  constructor(options) {
    super();
    this.options = { autoSubscribe: true, patience: 120, url: globalThis.location?.origin ?? '', ...options };
    this.#signal = new Signal(this.options, {
      joined: (message, how) => this.#handleJoined(message, how),
      message: (message) => this.#handle(message),
      state: (state) => this.#handleSignal(state),
      closed: (reason, sentence) => this.#handleClosed(reason, sentence),
    });
    this.#media = new Media(
      {
        request: (message) => this.#signal.request(message),
        isReachable: () => this.#signal.isOpen,
        undeclared: (mids) => this.#warn(mids),
        changed: () => this.#refreshState(),
        rejoin: () => this.#signal.rejoin(),
      },
      this.options.rtc,
    );
    this.#publisher = new Publisher({
      request: (message) => this.#signal.request(message),
      peer: () => this.#media.peer,
      emit: (type, detail) => this.#emit(type, detail),
    });
  }

  /** The others. @returns {ReadonlyMap<string, Participant>} By sid. */
  get participants() {
    return this.#others.participants;
  }

  /** @returns {ReadonlySet<import('./local.js').LocalTrack>} */
  get localTracks() {
    return this.#publisher.tracks;
  }

  /** Of the media alone: `new`, `connecting`, `connected`, `disconnected`, `failed`. */
  get mediaState() {
    return this.#media.state;
  }

  /** The peer connection of now, for what this client has no word for. @returns {RTCPeerConnection | null} */
  get peerConnection() {
    return this.#media.peer?.pc ?? null;
  }

  /** Called once, by `join` of client.js. */
  async join() {
    const moved = () => {
      this.#media.handleMoved();
      this.#signal.redial();
    };
    const seen = () => this.state === 'reconnecting' && !this.#signal.isOpen && this.#signal.redial();
    watchNetwork({ moved, seen }, this.#watch.signal);
    await new Promise((resolve, reject) => {
      this.#joining = { resolve, reject };
      this.#signal.open();
    });
  }

  /** Leaves for good. Tracks are not stopped: they are the caller's. */
  async leave() {
    this.#signal.say({ type: 'leave' });
    this.#signal.close('client_initiated', 'You left.');
  }

  // ------------------------------------------------------------------------------------------------ publishing

  /**
   * @param {MediaStreamTrack} mediaStreamTrack
   * @param {import('./local.js').PublishOptions} [options]
   * @returns {Promise<import('./local.js').LocalTrack>} With `mute()`, `replaceTrack()` and `unpublish()`.
   */
  async publish(mediaStreamTrack, options = {}) {
    return this.#publisher.publish(mediaStreamTrack, options);
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options] */
  async publishCamera(options = {}) {
    return this.#publisher.publishCamera(options);
  }

  /** @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options] */
  async publishMicrophone(options = {}) {
    return this.#publisher.publishMicrophone(options);
  }

  /**
   * A screen or window, and its sound if the user shares it.
   *
   * @param {import('./local.js').PublishOptions & {constraints?: MediaTrackConstraints}} [options]
   * @returns {Promise<import('./local.js').LocalTrack[]>} The picture first.
   */
  async publishScreen(options = {}) {
    return this.#publisher.publishScreen(options);
  }

  // ----------------------------------------------------------------------------------------------- subscribing

  /** With `autoSubscribe: false`, or after `unsubscribe`. @param {Named | readonly Named[]} tracks */
  async subscribe(tracks) {
    await this.#wishes.subscribe(this.#sids(tracks), true);
  }

  /** @param {Named | readonly Named[]} tracks */
  async unsubscribe(tracks) {
    await this.#wishes.subscribe(this.#sids(tracks), false);
  }

  /**
   * How a track is wanted here; what is left out stays as it was.
   *
   * @param {Named} track
   * @param {import('./wishes.js').Settings} settings
   */
  async settings(track, settings) {
    await this.#wishes.set(this.#find(track).sid, settings);
  }

  /**
   * Has the element decide what is sent of a track: as many pixels as it has on the screen, nothing while it is out of
   * sight or the page is hidden. Several elements may show one track. Its size must come from the page's layout: an
   * element as large as its picture would never ask for a larger one. An element decides about one track at a time.
   *
   * @param {Named} track A picture: sound has no size, and is heard out of sight, too.
   * @param {Element} element A video, or what stands for it until there is a picture.
   * @returns {() => void} Ends it: the track is wanted in any size again, once no element shows it.
   */
  watch(track, element) {
    const { sid, kind } = this.#find(track);
    if (kind !== 'video') throw new TypeError(`Only pictures are watched; the track ${sid} is sound.`);
    if (this.state === 'closed') throw new SfuError('closed', 'You are no longer in the room.');
    this.#demand.watch(sid, element);
    return () => this.#demand.unwatch(element, sid);
  }

  #find(track) {
    return trackNamed(track, this.#others, this.localTracks);
  }

  #sids(tracks) {
    return [tracks].flat().map((track) => this.#find(track).sid);
  }

  /** Of oneself, where the token allows it. @param {{name?: string, metadata?: string, attributes?: Record<string, string>}} changes */
  async update(changes) {
    await this.#signal.request({ type: 'update', ...changes });
  }

  // ------------------------------------------------------------------------------------------------------ data

  /**
   * In order and complete. Resolves when it is on its way.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} payload At most 64 KiB with its address.
   * @param {{to?: 'server' | Participant | string | readonly (Participant | string)[]}} [options] Participants, or
   *   their sids or identities. Default: everybody.
   */
  async sendReliable(payload, { to } = {}) {
    await this.#data.sendReliable(addresses(to, [...this.participants.values()]).map((name) => seal(name, payload)));
  }

  /**
   * Now or never; the parameters are those of `sendReliable`.
   *
   * @param {string | ArrayBuffer | ArrayBufferView} payload
   * @param {{to?: 'server' | Participant | string | readonly (Participant | string)[]}} [options]
   * @returns {boolean} False: it was lost at once.
   */
  sendLossy(payload, { to } = {}) {
    return this.#data.sendLossy(addresses(to, [...this.participants.values()]).map((name) => seal(name, payload)));
  }

  // ----------------------------------------------------------------------------------------------------- stats

  /**
   * What really flows, by the browser's counters; rates are over the last half second, or since the call before that.
   *
   * @returns {Promise<{received: Map<string, import('./stats.js').Received & {subscription: any}>,
   *   sent: Map<string, import('./stats.js').Sent[]>, roundTrip: number | null}>} By the sids of the tracks.
   */
  async stats() {
    const reading = await this.#media.read();
    const remote = [...this.participants.values()].flatMap(({ tracks }) => [...tracks.values()]);
    return byTrack(reading, remote, this.localTracks);
  }

  // ------------------------------------------------------------------------------------------- what the server says

  #handleJoined(message, how) {
    this.info = message.room;
    this.you = new Participant(message.you);
    this.#data.labels = { reliable: message.server.reliable_label, lossy: message.server.lossy_label };
    if (how === 'new') this.#others.forgetSlots();
    this.#dispatch(this.#others.snapshot(message.participants, message.slots));
    if (how === 'snapshot') {
      this.#publisher.handleSnapshot(message.you.tracks);
      // The server may have asked for an offer with more sections in what was missed: it asks again after this one.
      this.#media.negotiate();
    } else {
      this.#publisher.forget();
      this.#openMedia();
      this.#restore().catch(unlessOver);
    }
    this.#reconcile();
    this.#refreshState();
    this.#joining?.resolve();
    this.#joining = null;
  }

  #handle(message) {
    switch (message.type) {
      case 'participants':
        this.#handleParticipants(message.participants);
        break;
      case 'room':
        this.info = message.room;
        this.#emit('roomChanged', { room: message.room });
        break;
      case 'renegotiate':
        this.#media.peer?.addSlots(message);
        this.#media.negotiate();
        break;
      case 'slots':
        this.#others.slotsChanged(message.slots);
        this.#reconcile();
        break;
      case 'speakers':
        this.#handleSpeakers(message.speakers);
        break;
      case 'dominant_speaker':
        this.#handleDominantSpeaker(message);
        break;
      case 'subscription':
        this.#dispatch(this.#others.subscriptionChanged(message));
        break;
      case 'unpublished':
        this.#publisher.handleUnpublished(message);
        break;
      case 'muted':
        this.#publisher.handleMuted(message);
        break;
      case 'wanted':
        this.#publisher.handleWanted(message);
        break;
      case 'backup':
        this.#publisher.handleBackup(message);
        break;
      case 'draining':
        this.#emit('draining', { deadline: message.deadline, url: message.url });
        break;
      // A type that is not known here is a newer server's, and no harm.
    }
  }

  #handleParticipants(infos) {
    const me = infos.find((info) => info.sid === this.you?.sid);
    if (me && this.you) {
      const wasThere = this.you.state !== 'joining';
      this.you.update(me);
      this.#emit('participantChanged', { participant: this.you });
      // The server has given up our transport: what we publish waits there, under the same cid, for a new one.
      if (wasThere && me.state === 'joining') this.#replaceMedia();
    }
    this.#dispatch(this.#others.participantsChanged(infos.filter((info) => info !== me)));
    this.#reconcile();
  }

  #handleSpeakers(speakers) {
    const mine = speakers.flatMap(({ track: sid, level, active }) => {
      const track = this.#publisher.find(sid);
      if (track) track.speaking = active;
      return track ? [{ participant: this.you, track, level, active }] : [];
    });
    const others = this.#others.speakersChanged(speakers);
    if (mine.length + others.length > 0) this.#emit('speakers', { speakers: [...mine, ...others] });
  }

  #handleDominantSpeaker({ participant: sid, track }) {
    this.info = { ...this.info, dominant_speaker: sid };
    const participant = (sid === this.you?.sid ? this.you : this.participants.get(sid)) ?? null;
    const found = this.#publisher.find(track) ?? participant?.tracks.get(track) ?? null;
    this.#emit('dominantSpeaker', { participant, track: found });
  }

  #handleData(sender, payload, reliable) {
    // Its sender may be known by data before the WebSocket has told of it; a hidden one never is.
    const participant = this.participants.get(sender) ?? null;
    this.#emit('data', { sender, participant, reliable, payload, text: () => new TextDecoder().decode(payload) });
  }

  #handleClosed(reason, sentence) {
    this.state = 'closed';
    this.#watch.abort();
    this.#data.close();
    this.#demand.close();
    this.#media.close();
    this.#others.forgetSlots();
    this.#reconcile();
    this.#publisher.forget();
    this.#publisher.release();
    this.#joining?.reject(new SfuError(reason, sentence));
    this.#joining = null;
    this.#emit('stateChanged', { state: 'closed' });
    this.#emit('left', { reason, message: sentence });
  }

  // ----------------------------------------------------------------------------------------------------- media

  #openMedia() {
    this.#data.attach(this.#media.renew(this.#firstSlots()));
  }

  /** Another peer connection within the same session. */
  #replaceMedia() {
    this.#others.forgetSlots();
    this.#reconcile();
    this.#openMedia();
    this.#publisher.attachAgain();
    this.#media.negotiate();
  }

  #firstSlots() {
    if (this.options.slots) return this.options.slots;
    const isShown = this.options.autoSubscribe && this.you?.permissions.can_subscribe !== false;
    return isShown ? this.#others.firstSlots() : { audio: 0, video: 0 };
  }

  /** After a join: the first offer. After another join also what was wished for and published before. */
  async #restore() {
    await this.#media.peer?.negotiate();
    await this.#wishes.restore();
    await this.#publisher.restore();
  }

  #warn(mids) {
    const message = `Nobody receives what these sections of the peer connection send, as no track was published for them: ${mids.join(', ')}. Use publish().`;
    console.warn(`sfu: ${message}`);
    this.#emit('warning', { message, mids });
  }

  #reconcile() {
    this.#dispatch(this.#others.reconcile((mid) => this.#media.received(mid)));
  }

  // ------------------------------------------------------------------------------------------------- staying in

  #handleSignal(state) {
    if (state === 'open') this.#media.handleReachable();
    this.#refreshState();
  }

  #refreshState() {
    const state = overall(this.state, this.#signal.isOpen && this.mediaState === 'connected');
    if (state === this.state) return;
    this.state = state;
    this.#emit('stateChanged', { state });
  }

  #dispatch(news) {
    for (const { type, detail } of news) {
      if (type === 'trackUnpublished') this.#demand.forget(detail.track.sid);
      this.#emit(type, detail);
    }
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
