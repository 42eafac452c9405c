/**
 * The test card: a picture whose content can be checked. Above red, green, blue and white; below eight fields, black or
 * white, that are the bits of a number which grows by one with every frame. `tests/card.py` draws and reads the same.
 */

const COLOURS = ['rgb(220,0,0)', 'rgb(0,200,0)', 'rgb(0,0,220)', 'rgb(235,235,235)'];
const BITS = 8;
/** What is read: eight fields wide, two high, each of 8 x 8 pixels. */
const [COLUMNS, ROWS] = [64, 16];

/** @param {CanvasRenderingContext2D} context @param {number} number */
function draw(context, number) {
  const { width, height } = context.canvas;
  COLOURS.forEach((colour, n) => {
    context.fillStyle = colour;
    context.fillRect((n * width) / 4, 0, width / 4, height / 2);
  });
  for (let bit = 0; bit < BITS; bit++) {
    context.fillStyle = (number >> bit) & 1 ? 'rgb(235,235,235)' : 'rgb(16,16,16)';
    context.fillRect((bit * width) / BITS, height / 2, width / BITS, height / 2);
  }
}

/** @returns {MediaStreamTrack} A track that shows the card. */
export function film({ width = 640, height = 360, fps = 15 } = {}) {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  let number = 0;
  draw(context, number);
  const [track] = canvas.captureStream(fps).getVideoTracks();
  setInterval(() => draw(context, (number = (number + 1) % 256)), 1000 / fps);
  return track;
}

/** @param {HTMLVideoElement} video @returns {{number: number, colours: string} | null} What the picture says now. */
export function look(video) {
  if (!video.videoWidth) return null;
  const canvas = Object.assign(document.createElement('canvas'), { width: COLUMNS, height: ROWS });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, COLUMNS, ROWS);
  const pixel = (column, row) => context.getImageData(column, row, 1, 1).data;
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) if (pixel(bit * 8 + 4, 12)[1] > 125) number |= 1 << bit;
  const colours = [0, 1, 2, 3].map((n) => nameOf(pixel(n * 16 + 8, 4))).join('');
  return { number, colours };
}

function nameOf([r, g, b]) {
  const high = [r > 125, g > 125, b > 125];
  if (high.every(Boolean)) return 'W';
  return ['R', 'G', 'B'].filter((_, n) => high[n]).join('') || '-';
}
