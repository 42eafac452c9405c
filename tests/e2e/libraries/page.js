/** Publishes and watches by client libraries from npm, each used as its README says. */

import { WHIPClient as EyevinnPublisher } from './node_modules/@eyevinn/whip-web-client/dist/whip-client.modern.js';
import { WHEPClient } from './node_modules/whip-whep/whep.js';
import { WHIPClient as MedoozePublisher } from './node_modules/whip-whep/whip.js';

/** Every request, and why it was refused. @type {{method: string, status: number, body: string, detail: string}[]} */
const asked = [];
const fetchOfPage = globalThis.fetch;
globalThis.fetch = async (url, options = {}) => {
  const reply = await fetchOfPage(url, options);
  const detail = reply.ok ? '' : await reply.clone().text();
  asked.push({ method: options.method ?? 'GET', status: reply.status, body: options.body ?? '', detail });
  return reply;
};

/** @type {() => Promise<void>} */
let stop = async () => {};
/** @type {RTCPeerConnection | undefined} */
let viewer;

function picture() {
  const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
  const context = canvas.getContext('2d');
  let frame = 0;
  setInterval(() => {
    context.fillStyle = `hsl(${(frame += 7) % 360} 80% 50%)`;
    context.fillRect(0, 0, 320, 180);
  }, 66);
  const stream = canvas.captureStream(15);
  // Two tracks: one of the libraries cannot trickle for the mid 0 alone.
  const [sound] = new AudioContext().createMediaStreamDestination().stream.getAudioTracks();
  stream.addTrack(sound);
  return stream;
}

export async function publishByMedooze({ url, token }) {
  const connection = new RTCPeerConnection();
  const stream = picture();
  for (const track of stream.getTracks()) connection.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
  const client = new MedoozePublisher();
  await client.publish(connection, url, token);
  stop = () => client.stop();
}

export async function publishByEyevinn({ url, token }) {
  const client = new EyevinnPublisher({ endpoint: url, opts: { authkey: token, iceServers: [] } });
  await client.ingest(picture());
  stop = () => client.destroy();
}

export async function watch({ url, token }) {
  viewer = new RTCPeerConnection();
  viewer.addTransceiver('video', { direction: 'recvonly' });
  const client = new WHEPClient();
  await client.view(viewer, url, token);
  stop = () => client.stop();
}

export async function framesDecoded() {
  const reports = [...(await viewer.getStats()).values()];
  return reports.filter(({ type }) => type === 'inbound-rtp').reduce((sum, { framesDecoded }) => sum + (framesDecoded ?? 0), 0);
}

export async function end() {
  await stop();
}

export async function requests() {
  return asked;
}
