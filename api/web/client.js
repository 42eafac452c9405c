/**
 * The JavaScript client of the SFU, for your own front end. ES modules, no dependency, no build step.
 *
 *     import { join } from 'https://sfu.example.com/client.js';
 *
 *     const room = await join({ url: 'https://sfu.example.com', room: 'standup', token });
 *     room.addEventListener('trackSubscribed', ({ detail: { track, participant } }) => {
 *       const video = videoOf(participant);
 *       track.attach(video);
 *       if (track.kind === 'video') room.watch(track, video);
 *     });
 *     room.addEventListener('data', ({ detail }) => console.log(detail.participant?.name, detail.text()));
 *     const microphone = await room.publishMicrophone();
 *     await room.publishCamera();
 *     await room.sendReliable('hello everybody');
 *     muteButton.onclick = () => microphone.mute(!microphone.muted);
 *     leaveButton.onclick = () => room.leave();
 *
 * Your page provides the token, an element for each participant (`videoOf` returns `<video autoplay playsinline>`) and the
 * buttons.
 *
 * The client uses one RTCPeerConnection and always offers. When the WebSocket breaks, the client reconnects and resumes the
 * session. When the network changes, it restarts ICE. When the session has ended on the server, it joins again with the same
 * tracks. `stateChanged` reports this; your page need not act.
 *
 * The server sends video in the size of the elements given to `watch`, and nothing while they are not visible. The client
 * reports a new size, and an element that became hidden, after a quarter of a second; a visible one at once. `settings` does
 * the same for tracks without an element, and also sets quality, frame rate and priority. To page through a large room, watch
 * the places of the tiles: visible tracks take the receive sections of hidden ones.
 *
 * The events of a `Room`, each a CustomEvent with this `detail`:
 *
 * | event                              | detail                                                               |
 * | ---------------------------------- | -------------------------------------------------------------------- |
 * | `stateChanged`                     | `{ state }`: connecting, connected, reconnecting, closed             |
 * | `left`                             | `{ reason, message }`: the session ended, and why                    |
 * | `roomChanged`                      | `{ room }`                                                           |
 * | `participantJoined`, `…Changed`    | `{ participant }`                                                    |
 * | `participantLeft`                  | `{ participant, reason }`                                            |
 * | `trackPublished`, `…Unpublished`   | `{ track, participant }`                                             |
 * | `trackChanged`                     | `{ track, participant }`: muted, resized, renamed                    |
 * | `trackSubscribed`, `…Unsubscribed` | `{ track, participant }`: `track.mediaStreamTrack` is set, or removed |
 * | `subscription`                     | `{ track, participant, subscription }`: the layer that you receive   |
 * | `speakers`                         | `{ speakers: [{ participant, track, level, active }] }`              |
 * | `dominantSpeaker`                  | `{ participant, track }`: the new dominant speaker; null: none       |
 * | `localTrackMuted`                  | `{ track, muted }`: by a moderator                                   |
 * | `localTrackUnpublished`            | `{ track, reason }`: ended, or no longer allowed                     |
 * | `data`                             | `{ payload, text(), sender, participant, reliable }`                 |
 * | `warning`                          | `{ message, mids }`: the peer connection sends an undeclared track   |
 * | `draining`                         | `{ deadline, url }`: the server shuts down then (ms since the epoch) |
 *
 * The `sender` of data is a sid, or `server`; its `participant` is null for the server, for hidden participants, and, in a room of
 * more than 50, for up to 0.2 s after a participant joined. There, other events about participants and speakers are late, too:
 * PROTOCOL.md, "Large rooms".
 * When a track moves to another receive section, `trackSubscribed` fires again with its new `mediaStreamTrack`. Elements given
 * to `track.attach` follow automatically. Attach a local track for a preview.
 */

export { capture, captureScreen } from './client/capture.js';
export { SfuError } from './client/errors.js';
export { LocalTrack } from './client/local.js';
export { Participant, RemoteTrack } from './client/remote.js';
export { Room } from './client/room.js';

import { Room } from './client/room.js';

/**
 * @typedef {object} JoinOptions
 * @property {string} [url] The server, `http(s)` or `ws(s)`. Default: the origin of the page.
 * @property {string} [room] The room's name. Default: the one the token names.
 * @property {string | (() => string | Promise<string>)} token A JWT, or a function that returns one for each join.
 * @property {boolean} [autoSubscribe] Subscribe to every track automatically. Default: true.
 * @property {{audio: number, video: number}} [slots] Receive sections in the first offer. Default: one for each track
 *   at the time of the join (with `autoSubscribe`). More are added when the server asks for them.
 * @property {number} [patience] Seconds for which the client retries a lost connection, or a server that is
 *   too busy to admit it. Default: 120.
 * @property {RTCConfiguration} [rtc] For the RTCPeerConnection. Its `iceServers` replace the STUN and TURN servers of
 *   the server; `iceTransportPolicy: 'relay'` uses TURN only.
 */

/**
 * Joins a room. Resolves when the server has admitted the client; media connects afterwards.
 *
 * @param {JoinOptions} options
 * @returns {Promise<Room>}
 * @throws {SfuError} With a sentence, if the server refuses or cannot be reached.
 */
export async function join(options) {
  const room = new Room(options);
  await room.join();
  return room;
}
