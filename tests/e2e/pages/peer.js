/** The functions of a page for tests: a participant with the client of users, and bare peer connections. */

import { film, look } from './card.js';

/** @type {any} */
let room = null;
/** @type {any[]} The events of the room, in order. */
const events = [];
/** @type {any[]} */
const messages = [];
/** The element that shows a track, by its sid. @type {Map<string, HTMLVideoElement>} */
const shown = new Map();

// ------------------------------------------------------------------------------------------------- in a room

/** @param {{url: string, name: string, token: string, options?: any}} given */
export async function enter({ url, name, token, options = {} }) {
  const { Room } = await import(`${url}/client.js`);
  room = new Room({ url, room: name, token, ...options });
  for (const type of TOLD) room.addEventListener(type, ({ detail }) => events.push({ type, ...summary(detail) }));
  room.addEventListener('data', ({ detail }) => messages.push(received(detail)));
  room.addEventListener('trackSubscribed', ({ detail: { track } }) => show(track.sid, track.mediaStreamTrack));
  room.addEventListener('trackUnsubscribed', ({ detail: { track } }) => unshow(track.sid));
  await room.join();
  return { sid: room.you.sid, identity: room.you.identity };
}

export const leave = () => room.leave();

const TOLD = [
  'stateChanged', 'left', 'roomChanged', 'participantJoined', 'participantChanged', 'participantLeft', 'trackPublished',
  'trackUnpublished', 'trackChanged', 'trackSubscribed', 'trackUnsubscribed', 'subscription', 'speakers', 'dominantSpeaker',
  'localTrackMuted', 'localTrackUnpublished', 'draining',
];

function summary(detail) {
  const { participant, track, speakers, room: info, ...rest } = detail ?? {};
  const plain = { ...rest };
  if (participant) plain.participant = participant.identity;
  if (track) Object.assign(plain, { track: track.sid, source: track.source, muted: track.muted });
  if (speakers) plain.speakers = speakers.map((one) => ({ participant: one.participant?.identity, active: one.active }));
  if (info) plain.locked = info.locked;
  return JSON.parse(JSON.stringify(plain));
}

function received({ sender, participant, reliable, payload, text }) {
  return { sender, identity: participant?.identity ?? null, reliable, size: payload.byteLength, text: text().slice(0, 80) };
}

export const happened = () => events;
export const arrived = () => messages;
export const state = () => ({ state: room.state, media: room.mediaState });

/** The others, as this page knows them. */
export function people() {
  return [...room.participants.values()].map(({ identity, state, tracks }) => ({
    identity,
    state,
    tracks: [...tracks.values()].map(({ sid, source, muted, mime, mid }) => ({ sid, source, muted, mime, mid })),
  }));
}

export async function publishCamera(options = {}) {
  return (await room.publishCamera(options)).sid;
}

/** A camera of one encoding that keeps its size. */
export async function publishSharp({ width, height, fps = 15, hint = 'detail', ...options }) {
  const media = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps } } });
  const [track] = media.getVideoTracks();
  track.contentHint = hint;
  return (await room.publish(track, { source: 'camera', simulcast: false, ...options })).sid;
}

/** A steady tone: the microphone that browsers make up only beeps now and then. */
export async function publishTone(gain = 0.5, options = {}) {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, { frequency: 440 });
  tone.connect(new GainNode(context, { gain })).connect(out);
  tone.start();
  return (await room.publish(out.stream.getAudioTracks()[0], { source: 'microphone', ...options })).sid;
}

/** A tone in words, as a voice has them: 600 ms each. */
export async function publishVoice(options = {}) {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const tone = new OscillatorNode(context, { frequency: 440 });
  const voice = new GainNode(context, { gain: 0 });
  tone.connect(voice).connect(out);
  for (let word = 0; word < 200; word += 1) {
    voice.gain.setValueAtTime(0.5, word * 0.7);
    voice.gain.setValueAtTime(0, word * 0.7 + 0.6);
  }
  tone.start();
  return (await room.publish(out.stream.getAudioTracks()[0], { source: 'microphone', ...options })).sid;
}

export async function publishMicrophone(options = {}) {
  return (await room.publishMicrophone(options)).sid;
}

export async function publishScreen() {
  return (await room.publishScreen()).map(({ sid }) => sid);
}

/** @param {any} [options] With `width`, `height` and `fps` of the card. */
export async function publishCard(options = {}) {
  const track = film(options);
  // One encoding keeps its size, however little the browser believes at first that the network carries.
  if (options.simulcast === false) track.contentHint = 'detail';
  return (await room.publish(track, { source: 'camera', ...options })).sid;
}

