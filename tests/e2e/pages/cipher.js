/** A worker that encrypts and decrypts frames end to end, as weakly as may be: each octet of them with a key of one. */

onrtctransform = ({ transformer: { readable, writable, options } }) => {
  const cipher = new TransformStream({
    transform(frame, controller) {
      frame.data = new Uint8Array(frame.data).map((octet) => octet ^ options.key).buffer;
      controller.enqueue(frame);
    },
  });
  readable.pipeThrough(cipher).pipeTo(writable);
};
