/** Finds tracks and participants by object, sid or identity. An unknown one is an error with a sentence. */

import { SfuError } from './errors.js';

/**
 * The track of another participant.
 *
 * @param {unknown} named A RemoteTrack, or its sid.
 * @param {import('./remote.js').Others} others The participants in the room.
 * @param {Iterable<import('./local.js').LocalTrack>} own One's own tracks, which are not shown to oneself.
 * @returns {import('./remote.js').RemoteTrack}
 * @throws {SfuError} `own_track`, or `not_found`: it is not published, or no longer.
 * @throws {TypeError} The argument is neither a track nor a sid.
 */
export function trackNamed(named, others, own) {
  const sid = typeof named === 'string' ? named : /** @type {any} */ (named)?.sid;
  for (const local of own) {
    if (named === local || (sid && local.sid === sid)) throw new SfuError('own_track', 'This track is your own: only tracks of others are subscribed to and watched.');
  }
  const found = typeof sid === 'string' ? others.find(sid)?.track : undefined;
  if (found && (typeof named === 'string' || named === found)) return found;
  const isTrack = typeof named === 'object' && named !== null && 'attach' in named;
  if (typeof named !== 'string' && !isTrack) throw new TypeError(`A track is identified by a RemoteTrack or its sid; this is ${described(named)}.`);
  throw new SfuError('not_found', `There is no track ${JSON.stringify(sid)} in the room.`);
}

/**
 * Finds a participant by object, sid or identity.
 *
 * @param {unknown} named
 * @param {readonly import('./remote.js').Participant[]} people The participants in the room.
 * @returns {import('./remote.js').Participant}
 * @throws {SfuError} `not_found`
 */
export function participantNamed(named, people) {
  const found = people.find((one) => one === named || one.sid === named) ?? people.find((one) => one.identity === named);
  if (found) return found;
  const { identity } = /** @type {any} */ (named) ?? {};
  throw new SfuError('not_found', `There is no participant ${typeof identity === 'string' ? JSON.stringify(identity) : described(named)} in the room.`);
}

/** For a sentence on what should have been something else. @param {unknown} value */
export function described(value) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  return `of the class ${value.constructor?.name ?? 'Object'}`;
}