const local = (sid) => [...room.localTracks].find((track) => track.sid === sid);

/** As a browser does by itself that has no power or no bits left. */
export async function stopTopEncoding(sid) {
  const { sender } = local(sid).transceiver;
  const parameters = sender.getParameters();
  parameters.encodings.at(-1).active = false;
  await sender.setParameters(parameters);
}

export const mute = (sid, muted) => local(sid).mute(muted);
export const unpublish = (sid) => local(sid).unpublish();
export const want = (track, quality) => room.settings(track, { quality });

/** Its element, of this size and so far down the page, decides what is sent of a track. */
export function watch(track, { width, height, top = 0 }) {
  const element = shown.get(track);
  Object.assign(element.style, { position: 'absolute', left: '0', top: `${top}px`, width: `${width}px`, height: `${height}px` });
  room.watch(track, element);
}

export const resize = (track, width, height) => Object.assign(shown.get(track).style, { width: `${width}px`, height: `${height}px` });
export const scrollDown = (pixels) => scrollTo(0, pixels);

export const subscribe = (track) => room.subscribe(track);
export const unsubscribe = (track) => room.unsubscribe(track);

export function sendReliable(payload, to) {
  return room.sendReliable(payload, to === null ? {} : { to });
}

export function sendLossy(payload, to) {
  return room.sendLossy(payload, to === null ? {} : { to });
}

/** Sends a message to each participant as soon as it joins. */
export function greet(payload) {
  room.addEventListener('participantJoined', ({ detail: { participant } }) => room.sendReliable(payload, { to: participant }));
}

/** As the browser tells when the network is another. */
export const comeOnline = () => dispatchEvent(new Event('online'));

/** Another with every offer. */
export const origin = () => /^o=(.*)$/m.exec(room.peerConnection.localDescription.sdp)[1];

/** Ends the peer connection as if it were not the client's. */
export const loseMedia = () => room.peerConnection.close();

/** The local candidate of the pair in use: `type` is `host`, `prflx` or `relay`; `protocol` is the one to the TURN server. */
export async function localCandidate() {
  const all = new Map(await room.peerConnection.getStats());
  const transport = [...all.values()].find(({ type }) => type === 'transport');
  const found = all.get(all.get(transport?.selectedCandidatePairId)?.localCandidateId);
  return { type: found?.candidateType ?? null, protocol: found?.relayProtocol ?? null };
}

export const iceUfrag = () => /a=ice-ufrag:(\S+)/.exec(room.peerConnection.remoteDescription.sdp)[1];

function show(sid, track) {
  unshow(sid);
  const element = document.createElement('video');
  // Not muted: Chromium counts no energy of a sound that nobody would hear.
  element.autoplay = element.playsInline = true;
  element.srcObject = new MediaStream([track]);
  document.body.append(element);
  shown.set(sid, element);
}

function unshow(sid) {
  shown.get(sid)?.remove();
  shown.delete(sid);
}

/** Reads the test card that is shown for a track. */
export function card(sid) {
  const element = shown.get(sid);
  return element ? look(element) : null;
}

/** Returns the browser's counters of received media, with the publisher of each track. */
export async function flows() {
  const whose = new Map();
  for (const { identity, tracks } of room.participants.values()) {
    for (const { sid, source, mid } of tracks.values()) if (mid) whose.set(mid, { participant: identity, track: sid, source });
  }
  const found = await inbound(room.peerConnection);
  return found.filter(({ mid }) => whose.has(mid)).map((flow) => ({ ...whose.get(flow.mid), ...flow }));
}

export const sent = () => outbound(room.peerConnection);

// ------------------------------------------------------------------------------------- a bare peer connection

/** @type {RTCPeerConnection | null} */
let bare = null;
/** @type {Record<string, RTCDataChannel>} */
let channels = {};

/**
 * An offer of this shape, with its candidates unless it is to trickle.
 *
 * @param {{sends?: any[], receives?: string[], both?: string[], channel?: boolean, trickle?: boolean}} shape `sends`:
 *   `{kind, codec?, encodings?, width?, height?, fps?, card?, key?}`; with a `key` it is encrypted end to end
 */
export async function offer({ sends = [], receives = [], both = [], channel = false, trickle = false }) {
  bare?.close();
  bare = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  channels = {};
  bare.ontrack = ({ transceiver, track }) => show(`mid-${transceiver.mid}`, track);
  for (const one of sends) await addSending(bare, 'sendonly', one);
  for (const kind of both) await addSending(bare, 'sendrecv', { kind });
  for (const kind of receives) bare.addTransceiver(kind, { direction: 'recvonly' });
  if (channel) channels.bare = bare.createDataChannel('bare');
  return describe(trickle);
}

