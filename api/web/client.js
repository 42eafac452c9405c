/**
 * The JavaScript client of the SFU: what an own front end imports. ES modules, no dependency, no build step.
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
 * The page brings the token, an element for each participant (`videoOf`, of `<video autoplay playsinline>`) and the buttons.
 *
 * One RTCPeerConnection carries everything; the client always offers. A cut WebSocket is dialled again and resumes the
 * session, a changed network restarts ICE, and a session that ended on the server is joined anew with the same tracks:
 * `stateChanged` tells, nothing has to be done.
 *
 * What is sent of a picture follows the elements given to `watch`: as many pixels as they have on the screen, nothing while
 * they are out of sight. Sizes, and going out of sight, are told when they last for a quarter of a second, coming into
 * sight at once. `settings` says the same for what has no element, and more: a quality, a frame rate, a priority. To page
 * through a large room, watch the places of the tiles: what is visible takes the receive sections of what is not.
 *
 * The events of a `Room`, each a CustomEvent with this `detail`:
 *
 * | event                              | detail                                                               |
 * | ---------------------------------- | -------------------------------------------------------------------- |
 * | `stateChanged`                     | `{ state }`: connecting, connected, reconnecting, closed             |
 * | `left`                             | `{ reason, message }`: it is over, and why                           |
 * | `roomChanged`                      | `{ room }`                                                           |
 * | `participantJoined`, `…Changed`    | `{ participant }`                                                    |
 * | `participantLeft`                  | `{ participant, reason }`                                            |
 * | `trackPublished`, `…Unpublished`   | `{ track, participant }`                                             |
 * | `trackChanged`                     | `{ track, participant }`: muted, resized, renamed                    |
 * | `trackSubscribed`, `…Unsubscribed` | `{ track, participant }`: `track.mediaStreamTrack` is there, or gone |
 * | `subscription`                     | `{ track, participant, subscription }`: the layer that reaches you   |
 * | `speakers`                         | `{ speakers: [{ participant, track, level, active }] }`              |
 * | `dominantSpeaker`                  | `{ participant, track }`: has the floor from now on; null: nobody    |
 * | `localTrackMuted`                  | `{ track, muted }`: by a moderator                                   |
 * | `localTrackUnpublished`            | `{ track, reason }`: ended, or no longer allowed                     |
 * | `data`                             | `{ payload, text(), sender, participant, reliable }`                 |
 * | `warning`                          | `{ message, mids }`: the peer connection sends what no track says    |
 * | `draining`                         | `{ deadline, url }`: the server stops then (ms since the epoch)      |
 *
 * The `sender` of data is a sid, or `server`; its `participant` is null for the server and for hidden ones.
 * A track that moves into another receive section is told by `trackSubscribed` again, with its new `mediaStreamTrack`.
 * The elements given to `track.attach` follow by themselves. A track of one's own is attached for a preview.
 */

export { capture, captureScreen } from './client/capture.js';
export { SfuError } from './client/errors.js';
export { LocalTrack } from './client/local.js';
export { Participant, RemoteTrack } from './client/remote.js';
export { Room } from './client/room.js';

import { Room } from './client/room.js';

/**
 * @typedef {object} JoinOptions
 * @property {string} [url] Of the server, `http(s)` or `ws(s)`. Default: where the page came from.
 * @property {string} [room] The room's name. Default: the one the token names.
 * @property {string | (() => string | Promise<string>)} token A JWT, or what yields one whenever somebody joins.
 * @property {boolean} [autoSubscribe] Be shown every track without asking. Default: true.
 * @property {{audio: number, video: number}} [slots] Receive sections in the first offer. Default: one for each track
 *   that is there at the join (with `autoSubscribe`). More are added when the server asks for them.
 * @property {number} [patience] Seconds for which a lost connection, or a server that is too busy to let us
 *   in, is tried again. Default: 120.
 * @property {RTCConfiguration} [rtc] For the RTCPeerConnection.
 */

/**
 * Joins a room. Resolves when the server has let us in; media connects while the caller goes on.
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
