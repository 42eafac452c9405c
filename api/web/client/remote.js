/** The other participants of a room and their tracks, updated by the server's messages. No network, no browser. */

import { Playable } from './playable.js';

/** Maximum receive sections of a kind in the first offer. In a large room the server requests more. */
const MOST_AT_FIRST = 32;

/** A track of another participant. `mediaStreamTrack` has its media; elements given to `attach` play it. */
export class RemoteTrack extends Playable {
  /** The receive section that shows it; empty if none does. */
  mid = '';
  /** The subscription as the server reports it: `{ state, layer, width, height, bitrate, reason }`. @type {any} */
  subscription = null;
  /** From 0 (silent) to 1 (loudest). */
  level = 0;
  speaking = false;

  constructor(info) {
    super();
    this.update(info);
  }

  /** @param {any} info A TrackInfo. @returns {boolean} Whether something changed. */
  update(info) {
    const before = JSON.stringify(this.info);
    this.info = info;
    this.sid = info.sid;
    /** @type {'audio' | 'video'} */
    this.kind = info.kind;
    this.source = info.source;
    this.name = info.name;
    this.muted = info.muted;
    this.width = info.width;
    this.height = info.height;
    this.mime = info.mime;
    this.simulcast = info.simulcast;
    this.stream = info.stream;
    return before !== JSON.stringify(info);
  }
}

export class Participant {
  /** @type {Map<string, RemoteTrack>} By sid. */
  tracks = new Map();

  constructor(info) {
    this.update(info);
  }

  get speaking() {
    return [...this.tracks.values()].some((track) => track.speaking);
  }

  update(info) {
    this.sid = info.sid;
    this.identity = info.identity;
    this.name = info.name || info.identity;
    this.metadata = info.metadata;
    this.attributes = info.attributes;
    this.permissions = info.permissions;
    this.kind = info.kind;
    this.state = info.state;
    this.joinedAt = new Date(info.joined_at);
    this.version = info.version;
  }
}

/**
 * @typedef {{type: string, detail: any}} News Events to dispatch, in order.
 */

export class Others {
  /** @type {Map<string, Participant>} By sid. */
  participants = new Map();
  /** The content of each receive section, by mid. @type {Map<string, {track: string, participant: string}>} */
  #slots = new Map();

  /** @returns {{track: RemoteTrack, participant: Participant} | null} */
  find(sid) {
    for (const participant of this.participants.values()) {
      const track = participant.tracks.get(sid);
      if (track) return { track, participant };
    }
    return null;
  }

  /** Replaces all participants and the contents of the sections. Unnamed participants have left. @returns {News[]} */
  snapshot(infos, slots) {
    const present = new Set(infos.map((info) => info.sid));
    const news = [];
    for (const participant of [...this.participants.values()]) {
      if (!present.has(participant.sid)) this.#remove(participant, null, news);
    }
    news.push(...this.participantsChanged(infos));
    this.#slots.clear();
    this.slotsChanged(slots);
    return news;
  }

  /** @param {any[]} infos Participants that joined, changed or left, each complete. @returns {News[]} */
  participantsChanged(infos) {
    const news = [];
    for (const info of infos) {
      const known = this.participants.get(info.sid);
      if (info.state === 'disconnected') {
        if (known) this.#remove(known, info.disconnect_reason, news);
      } else if (!known) {
        const participant = new Participant(info);
        this.participants.set(info.sid, participant);
        news.push({ type: 'participantJoined', detail: { participant } });
        this.#tracksChanged(participant, info.tracks, news);
      } else if (info.version >= known.version) {
        known.update(info);
        this.#tracksChanged(known, info.tracks, news);
        news.push({ type: 'participantChanged', detail: { participant: known } });
      }
    }
    return news;
  }

  /** @param {Record<string, {track: string, participant: string} | null>} slots */
  slotsChanged(slots) {
    for (const [mid, shown] of Object.entries(slots)) {
      if (shown) this.#slots.set(mid, shown);
      else this.#slots.delete(mid);
    }
  }

  /**
   * The number of receive sections for the present tracks, which saves the round trip of `renegotiate`. One of each kind
   * at least: the first track needs no other offer, and the server measures the network through the video section before.
   */
  firstSlots() {
    const slots = { audio: 0, video: 0 };
    for (const { tracks } of this.participants.values()) {
      for (const { kind } of tracks.values()) slots[kind] = Math.min(slots[kind] + 1, MOST_AT_FIRST);
    }
    return { audio: Math.max(slots.audio, 1), video: Math.max(slots.video, 1) };
  }

  /** The peer connection was replaced: no section shows a track. */
  forgetSlots() {
    this.#slots.clear();
  }

  /**
   * Updates the tracks to what the sections show.
   *
   * @param {(mid: string) => MediaStreamTrack | null} received The media that arrives in a section.
   * @returns {News[]}
   */
  reconcile(received) {
    const news = [];
    const midOf = new Map([...this.#slots].map(([mid, { track }]) => [track, mid]));
    for (const participant of this.participants.values()) {
      for (const track of participant.tracks.values()) {
        const mid = midOf.get(track.sid) ?? '';
        const media = mid ? received(mid) : null;
        if (track.mediaStreamTrack === media && (track.mid === mid || !media)) continue;
        track.mid = media ? mid : '';
        track.mediaStreamTrack = media;
        if (!media) track.subscription = null;
        news.push({ type: media ? 'trackSubscribed' : 'trackUnsubscribed', detail: { track, participant } });
      }
    }
    return news;
  }

  /** @param {any[]} speakers @returns {{participant: Participant, track: RemoteTrack, level: number, active: boolean}[]} */
  speakersChanged(speakers) {
    const changed = [];
    for (const { track: sid, level, active } of speakers) {
      const found = this.find(sid);
      if (!found) continue;
      found.track.level = level;
      found.track.speaking = active;
      changed.push({ ...found, level, active });
    }
    return changed;
  }

  /** @param {any[]} subscriptions @returns {News[]} */
  subscriptionsChanged(subscriptions) {
    const changed = [];
    for (const subscription of subscriptions) {
      const found = this.find(subscription.track);
      if (!found) continue;
      found.track.subscription = subscription;
      changed.push({ type: 'subscription', detail: { ...found, subscription } });
    }
    return changed;
  }

  #remove(participant, reason, news) {
    this.#tracksChanged(participant, [], news);
    this.participants.delete(participant.sid);
    news.push({ type: 'participantLeft', detail: { participant, reason } });
  }

  #tracksChanged(participant, infos, news) {
    const present = new Set(infos.map((info) => info.sid));
    for (const track of [...participant.tracks.values()]) {
      if (present.has(track.sid)) continue;
      participant.tracks.delete(track.sid);
      if (track.mediaStreamTrack) {
        track.mediaStreamTrack = null;
        news.push({ type: 'trackUnsubscribed', detail: { track, participant } });
      }
      news.push({ type: 'trackUnpublished', detail: { track, participant } });
    }
    for (const info of infos) {
      const known = participant.tracks.get(info.sid);
      if (!known) {
        const track = new RemoteTrack(info);
        participant.tracks.set(info.sid, track);
        news.push({ type: 'trackPublished', detail: { track, participant } });
      } else if (known.update(info)) {
        news.push({ type: 'trackChanged', detail: { track: known, participant } });
      }
    }
  }
}
