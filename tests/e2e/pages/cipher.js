/** A worker that encrypts and decrypts frames end to end, as weakly as may be: octets of them with a key of one. */

onrtctransform = ({ transformer: { readable, writable, options } }) => {
  const cipher = new TransformStream({
    transform(frame, controller) {
      const octets = new Uint8Array(frame.data);
      for (const [from, to] of options.codec === 'av1' ? units(octets) : [[0, octets.length]]) {
        for (let at = from; at < to; at++) octets[at] ^= options.key;
      }
      controller.enqueue(frame);
    },
  });
  readable.pipeThrough(cipher).pipeTo(writable);
};

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
