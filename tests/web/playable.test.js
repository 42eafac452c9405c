// Video and audio in one element, with fake elements and streams.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RemoteTrack } from '../../api/web/client/remote.js';
import { LocalTrack } from '../../api/web/client/local.js';

globalThis.MediaStream = class {
  #tracks = new Set();
  getTracks = () => [...this.#tracks];
  addTrack = (track) => void this.#tracks.add(track);
  removeTrack = (track) => void this.#tracks.delete(track);
};

const element = () => ({ srcObject: null });
const remote = (sid, kind) => new RemoteTrack({ sid, kind });
const media = (id, kind) => ({ id, kind, enabled: true, stop: () => {} });
const playing = ({ srcObject }) => srcObject?.getTracks().map(({ id }) => id).sort() ?? [];

function call() {
  const [sound, picture] = [remote('S', 'audio'), remote('P', 'video')];
  sound.mediaStreamTrack = media('sound', 'audio');
  picture.mediaStreamTrack = media('picture', 'video');
  return { sound, picture };
}

test('an element plays the picture and the sound of a participant, in either order', () => {
  for (const order of [['sound', 'picture'], ['picture', 'sound']]) {
    const tracks = call();
    const video = element();
    for (const name of order) tracks[name].attach(video);
    assert.deepEqual(playing(video), ['picture', 'sound']);
  }
});

test('attached once, a track plays wherever it moves, and the stream of the element stays the same', () => {
  const { sound, picture } = call();
  const video = element();
  sound.attach(video);
  picture.attach(video);
  const stream = video.srcObject;
  picture.mediaStreamTrack = media('elsewhere', 'video');
  picture.attach(video);
  assert.deepEqual(playing(video), ['elsewhere', 'sound']);
  picture.mediaStreamTrack = null;
  assert.deepEqual(playing(video), ['sound']);
  picture.mediaStreamTrack = media('again', 'video');
  assert.deepEqual(playing(video), ['again', 'sound']);
  assert.equal(video.srcObject, stream);
});

test('a track that is attached before anything arrives plays when it does', () => {
  const picture = remote('P', 'video');
  const video = element();
  picture.attach(video);
  assert.equal(video.srcObject, null);
  picture.mediaStreamTrack = media('picture', 'video');
  assert.deepEqual(playing(video), ['picture']);
});

test('another track of the same kind takes the place of the one before, which then moves without effect', () => {
  const { sound, picture } = call();
  const video = element();
  sound.attach(video);
  picture.attach(video);
  const screen = remote('Q', 'video');
  // A receive section that showed one track shows the other: the same MediaStreamTrack.
  screen.mediaStreamTrack = picture.mediaStreamTrack;
  screen.attach(video);
  picture.mediaStreamTrack = null;
  assert.deepEqual(playing(video), ['picture', 'sound']);
  picture.mediaStreamTrack = media('late', 'video');
  assert.deepEqual(playing(video), ['picture', 'sound']);
});

test('what is detached plays no longer, in that element', () => {
  const { sound, picture } = call();
  const [video, other] = [element(), element()];
  for (const one of [video, other]) picture.attach(one);
  sound.attach(video);
  picture.detach(video);
  picture.detach(video);
  assert.deepEqual([playing(video), playing(other)], [['sound'], ['picture']]);
  sound.detach(video);
  assert.equal(video.srcObject, null);
});

test('a track of our own is previewed, also after it was replaced', async () => {
  const camera = new LocalTrack({}, media('camera', 'video'), {});
  const video = element();
  camera.attach(video);
  assert.deepEqual(playing(video), ['camera']);
  await camera.replaceTrack(media('better', 'video'));
  assert.deepEqual(playing(video), ['better']);
  await camera.replaceTrack(null);
  assert.deepEqual(playing(video), []);
});

test('what is no element that plays is refused with a sentence', () => {
  const { picture } = call();
  const sentence = (value) => ({ name: 'TypeError', message: `A track is attached to a <video> or <audio> element; this is ${value}.` });
  for (const change of ['attach', 'detach']) {
    assert.throws(() => picture[change](undefined), sentence('undefined'));
    assert.throws(() => picture[change]('#video'), sentence('"#video"'));
    assert.throws(() => picture[change](picture), sentence('of the class RemoteTrack'));
  }
});

test('what is no MediaStreamTrack is neither published nor put in the place of one', async () => {
  const camera = new LocalTrack({}, media('camera', 'video'), {});
  assert.throws(() => new LocalTrack({}, undefined, {}), { name: 'TypeError', message: 'A published track must be a MediaStreamTrack; this is undefined.' });
  assert.throws(() => new LocalTrack({}, camera, {}), { name: 'TypeError', message: /this is of the class LocalTrack/ });
  for (const wrong of [undefined, camera, media('sound', 'audio')]) {
    await assert.rejects(camera.replaceTrack(wrong), { name: 'TypeError', message: /^The new track must be a MediaStreamTrack of kind video, or null; this is / });
  }
  assert.equal(camera.mediaStreamTrack.id, 'camera');
});
