/**
 * A worker that processes the frames of one transceiver: it encrypts and decrypts them end to end (weakly, with a key
 * of one octet), and can record them.
 *
 * Its options: `key` and `codec` of the encryption, none without a key; `traces`: keep a record; `sends`: of what is sent.
 * It sends one message for each transform that it has taken. Any message to it is answered with the record, which begins
 * anew.
 */

let record = [];

onmessage = () => {
  postMessage(record);
  record = [];
};

onrtctransform = ({ transformer: { readable, writable, options } }) => {
  const { key, codec, traces, sends } = options;
  const cipher = new TransformStream({
    transform(frame, controller) {
      const octets = new Uint8Array(frame.data);
      if (traces && sends) record.push(entry(frame, octets));
      if (key) encrypt(octets, key, codec);
      if (traces && !sends) record.push(entry(frame, octets));
      controller.enqueue(frame);
    },
  });
  readable.pipeThrough(cipher).pipeTo(writable);
  postMessage('ready');
};

function encrypt(octets, key, codec) {
  for (const [from, to] of codec === 'av1' ? units(octets) : [[0, octets.length]]) {
    for (let at = from; at < to; at++) octets[at] ^= key;
  }
}

/** What tells a frame from all others: browsers may write its first octets anew, but not its last (FNV-1a, 32 bits). */
function entry(frame, octets) {
  let print = 0x811c9dc5;
  for (const octet of octets.subarray(-COMPARED)) print = Math.imul(print ^ octet, 0x01000193);
  const { synchronizationSource, rtpTimestamp, spatialIndex = 0, temporalIndex = 0, frameId, dependencies } = frame.getMetadata();
  return [synchronizationSource, rtpTimestamp ?? frame.timestamp, spatialIndex, temporalIndex, frame.type === 'key', print >>> 0, frameId, dependencies];
}

const COMPARED = 32;

/** Where the payloads of AV1's OBUs are (s5.3): browsers cut a frame into packets at their headers, which stay in clear. */
function* units(octets) {
  let at = 0;
  while (at < octets.length) {
    const head = octets[at];
    at += head & 0x04 ? 2 : 1;
    let size = octets.length - at;
    if (head & 0x02) {
      size = 0;
      for (let shift = 0; ; shift += 7) {
        const octet = octets[at++];
        size |= (octet & 0x7f) << shift;
        if (!(octet & 0x80)) break;
      }
    }
    yield [at, at + size];
    at += size;
  }
}