async function addSending(pc, direction, { kind, codec, encodings = [{}], width = 640, height = 360, fps = 30, card: isCard = false, number = 1, key = 0 }) {
  const size = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps } };
  const wished = kind === 'audio' ? { audio: true } : { video: size };
  const media = isCard ? new MediaStream([film({ card: number, width, height })]) : await navigator.mediaDevices.getUserMedia(wished);
  const transceiver = pc.addTransceiver(media.getTracks()[0], { direction, streams: [media], sendEncodings: encodings });
  if (key) encrypt(transceiver, { key, codec });
  if (!codec) return;
  const known = RTCRtpSender.getCapabilities(kind).codecs;
  const first = known.filter(({ mimeType }) => mimeType.toLowerCase() === `${kind}/${codec}`);
  if (first.length === 0) throw new Error(`this browser does not send ${codec}`);
  transceiver.setCodecPreferences([...first, ...known.filter((other) => !first.includes(other))]);
}

/** The workers of all transceivers that are encrypted or traced. @type {Worker[]} */
const workers = [];
/** Resolves when all workers take frames. */
let transformed = Promise.resolve();

/** Every track of the room that is joined next goes through `cipher.js`. @param {{key?: number, codec?: string, traces?: boolean}} options */
export function encryptEverything(options) {
  const { prototype } = RTCPeerConnection;
  const { addTransceiver } = prototype;
  prototype.addTransceiver = function (...given) {
    const transceiver = addTransceiver.apply(this, given);
    encrypt(transceiver, options);
    return transceiver;
  };
}

/** Must come in the task that added the transceiver: later it is passed by. @param {RTCRtpTransceiver} transceiver @param {{key?: number, codec?: string, traces?: boolean}} options */
function encrypt({ sender, receiver }, options) {
  const worker = new Worker(new URL('cipher.js', import.meta.url));
  const ready = new Promise((resolve, reject) => {
    let missing = 2;
    worker.onmessage = () => --missing === 0 && resolve();
    worker.onerror = reject;
  });
  for (const half of [sender, receiver]) half.transform = new RTCRtpScriptTransform(worker, { ...options, sends: half === sender });
  workers.push(worker);
  transformed = Promise.all([transformed, ready]);
}

/** Browsers drop the frames of a transceiver until its worker has taken the transform. So no description is set before. */
const { setLocalDescription } = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.setLocalDescription = async function (...given) {
  await transformed;
  return setLocalDescription.apply(this, given);
};

/** Returns the recorded frames of all transceivers since the last call, with `traces`. */
export async function traced() {
  const records = workers.map((worker) => new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(null);
  }));
  return (await Promise.all(records)).flat();
}

async function describe(trickle) {
  await bare.setLocalDescription(await bare.createOffer());
  if (!trickle && bare.iceGatheringState !== 'complete') {
    await new Promise((resolve) => {
      bare.addEventListener('icegatheringstatechange', () => bare.iceGatheringState === 'complete' && resolve());
      // A browser that finds no way out gathers for long: the server needs no candidates.
      setTimeout(resolve, 2_000);
    });
  }
  return bare.localDescription.sdp;
}

/** Another offer of the same connection. @param {RTCOfferOptions} options */
export async function offerAgain(options) {
  await bare.setLocalDescription(await bare.createOffer(options));
  return bare.localDescription.sdp;
}

export const accept = (sdp) => bare.setRemoteDescription({ type: 'answer', sdp });

/** The state of the bare connection, and the cause if a data channel is wanted. */
export const bareState = () => ({ connection: bare.connectionState, signalling: bare.signalingState, channel: channels.bare?.readyState ?? null });

/**
 * Posts an offer to the door of WHIP or WHEP, and takes the answer: as a page of any origin may.
 *
 * @param {{url: string, token: string, shape: any}} given
 */
export async function openDoor({ url, token, shape }) {
  const headers = { 'Content-Type': 'application/sdp', Authorization: `Bearer ${token}` };
  const response = await fetch(url, { method: 'POST', headers, body: await offer(shape) });
  const answer = await response.text();
  if (response.status === 201) await accept(answer);
  const location = new URL(response.headers.get('Location') ?? '', url).href;
  return { status: response.status, answer, location, etag: response.headers.get('ETag') };
}

const FRAGMENT = 'application/trickle-ice-sdpfrag';

async function patch(location, ifMatch, body) {
  const response = await fetch(location, { method: 'PATCH', headers: { 'Content-Type': FRAGMENT, 'If-Match': ifMatch }, body });
  return { status: response.status, etag: response.headers.get('ETag'), body: await response.text() };
}

