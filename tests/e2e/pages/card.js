/**
 * The test card of `loadtest/testcard.py`, drawn and read in a browser: 32 cells in the upper half are the bits of the
 * frame counter (16), of the card's number (8), and of a CRC-8 over both; below, a white bar runs along.
 */

const [BLACK, WHITE, MIDDLE, MARGIN] = [0, 255, 127, 40];
const [COLUMNS, STEPS, SALT] = [8, 64, 0xa5];
/** Pixels that are read of each cell: the picture is scaled down to 64 x 64. */
const SIZE = 64;

/** @param {number[]} octets */
function crc(octets) {
  let value = 0;
  for (const octet of octets) {
    value ^= octet;
    for (let bit = 0; bit < 8; bit++) value = ((value << 1) ^ (value & 0x80 ? 0x07 : 0)) & 0xff;
  }
  return value ^ SALT;
}

const grey = (level) => `rgb(${level},${level},${level})`;

/** @param {CanvasRenderingContext2D} context @param {number} card @param {number} counter */
function draw(context, card, counter) {
  const { width, height } = context.canvas;
  const octets = [(counter >> 8) & 0xff, counter & 0xff, card];
  [...octets, crc(octets)].forEach((octet, row) => {
    for (let column = 0; column < COLUMNS; column++) {
      context.fillStyle = grey((octet >> (COLUMNS - 1 - column)) & 1 ? WHITE : BLACK);
      context.fillRect((column * width) / COLUMNS, (row * height) / 8, width / COLUMNS + 1, height / 8 + 1);
    }
  });
  for (let stripe = 0; stripe < 16; stripe++) {
    context.fillStyle = grey((stripe * 24 + counter * 2) % 160 + 48);
    context.fillRect((stripe * width) / 16, height / 2, width / 16 + 1, height / 4 + 1);
  }
  context.fillStyle = grey(BLACK);
  context.fillRect(0, (height * 3) / 4, width, height / 4);
  context.fillStyle = grey(WHITE);
  context.fillRect(((counter % STEPS) / STEPS) * (7 / 8) * width, (height * 3) / 4, width / 8, height / 4);
}

/** @param {{card?: number, width?: number, height?: number, fps?: number}} [options] @returns {MediaStreamTrack} */
export function film({ card = 1, width = 640, height = 360, fps = 15 } = {}) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  let counter = 0;
  draw(context, card, counter);
  const [track] = canvas.captureStream(fps).getVideoTracks();
  setInterval(() => draw(context, card, (counter = (counter + 1) & 0xffff)), 1000 / fps);
  return track;
}

/** @param {HTMLVideoElement} video @returns {{card: number, counter: number} | null} Null: it is no card, or too damaged to be sure. */
export function look(video) {
  if (!video.videoWidth) return null;
  const canvas = Object.assign(document.createElement('canvas'), { width: SIZE, height: SIZE });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, SIZE, SIZE);
  const pixels = context.getImageData(0, 0, SIZE, SIZE).data;
  const octets = [];
  for (let row = 0; row < 4; row++) {
    let octet = 0;
    for (let column = 0; column < COLUMNS; column++) {
      const level = pixels[4 * (SIZE * (row * 8 + 4) + column * 8 + 4) + 1];
      if (Math.abs(level - MIDDLE) < MARGIN) return null;
      octet = (octet << 1) | (level > MIDDLE ? 1 : 0);
    }
    octets.push(octet);
  }
  const [high, low, card, sum] = octets;
  return crc([high, low, card]) === sum ? { card, counter: (high << 8) | low } : null;
}