const credentials = (sdp) => [...new Set(sdp.split('\r\n').filter((line) => /^a=(ice-ufrag|ice-pwd):/.test(line)))].join('\r\n') + '\r\n';

/** An ICE restart by PATCH: the answer is the old one with the credentials of the fragment that comes back. */
export async function restartDoor({ location }) {
  const before = bare.remoteDescription.sdp;
  await bare.setLocalDescription(await bare.createOffer({ iceRestart: true }));
  const done = await patch(location, '*', credentials(bare.localDescription.sdp));
  let sdp = before;
  for (const name of ['ice-ufrag', 'ice-pwd']) {
    const value = new RegExp(`a=${name}:(\\S+)`).exec(done.body)[1];
    sdp = sdp.replace(new RegExp(`a=${name}:\\S+`, 'g'), `a=${name}:${value}`);
  }
  await accept(sdp);
  return done;
}

/** A candidate, with the ETag that this session had when it was opened. */
export function trickleDoor({ location, etag }) {
  return patch(location, etag, `${credentials(bare.localDescription.sdp)}m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=end-of-candidates\r\n`);
}

export async function closeDoor({ location }) {
  return { status: (await fetch(location, { method: 'DELETE' })).status };
}

/** Returns the address of the remote candidate that media goes to. */
export const usedUfrag = () => nominated(room.peerConnection);
export const bareUfrag = () => nominated(bare);

/** Returns the protocol of the remote candidate that media goes to: udp or tcp. */
export const usedProtocol = async () => (await candidate(room.peerConnection))?.protocol ?? null;

const nominated = async (pc) => (await candidate(pc))?.usernameFragment ?? null;

async function candidate(pc) {
  const all = [...(await pc.getStats()).values()];
  const byId = new Map(all.map((report) => [report.id, report]));
  const transport = all.find(({ type }) => type === 'transport');
  const pair = byId.get(transport?.selectedCandidatePairId);
  return byId.get(pair?.remoteCandidateId);
}

export const bareFlows = () => inbound(bare);
export const bareSent = () => outbound(bare);

/** From now on no media leaves. */
export const bareMute = () => Promise.all(bare.getSenders().map((sender) => sender.replaceTrack(null)));
export const bareTransport = async () => [...(await bare.getStats()).values()].find(({ type }) => type === 'transport') ?? null;

/** Ends everything: the page is as new. */
export async function reset() {
  await room?.leave();
  room = null;
  bare?.close();
  bare = null;
  for (const sid of [...shown.keys()]) unshow(sid);
  events.length = messages.length = 0;
}

// ----------------------------------------------------------------------------------------------------- counters

async function inbound(pc) {
  const all = [...(await pc.getStats()).values()];
  const byId = new Map(all.map((report) => [report.id, report]));
  return all.filter(({ type }) => type === 'inbound-rtp').map((report) => ({
    mid: report.mid ?? pc.getTransceivers().find(({ receiver }) => receiver.track.id === report.trackIdentifier)?.mid,
    kind: report.kind,
    codec: byId.get(report.codecId)?.mimeType?.split('/')[1]?.toLowerCase() ?? '',
    width: report.frameWidth ?? 0,
    height: report.frameHeight ?? 0,
    frames: report.framesDecoded ?? 0,
    keyframes: report.keyFramesDecoded ?? 0,
    freezes: report.freezeCount ?? 0,
    packets: report.packetsReceived ?? 0,
    lost: report.packetsLost ?? 0,
    bytes: report.bytesReceived ?? 0,
    nacks: report.nackCount ?? 0,
    plis: report.pliCount ?? 0,
    samples: report.totalSamplesReceived ?? 0,
    concealed: report.concealedSamples ?? 0,
    energy: report.totalAudioEnergy ?? 0,
  }));
}

async function outbound(pc) {
  const all = [...(await pc.getStats()).values()];
  const byId = new Map(all.map((report) => [report.id, report]));
  return all.filter(({ type }) => type === 'outbound-rtp').map((report) => ({
    mid: report.mid,
    kind: report.kind,
    rid: report.rid ?? '',
    codec: byId.get(report.codecId)?.mimeType?.split('/')[1]?.toLowerCase() ?? '',
    packets: report.packetsSent ?? 0,
    frames: report.framesEncoded ?? 0,
    keyframes: report.keyFramesEncoded ?? 0,
    width: report.frameWidth ?? 0,
    height: report.frameHeight ?? 0,
    mode: report.scalabilityMode ?? '',
  }));
}
